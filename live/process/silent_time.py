"""How long another process has said nothing, judged fairly. Any process."""

from __future__ import annotations

from collections.abc import Callable

from live.process.frames import now

MAX_TICK_S = 0.25
"""A longer time between two ticks counts as this much."""


class SilentTime:
    """Counts time by this process's own ticks: while this process stood still, a suspended machine's others did, too,
    and nobody is blamed for it."""

    def __init__(self, clock: Callable[[], float] = now) -> None:
        self._clock = clock
        self._ticked_at = clock()
        self.seconds = 0.0
        """Since the last `reset`."""

    def reset(self) -> None:
        """The other side has given a sign of life."""
        self.seconds = 0.0

    def tick(self) -> None:
        """Call it at least every MAX_TICK_S, after what has arrived was read."""
        at = self._clock()
        self.seconds += min(at - self._ticked_at, MAX_TICK_S)
        self._ticked_at = at
