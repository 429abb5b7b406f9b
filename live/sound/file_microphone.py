"""A sound or movie file as microphone, at the pace of a device.

A thread of its own reads ahead; the engine's loop never waits for a disk.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator
from pathlib import Path

import numpy as np

from live.process.bounded_queue import BoundedQueue, WhenFull
from live.process.frames import Clock, Samples, now
from live.sound.audio_block import AudioBlock
from live.sound.sound_file import BadSound, SoundFile
from models.features.media.mixdown import Channel
from models.features.types import Mono

_AHEAD_BLOCKS = 200
_LISTEN_S = 30.0
"""After so much of a file is decided which channels carry sound: a show does not wait for the end of a long movie."""
_BEHIND_S = 0.5
"""A loop that is later than this was suspended: the missed blocks are left out instead of being read in a burst."""


class FileMicrophone:
    """Plays a sound or movie file in real time, in a loop. `read` belongs to the engine's loop."""

    latency_s = 0.0
    xruns = 0

    def __init__(
        self,
        path: Path,
        sample_rate: int,
        block: int,
        clock: Clock = now,
        epoch: float | None = None,
        period_s: float | None = None,
        channel: Channel = "auto",
    ) -> None:
        """
        Args:
            epoch: when (by `clock`) the file's first round began, so that sound and picture of one movie stay in sync
                whenever either is started. None: the file begins when it is first asked, and the rounds follow each
                other without a gap.
            period_s: with an epoch, the length of a round, which is that of the picture; where the sound is shorter,
                the rest is silence. None: the sound's own.
            channel: which of the file's is heard.

        Raises:
            BadSound: no file with sound in it.
        """
        self.name = path.name
        self.missed = 0
        """Blocks that were left out because the machine was suspended."""
        self._file = SoundFile(path, sample_rate, channel, _LISTEN_S)
        self.trouble = self._file.trouble
        self._sample_rate = sample_rate
        self._block = block
        self._clock = clock
        self._epoch = epoch
        self._period_samples = self._file.length_s(period_s) * sample_rate if epoch is not None else 0.0
        self._index = 0
        self._start_at: float | None = epoch
        self._started = False
        self._blocks: BoundedQueue[tuple[int, Samples]] = BoundedQueue(_AHEAD_BLOCKS, WhenFull.REFUSE)
        self._thread = threading.Thread(target=self._read_ahead, name=f"microphone {path.name}", daemon=True)
        self._skip_to_now()
        self._thread.start()

    def due_in_s(self) -> float:
        """How long until the next block is complete."""
        return max(self._due_at() - self._clock(), 0.0)

    def read(self) -> AudioBlock | None:
        """The next block; None when it is not complete yet."""
        at = self._clock()
        due_at = self._due_at()
        if at < due_at:
            return None
        if at - due_at > _BEHIND_S:
            due_at = self._skip_missed(at, due_at)
        samples = self._take_block()
        if samples is None:
            return None
        self._index += 1
        return AudioBlock(samples, due_at - self._block / self._sample_rate)

    def close(self) -> None:
        self._blocks.close()
        self._thread.join()

    def _take_block(self) -> Samples | None:
        """The block that is due; those that were left out are discarded."""
        while (block := self._blocks.take()) is not None:
            index, samples = block
            if index == self._index:
                return samples
        return None

    def _due_at(self) -> float:
        if not self._started:
            self._started = True
            self._skip_to_now()
        if self._start_at is None:
            self._start_at = self._clock()
        return self._start_at + (self._index + 1) * self._block / self._sample_rate

    def _skip_to_now(self) -> None:
        """With an epoch, go to the first block that begins at the present or later."""
        if self._epoch is not None:
            past_blocks = (self._clock() - self._epoch) * self._sample_rate / self._block
            self._index = max(int(np.ceil(past_blocks)), self._index)

    def _skip_missed(self, at: float, due_at: float) -> float:
        """Leave out what was due while the machine was suspended. Returns when the next block was due."""
        late = round((at - due_at) * self._sample_rate / self._block)
        self.missed += late
        if self._epoch is None:
            self._start_at = at - (self._index + 1) * self._block / self._sample_rate
            return at
        self._index += late
        return self._due_at()

    def _read_ahead(self) -> None:
        """In the reading thread."""
        while not self._blocks.closed:
            index = self._index
            with contextlib.closing(self._endless(index * self._block)) as sound:
                rest = np.zeros(0, np.float32)
                while not self._blocks.closed and self._index <= index + _AHEAD_BLOCKS:
                    while len(rest) < self._block:
                        rest = np.concatenate([rest, next(sound)])
                        self.trouble = self._file.trouble
                    if self._blocks.put((index, rest[: self._block, None]), timeout_s=0.2):
                        index, rest = index + 1, rest[self._block :]

    def _endless(self, begin: int) -> Generator[Mono, None, None]:
        """The file again and again, from sample `begin` of the first round on. A file that breaks off in the middle
        starts over; one that can no longer be opened is silence."""
        return self._back_to_back() if self._epoch is None else self._by_period(begin)

    def _back_to_back(self) -> Generator[Mono, None, None]:
        while True:
            count = 0
            with contextlib.suppress(BadSound):
                for passage in self._file.passages():
                    count += len(passage)
                    yield passage
            if not count:
                yield np.zeros(self._block, np.float32)

    def _by_period(self, begin: int) -> Generator[Mono, None, None]:
        rounds = int(begin / self._period_samples)
        while True:
            end = round((rounds + 1) * self._period_samples)
            left = end - begin
            if left > 0:
                with contextlib.suppress(BadSound):
                    for passage in self._file.passages(begin - round(rounds * self._period_samples)):
                        yield passage[:left]
                        left -= len(passage)
                        if left <= 0:
                            break
                if left > 0:
                    yield np.zeros(left, np.float32)
            rounds, begin = rounds + 1, end
