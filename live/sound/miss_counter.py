"""Counts the blocks that came too late, and finds a voice that is too slow for the machine. Has no clock: the caller
passes the time."""

from __future__ import annotations

from collections import deque

TOO_SLOW_MISSES = 20
TOO_SLOW_S = 2.0
"""With so many late blocks within this time, the voice is too slow for this machine."""


class MissCounter:
    """Belongs to the engine's loop."""

    def __init__(self) -> None:
        self.total = 0
        self._times: deque[float] = deque(maxlen=TOO_SLOW_MISSES)
        self._too_slow = False

    def count(self, at: float) -> None:
        """A block was late at this time, s."""
        self.total += 1
        self._times.append(at)
        if len(self._times) == TOO_SLOW_MISSES and at - self._times[0] < TOO_SLOW_S:
            self._times.clear()
            self._too_slow = True

    def restart(self) -> None:
        """Another voice comes on: what was late before says nothing of it."""
        self._times.clear()
        self._too_slow = False

    def take_too_slow(self) -> bool:
        """Whether the voice was found too slow since the last call."""
        too_slow, self._too_slow = self._too_slow, False
        return too_slow
