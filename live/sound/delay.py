"""Sound that waits: a delay that can be changed while it plays, without a click."""

from __future__ import annotations

import numpy as np

from live.sound.voice import Mono


class Delay:
    """Gives what it was given `samples` ago. A change fades from the old place to the new one over a block."""

    def __init__(self, samples: int, longest: int) -> None:
        self._now = self._next = samples
        self._kept = np.zeros(longest, np.float32)

    @property
    def samples(self) -> int:
        return self._next

    def set(self, samples: int) -> None:
        self._next = min(max(samples, 0), len(self._kept))

    def reset(self) -> None:
        self._kept[:] = 0.0
        self._now = self._next

    def process(self, block: Mono) -> Mono:
        """(n,) -> (n,)."""
        heard = np.concatenate([self._kept, block])
        self._kept = heard[len(block) :]
        played = self._at(heard, len(block), self._now)
        if self._next != self._now:
            share = np.linspace(0.0, 1.0, len(block), dtype=np.float32)
            played = (1 - share) * played + share * self._at(heard, len(block), self._next)
            self._now = self._next
        return played

    @staticmethod
    def _at(heard: Mono, count: int, late: int) -> Mono:
        begin = len(heard) - count - late
        return heard[begin : begin + count]
