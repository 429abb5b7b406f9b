"""A file as microphone, and a file as loudspeaker, both at the pace of real ones.

Threads of their own read and write; the engine's loop never waits for a disk.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator
from pathlib import Path

import av
import numpy as np

from live.frames import Samples, now

Clock = Callable[[], float]

_AHEAD_BLOCKS = 200
_BEHIND_S = 0.5
"""So far behind its clock, a machine has slept: the file waits for it instead of rushing after."""


class BadSound(Exception):
    """The file cannot be a microphone or a loudspeaker; the message is one line."""


class NoMicrophone:
    """`none`: nothing to hear, nothing to do."""

    name = "none"
    latency_s = 0.0
    xruns = 0
    missed = 0
    trouble = ""

    def due_in_s(self) -> float:
        return 3600.0

    def read(self) -> tuple[Samples, float] | None:
        return None

    def close(self) -> None:
        return


class NoSpeaker:
    """`none`: nobody listens."""

    name = "none"
    latency_s = 0.0
    xruns = 0
    trouble = ""

    def write(self, samples: Samples) -> None:
        return

    def close(self) -> None:
        return


class FileMicrophone:
    """Plays a sound or movie file as if somebody spoke it now, again and again. `read` belongs to the
    engine's loop."""

    latency_s = 0.0
    xruns = 0
    trouble = ""

    def __init__(self, path: Path, sample_rate: int, block: int, clock: Clock = now) -> None:
        """Raises BadSound when it is no file with sound in it."""
        self.name = path.name
        self.missed = 0
        """Blocks that were left out because the machine had stood still."""
        self._path = path
        self._sample_rate = sample_rate
        self._block = block
        self._clock = clock
        self._began_at: float | None = None
        self._index = 0
        self._blocks: queue.Queue[Samples] = queue.Queue(_AHEAD_BLOCKS)
        self._closing = threading.Event()
        self._passages = self._decode()
        self._first = next(self._passages, None)
        if self._first is None:
            raise BadSound(f"{path}: there is no sound in it")
        self._thread = threading.Thread(target=self._read_ahead, name=f"microphone {path.name}", daemon=True)
        self._thread.start()

    def due_in_s(self) -> float:
        """How long until the next block has been spoken."""
        return max(self._due_at() - self._clock(), 0.0)

    def read(self) -> tuple[Samples, float] | None:
        """The next block, (block, 1), and when its first sample was in the air; None when it is not spoken
        yet."""
        at = self._clock()
        due_at = self._due_at()
        if at < due_at:
            return None
        if at - due_at > _BEHIND_S:
            self.missed += round((at - due_at) * self._sample_rate / self._block)
            self._began_at = at - (self._index + 1) * self._block / self._sample_rate
            due_at = at
        try:
            samples = self._blocks.get_nowait()
        except queue.Empty:
            return None
        self._index += 1
        return samples, due_at - self._block / self._sample_rate

    def close(self) -> None:
        self._closing.set()
        while self._thread.is_alive():
            try:
                self._blocks.get_nowait()
            except queue.Empty:
                self._thread.join(0.02)

    def _due_at(self) -> float:
        if self._began_at is None:
            self._began_at = self._clock()
        return self._began_at + (self._index + 1) * self._block / self._sample_rate

    def _read_ahead(self) -> None:
        """In its thread. A file that breaks in the middle starts over; one that cannot be opened any more is
        silence."""
        rest = self._first if self._first is not None else np.zeros((0, 1), np.float32)
        while not self._closing.is_set():
            while len(rest) >= self._block and not self._closing.is_set():
                try:
                    self._blocks.put(rest[: self._block], timeout=0.2)
                except queue.Full:
                    continue
                rest = rest[self._block :]
            try:
                passage = next(self._passages, None)
                if passage is None:
                    self._passages = self._decode()
                    passage = next(self._passages, None)
            except BadSound:
                passage = None
            if passage is None:
                passage = np.zeros((self._block, 1), np.float32)
            rest = np.concatenate([rest, passage])
        self._passages.close()

    def _decode(self) -> Generator[Samples, None, None]:
        try:
            with av.open(str(self._path)) as container:
                if not container.streams.audio:
                    raise BadSound(f"{self._path}: there is no sound in it")
                resampler = av.AudioResampler("flt", "mono", self._sample_rate)
                for frame in container.decode(container.streams.audio[0]):
                    for part in resampler.resample(frame):
                        yield np.ascontiguousarray(part.to_ndarray().reshape(-1, 1), np.float32)
        except FileNotFoundError:
            raise BadSound(f"{self._path}: there is no such file") from None
        except (OSError, av.FFmpegError, ValueError) as error:
            raise BadSound(f"{self._path}: not a sound file that can be read ({error})") from None


class FileSpeaker:
    """Writes what is played into a .wav file, 16 bits. A full disk ends the file and nothing else: see
    `trouble`."""

    latency_s = 0.0
    xruns = 0

    def __init__(self, path: Path, sample_rate: int) -> None:
        """Raises BadSound when the file cannot be made."""
        self.name = path.name
        self.trouble = ""
        self._blocks: queue.Queue[Samples | None] = queue.Queue(2000)
        self._path = path
        self._sample_rate = sample_rate
        try:
            path.open("wb").close()
        except OSError as error:
            raise BadSound(f"{path}: cannot be written: {error.strerror}") from None
        self._thread = threading.Thread(target=self._write_behind, name=f"speaker {path.name}", daemon=True)
        self._thread.start()

    def write(self, samples: Samples) -> None:
        if self.trouble:
            return
        try:
            self._blocks.put_nowait(samples.copy())
        except queue.Full:
            self.trouble = f"{self._path}: the disk is too slow"

    def close(self) -> None:
        while self._thread.is_alive():
            try:
                self._blocks.put(None, timeout=0.2)
                break
            except queue.Full:
                continue
        self._thread.join(10.0)

    def _write_behind(self) -> None:
        import soundfile

        try:
            with soundfile.SoundFile(self._path, "w", self._sample_rate, 1, "PCM_16", format="WAV") as file:
                while (samples := self._blocks.get()) is not None:
                    file.write(samples)
        except (OSError, RuntimeError) as error:
            self.trouble = f"{self._path}: writing it ended: {error}"
            while self._blocks.get() is not None:
                pass
