"""A .wav file as loudspeaker, at the pace of a device.

A thread of its own writes the file; the engine's loop never waits for a disk.
"""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np

from live.process.bounded_queue import BoundedQueue, WhenFull
from live.process.frames import Clock, Samples, now
from live.sound.paced_speaker import PacedSpeaker
from live.sound.sound_file import BadSound
from models.features.media.sound_files import growing_sound_file
from models.features.types import Mono

_QUEUE_BLOCKS = 2000


class FileSpeaker(PacedSpeaker):
    """Writes what is played into a .wav file, 16 bits: what a recorder beside the loudspeaker would hold, from the
    moment the microphone's first sample was in the air. A full disk ends the file and nothing else: see `trouble`."""

    def __init__(
        self,
        path: Path,
        sample_rate: int,
        set_point_s: float = 0.02,
        lead_s: float = 0.0,
        clock: Clock = now,
        drifts: bool = False,
    ) -> None:
        """
        Args:
            lead_s: the silence before the first block: a block's length and the set point, so that the file is as late
                as the latency on the screen.

        Raises:
            BadSound: the file cannot be created.
        """
        super().__init__(path.name, sample_rate, set_point_s, clock, drifts)
        self._lead_s = lead_s
        self._blocks: BoundedQueue[Mono] = BoundedQueue(_QUEUE_BLOCKS, WhenFull.REFUSE)
        self._path = path
        try:
            path.open("wb").close()
        except OSError as error:
            raise BadSound(f"{path}: cannot be written: {error.strerror}") from None
        self._thread = threading.Thread(target=self._write_file, name=f"speaker {path.name}", daemon=True)
        self._thread.start()

    def write(self, samples: Samples) -> None:
        if self._dry_at is None:
            self._enqueue(np.zeros(round(self._lead_s * self._sample_rate), np.float32))
        super().write(samples)

    def close(self) -> None:
        self._blocks.close()
        self._thread.join(10.0)

    def _consume(self, samples: Mono) -> None:
        self._enqueue(samples.copy())

    def _enqueue(self, samples: Mono) -> None:
        if not self.trouble and not self._blocks.put(samples):
            self.trouble = f"{self._path}: the disk is too slow"

    def _write_file(self) -> None:
        """In the writing thread. After an error it empties the queue until it is closed."""
        try:
            with growing_sound_file(self._path, self._sample_rate) as write:
                while (samples := self._blocks.take(timeout_s=None)) is not None:
                    write(samples)
        except OSError as error:
            self.trouble = f"{self._path}: writing it ended: {error}"
            while self._blocks.take(timeout_s=None) is not None:
                pass
