"""What went to the loudspeaker, told to whoever records: some blocks in one Played. Belongs to the engine's loop."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from live.process.messages import AudioChunk, Event
from models.features.types import Mono

_TOGETHER_S = 0.05


class RecordingTap:
    """`add` each block as it is written; what is collected goes out in pieces."""

    def __init__(self, sample_rate: int, send: Callable[[Event], None]) -> None:
        self._sample_rate = sample_rate
        self._send = send
        self._blocks: list[Mono] = []
        self._at = 0.0

    def add(self, block: Mono, at: float) -> None:
        """A block and when its first sample is heard, by now()."""
        if not self._blocks:
            self._at = at
        self._blocks.append(block.astype("<f4"))
        if sum(map(len, self._blocks)) >= _TOGETHER_S * self._sample_rate:
            self.flush()

    def flush(self) -> None:
        if self._blocks:
            self._send(AudioChunk(self._at, np.concatenate(self._blocks).tobytes(), self._sample_rate))
            self._blocks = []
