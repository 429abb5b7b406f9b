"""Counts the blocks that came too late, and finds a voice that stays too slow for the machine. Counts time in blocks.

One hop that is late makes a burst of late blocks, and is no slow voice: it performs again as soon as it answers in
time.
"""

from __future__ import annotations

from collections import deque

WINDOW_S = 5.0
MOST_LATE = 1 / 3
"""With a larger share of late blocks in the last WINDOW_S, the voice is too slow for this machine."""
TOLD_S = 0.25
"""A burst of late blocks is told from this length on: the audience has heard it."""


class MissCounter:
    """Belongs to the engine's loop."""

    def __init__(self, block_s: float) -> None:
        self.total = 0
        self._block_s = block_s
        self._late: deque[bool] = deque(maxlen=round(WINDOW_S / block_s))
        """Of each of the newest blocks."""
        self._burst = self._ended_burst = 0
        self._too_slow = False

    def count(self, late: bool) -> None:
        """The next block is played."""
        self._late.append(late)
        if not late:
            self._ended_burst, self._burst = max(self._ended_burst, self._burst), 0
            return
        self.total += 1
        self._burst += 1
        if sum(self._late) > MOST_LATE * (self._late.maxlen or 0):
            self.restart()
            self._too_slow = True

    def restart(self) -> None:
        """Another voice comes on: what was late before says nothing of it."""
        self._late.clear()
        self._burst = self._ended_burst = 0
        self._too_slow = False

    def take_too_slow(self) -> bool:
        """Whether the voice was found too slow since the last call."""
        too_slow, self._too_slow = self._too_slow, False
        return too_slow

    def take_burst_s(self) -> float | None:
        """How long the longest burst was that has ended since the last call and is to be told, s."""
        burst_s, self._ended_burst = self._ended_burst * self._block_s, 0
        return burst_s if burst_s >= TOLD_S else None
