"""A file as microphone, and a file as loudspeaker, both at the pace of real ones.

Threads of their own read and write; the engine's loop never waits for a disk.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Generator
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer

from live.process.frames import Clock, Samples, now
from live.sound.drift import Feed
from live.sound.level import sanitise
from models.features.types import Mono

_AHEAD_BLOCKS = 200
_BEHIND_S = 0.5
"""So far behind its clock, a machine has slept: the file waits for it instead of rushing after."""
_LATE_S = 0.02
_SETTLING_BLOCKS = 100
_GAP_S = 0.005
"""Time stamps that are less than this apart from the end of the sound before are rounded, no hole."""


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
    """`none`: nobody listens, at the pace of a loudspeaker. All but `in_hand_s` belongs to the engine's loop.

    A loudspeaker plays by its own clock what was written: this one has the computer's, a set point as real ones have,
    and runs dry as they do.
    """

    def __init__(
        self, sample_rate: int = 48_000, set_point_s: float = 0.02, clock: Clock = now, drifts: bool = False
    ) -> None:
        """
        Args:
            set_point_s: what it holds in hand when a block arrives in time.
            drifts: whether the blocks come by another clock than the computer's (a device's).
        """
        self.name = "none"
        self.trouble = ""
        self._sample_rate = sample_rate
        self._set_point_s = set_point_s
        self._clock = clock
        self._feed = Feed(sample_rate, sample_rate, max(set_point_s, _LATE_S), drifts)
        self._dry = 0
        self._dry_at: float | None = None
        """When what was written will have been played."""
        self._written_at = clock()
        self._blocks_to_settle = _SETTLING_BLOCKS

    @property
    def latency_s(self) -> float:
        return self._set_point_s + self._feed.latency_s

    @property
    def xruns(self) -> int:
        return self._dry + self._feed.skips

    @property
    def drift_ppm(self) -> float | None:
        return self._feed.control.ppm if self._feed.control else None

    def in_hand_s(self) -> float:
        """How long what was written will last; its set point before there was anything."""
        return self._set_point_s if self._dry_at is None else max(self._dry_at - self._clock(), 0.0)

    def write(self, samples: Samples) -> None:
        """Play a block, (n, 1)."""
        at = self._clock()
        if self._dry_at is None:
            self._dry_at = at + self._set_point_s
        elif at > self._dry_at:
            self._dry += 1
            self._play(np.zeros(round((at - self._dry_at + self._set_point_s) * self._sample_rate), np.float32))
            self._feed.begin()
        excess_s = self._dry_at - at - self._set_point_s
        if self._blocks_to_settle:
            # The first blocks may all be late, and the file holds them one by one: the earliest tells when it began.
            self._blocks_to_settle -= 1
            self._dry_at -= max(excess_s, 0.0)
            excess_s = min(excess_s, 0.0)
        if self._feed.control:
            self._feed.control.update(excess_s, at - self._written_at)
        self._written_at = at
        self._play(self._feed.process(samples[:, 0], excess_s))

    def close(self) -> None:
        return

    def _play(self, samples: Mono) -> None:
        assert self._dry_at is not None
        self._dry_at += len(samples) / self._sample_rate


class FileMicrophone:
    """Plays a sound or movie file as if somebody spoke it now, again and again. `read` belongs to the
    engine's loop."""

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
    ) -> None:
        """
        Args:
            epoch: when (by `clock`) the file began its first round; so that sound and picture of one movie stay
                together, whenever either begins to look. None: it begins when it is first asked, and one round follows
                the other without a hole.
            period_s: with an epoch, how long a round is, that of the picture; what the sound lacks of it is silence.
                None: the sound's own.

        Raises:
            BadSound: no file with sound in it.
        """
        self.name = path.name
        self.trouble = ""
        self.missed = 0
        """Blocks that were left out because the machine had stood still."""
        self._file = SoundFile(path, sample_rate)
        self._sample_rate = sample_rate
        self._block = block
        self._clock = clock
        self._epoch = epoch
        self._round = self._file.length_s(period_s) * sample_rate if epoch is not None else 0.0
        self._index = 0
        self._began_at: float | None = epoch
        self._begun = False
        self._blocks: queue.Queue[tuple[int, Samples]] = queue.Queue(_AHEAD_BLOCKS)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._read_ahead, name=f"microphone {path.name}", daemon=True)
        self._begin_at_the_epoch()
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
            due_at = self._leave_out(at, due_at)
        try:
            index, samples = self._blocks.get_nowait()
            while index != self._index:
                index, samples = self._blocks.get_nowait()
        except queue.Empty:
            return None
        self._index += 1
        self.trouble = self._file.trouble
        return samples, due_at - self._block / self._sample_rate

    def close(self) -> None:
        self._closing.set()
        while self._thread.is_alive():
            with contextlib.suppress(queue.Empty):
                while True:
                    self._blocks.get_nowait()
            self._thread.join(0.02)

    def _due_at(self) -> float:
        if not self._begun:
            self._begun = True
            self._begin_at_the_epoch()
        if self._began_at is None:
            self._began_at = self._clock()
        return self._began_at + (self._index + 1) * self._block / self._sample_rate

    def _begin_at_the_epoch(self) -> None:
        """The first block that is still to be spoken."""
        if self._epoch is not None:
            spoken = (self._clock() - self._epoch) * self._sample_rate / self._block
            self._index = max(int(np.ceil(spoken)), self._index)

    def _leave_out(self, at: float, due_at: float) -> float:
        """The machine stood still: what is past is past. Returns when the next block was due."""
        late = round((at - due_at) * self._sample_rate / self._block)
        self.missed += late
        if self._epoch is None:
            self._began_at = at - (self._index + 1) * self._block / self._sample_rate
            return at
        self._index += late
        return self._due_at()

    def _read_ahead(self) -> None:
        """In its thread."""
        while not self._closing.is_set():
            index = self._index
            with contextlib.closing(self._sound(index * self._block)) as sound:
                rest = np.zeros(0, np.float32)
                while not self._closing.is_set() and self._index <= index + _AHEAD_BLOCKS:
                    while len(rest) < self._block:
                        rest = np.concatenate([rest, next(sound)])
                    try:
                        self._blocks.put((index, rest[: self._block, None]), timeout=0.2)
                    except queue.Full:
                        continue
                    index, rest = index + 1, rest[self._block :]

    def _sound(self, begin: int) -> Generator[Mono, None, None]:
        """Without end, from sample `begin` of the first round on. A file that breaks in the middle starts over; one
        that cannot be opened any more is silence."""
        if self._epoch is None:
            while True:
                count = 0
                with contextlib.suppress(BadSound):
                    for passage in self._file.passages():
                        count += len(passage)
                        yield passage
                if not count:
                    yield np.zeros(self._block, np.float32)
        rounds = int(begin / self._round)
        while True:
            end = round((rounds + 1) * self._round)
            left = end - begin
            if left > 0:
                with contextlib.suppress(BadSound):
                    for passage in self._file.passages(begin - round(rounds * self._round)):
                        yield passage[:left]
                        left -= len(passage)
                        if left <= 0:
                            break
                if left > 0:
                    yield np.zeros(left, np.float32)
            rounds, begin = rounds + 1, end


class SoundFile:
    """Sound or a movie's sound, mono at a rate of ours. Times count from the movie's first picture; where there is
    none, from the first sample."""

    def __init__(self, path: Path, sample_rate: int) -> None:
        """Raises BadSound when there is no sound in it."""
        self.trouble = ""
        self._path = path
        self._sample_rate = sample_rate
        with contextlib.closing(self.passages()) as passages:
            if next(passages, None) is None:
                raise BadSound(f"{path}: there is no sound in it")

    def length_s(self, wanted_s: float | None) -> float:
        """How long a round is; at least a hundredth of a second."""
        if wanted_s is None:
            wanted_s = sum(len(passage) for passage in self.passages(0)) / self._sample_rate
        return max(wanted_s, 0.01)

    def passages(self, begin: int | None = None) -> Generator[Mono, None, None]:
        """The sound in pieces. begin: placed by its time stamps, from this sample on, holes as silence; None: as it
        comes, one piece after the other.

        Raises:
            BadSound: while it is read.
        """
        try:
            with av.open(str(self._path)) as container:
                if not container.streams.audio:
                    raise BadSound(f"{self._path}: there is no sound in it")
                stream = container.streams.audio[0]
                passages = self._in_turn(container, stream) if begin is None else self._placed(container, stream, begin)
                for passage in passages:
                    clean, bad = sanitise(passage)
                    if bad:
                        self.trouble = f"{self._path.name}: there are samples in it that are no sound; they are silence"
                    if len(clean):
                        yield clean
        except FileNotFoundError:
            raise BadSound(f"{self._path}: there is no such file") from None
        except (OSError, av.FFmpegError, ValueError) as error:
            raise BadSound(f"{self._path}: not a sound file that can be read ({error})") from None

    def _in_turn(self, container: InputContainer, stream: AudioStream) -> Generator[Mono, None, None]:
        resampler = av.AudioResampler("fltp", None, self._sample_rate)
        for frame in container.decode(stream):
            yield from _mono(resampler, frame)
        yield from _mono(resampler, None)

    def _placed(self, container: InputContainer, stream: AudioStream, begin: int) -> Generator[Mono, None, None]:
        zero_s = _zero_s(container, stream)
        if begin > 2 * self._sample_rate and stream.time_base:
            with contextlib.suppress(av.FFmpegError):  # what cannot seek is read from its beginning
                container.seek(int((begin / self._sample_rate + zero_s - 1.0) / stream.time_base), stream=stream)
        placed = begin
        for at, piece in self._with_places(container, stream, zero_s):
            while at > placed:
                silence = min(at - placed, self._sample_rate)
                yield np.zeros(silence, np.float32)
                placed += silence
            yield piece[placed - at :]
            placed = max(placed, at + len(piece))

    def _with_places(
        self, container: InputContainer, stream: AudioStream, zero_s: float
    ) -> Generator[tuple[int, Mono], None, None]:
        """Pieces, and the sample each begins at. Every run of sound without a hole has a resampler of its own."""
        resampler: av.AudioResampler | None = None
        at, end_s = 0, 0.0
        for frame in container.decode(stream):
            time_s = end_s if frame.time is None else frame.time - zero_s
            if resampler is None or abs(time_s - end_s) > _GAP_S:
                if resampler is not None:
                    for piece in _mono(resampler, None):
                        yield at, piece
                        at += len(piece)
                resampler = av.AudioResampler("fltp", None, self._sample_rate)
                at, end_s = round(time_s * self._sample_rate), time_s
            end_s += frame.samples / frame.sample_rate
            for piece in _mono(resampler, frame):
                yield at, piece
                at += len(piece)
        if resampler is not None:
            for piece in _mono(resampler, None):
                yield at, piece
                at += len(piece)


class FileSpeaker(NoSpeaker):
    """Writes what is played into a .wav file, 16 bits: a loudspeaker in a room, recorded from the moment on at which
    the microphone's first sample was in the air. A full disk ends the file and nothing else: see `trouble`."""

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
                as the screen says.

        Raises:
            BadSound: the file cannot be made.
        """
        super().__init__(sample_rate, set_point_s, clock, drifts)
        self.name = path.name
        self._lead_s = lead_s
        self._blocks: queue.Queue[Mono | None] = queue.Queue(2000)
        self._path = path
        try:
            path.open("wb").close()
        except OSError as error:
            raise BadSound(f"{path}: cannot be written: {error.strerror}") from None
        self._thread = threading.Thread(target=self._write_behind, name=f"speaker {path.name}", daemon=True)
        self._thread.start()

    def write(self, samples: Samples) -> None:
        if self._dry_at is None:
            self._keep(np.zeros(round(self._lead_s * self._sample_rate), np.float32))
        super().write(samples)

    def close(self) -> None:
        while self._thread.is_alive():
            try:
                self._blocks.put(None, timeout=0.2)
                break
            except queue.Full:
                continue
        self._thread.join(10.0)

    def _play(self, samples: Mono) -> None:
        super()._play(samples)
        self._keep(samples.copy())

    def _keep(self, samples: Mono) -> None:
        if self.trouble:
            return
        try:
            self._blocks.put_nowait(samples)
        except queue.Full:
            self.trouble = f"{self._path}: the disk is too slow"

    def _write_behind(self) -> None:
        """In its thread."""
        import soundfile

        try:
            with soundfile.SoundFile(self._path, "w", self._sample_rate, 1, "PCM_16", format="WAV") as file:
                while (samples := self._blocks.get()) is not None:
                    file.write(samples)
        except (OSError, RuntimeError) as error:
            self.trouble = f"{self._path}: writing it ended: {error}"
            while self._blocks.get() is not None:
                pass


def _mono(resampler: av.AudioResampler, frame: av.AudioFrame | None) -> Generator[Mono, None, None]:
    """What comes out of the resampler for this frame, the mean of its channels; for None, what it still holds.

    Not the resampler's own mono: it keeps the power of two different channels, so two alike come out 3 dB louder and
    clip.
    """
    for part in resampler.resample(frame):
        yield np.asarray(part.to_ndarray().mean(0), np.float32)


def _zero_s(container: InputContainer, stream: AudioStream) -> float:
    """When the movie's picture begins, in its own time; the sound, where there is no picture but a cover."""
    for video in container.streams.video:
        if not video.disposition & av.stream.Disposition.attached_pic and video.time_base is not None:
            return float((video.start_time or 0) * video.time_base)
    return float((stream.start_time or 0) * (stream.time_base or 0))
