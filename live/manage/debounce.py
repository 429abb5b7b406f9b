"""Recognises repeated presses that are meant as one. Used under the StageManager's lock, in any thread."""

from __future__ import annotations

from live.process.frames import now

DOUBLE_PRESS_S = 0.3
"""A second press within this time of the last one counts as the same: a nervous finger, a bouncing pad, a held key."""
PANIC_DEBOUNCE_S = 0.7
"""A second press of panic within this time of the last one counts as the same, so it does not end the panic."""


class Debouncer:
    """Remembers when each action was requested last."""

    def __init__(self) -> None:
        self._at: dict[str, float] = {}

    def record(self, action: str) -> None:
        """Count a press of this action now."""
        self._at[action] = now()

    def is_double(self, action: str, within_s: float = DOUBLE_PRESS_S) -> bool:
        """Count a press; True when the last one was less than `within_s` ago. Refused presses count, too, so a held key
        fires once."""
        before = self._at.get(action)
        self.record(action)
        return before is not None and self._at[action] - before < within_s
