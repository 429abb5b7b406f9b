"""A delay line whose length can change while it plays, without a click. Belongs to one thread."""

from __future__ import annotations

import numpy as np

from models.features.types import Mono

_MAX_CHUNK = 1 << 13


class Delay:
    """Returns its input `samples` later. A change crossfades from the old delay to the new one over a block.

    The past is kept in a ring buffer: only the block itself is copied.
    """

    def __init__(self, samples: int, max_samples: int) -> None:
        self._current = self._target = samples
        self._max_samples = max(max_samples, samples)
        self._ring = np.zeros(self._max_samples + _MAX_CHUNK, np.float32)
        self._at = 0

    @property
    def samples(self) -> int:
        return self._target

    def set(self, samples: int) -> None:
        self._target = min(max(samples, 0), self._max_samples)

    def process(self, block: Mono) -> Mono:
        """(n,) -> (n,)."""
        if len(block) > _MAX_CHUNK:
            parts = [self.process(block[at : at + _MAX_CHUNK]) for at in range(0, len(block), _MAX_CHUNK)]
            return np.concatenate(parts)
        positions = np.arange(self._at, self._at + len(block))
        self._ring.put(positions, block, mode="wrap")
        self._at = (self._at + len(block)) % len(self._ring)
        delayed = self._ring.take(positions - self._current, mode="wrap")
        if self._target != self._current:
            share = np.linspace(0.0, 1.0, len(block), dtype=np.float32)
            delayed = (1 - share) * delayed + share * self._ring.take(positions - self._target, mode="wrap")
            self._current = self._target
        return delayed
