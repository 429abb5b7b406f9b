"""Sends what went to the loudspeaker to the recorder, several blocks in one AudioChunk. Belongs to the engine's
loop."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from live.process.messages import AudioChunk, Event
from models.features.types import Mono

_CHUNK_S = 0.05


class RecordingTap:
    """Collects each block as it is written, and sends them in chunks."""

    def __init__(self, sample_rate: int, send: Callable[[Event], None]) -> None:
        self._sample_rate = sample_rate
        self._send = send
        self._blocks: list[Mono] = []
        self._at = 0.0

    def collect(self, block: Mono, at: float) -> None:
        """A block, (n,), and when its first sample is heard, by now()."""
        if not self._blocks:
            self._at = at
        self._blocks.append(block.astype("<f4"))
        if sum(map(len, self._blocks)) >= _CHUNK_S * self._sample_rate:
            self.flush()

    def flush(self) -> None:
        """Send what is collected, however little it is."""
        if self._blocks:
            self._send(AudioChunk(self._at, np.concatenate(self._blocks).tobytes(), self._sample_rate))
            self._blocks = []
