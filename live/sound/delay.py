"""Sound that waits: a delay that can be changed while it plays, without a click."""

from __future__ import annotations

import numpy as np

from models.features.types import Mono

_AT_A_TIME = 1 << 13


class Delay:
    """Gives what it was given `samples` ago. A change fades from the old place to the new one over a block.

    The past lies in a ring: nothing but the block itself is moved.
    """

    def __init__(self, samples: int, longest: int) -> None:
        self._now = self._next = samples
        self._longest = max(longest, samples)
        self._ring = np.zeros(self._longest + _AT_A_TIME, np.float32)
        self._at = 0

    @property
    def samples(self) -> int:
        return self._next

    def set(self, samples: int) -> None:
        self._next = min(max(samples, 0), self._longest)

    def reset(self) -> None:
        self._ring[:] = 0.0
        self._now = self._next

    def process(self, block: Mono) -> Mono:
        """(n,) -> (n,)."""
        if len(block) > _AT_A_TIME:
            parts = [self.process(block[at : at + _AT_A_TIME]) for at in range(0, len(block), _AT_A_TIME)]
            return np.concatenate(parts)
        places = np.arange(self._at, self._at + len(block))
        self._ring.put(places, block, mode="wrap")
        self._at = (self._at + len(block)) % len(self._ring)
        played = self._ring.take(places - self._now, mode="wrap")
        if self._next != self._now:
            share = np.linspace(0.0, 1.0, len(block), dtype=np.float32)
            played = (1 - share) * played + share * self._ring.take(places - self._next, mode="wrap")
            self._now = self._next
        return played
