"""How long a process that died waits for its restart: not at all, but longer and longer if it never lives long."""

from __future__ import annotations

SHORT_LIFE_S = 5.0
"""A process that lives shorter than this has failed at its start."""
LONGEST_PAUSE_S = 5.0
_FREE_FAILURES = 2


class RestartPause:
    """One for each process that is restarted."""

    def __init__(self) -> None:
        self._failures = 0

    def after(self, lived_s: float) -> float:
        """The pause before the next start, in s, of a process that has just died after `lived_s`."""
        self._failures = self._failures + 1 if lived_s < SHORT_LIFE_S else 0
        return 0.0 if self._failures <= _FREE_FAILURES else min(0.125 * 2.0**self._failures, LONGEST_PAUSE_S)
