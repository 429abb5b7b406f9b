"""Reads the sound of a sound or movie file, mono, at a rate asked for.

For the thread that reads ahead, or offline; it waits for the disk.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer

from live.sound.level import sanitise
from models.features.media.bad_media import BadMedia
from models.features.media.containers import open_sound
from models.features.types import Mono

_GAP_S = 0.005
"""A time stamp that differs by less than this from the end of the sound before it is a rounded one, not a gap."""


class BadSound(Exception):
    """The file cannot be a microphone or a loudspeaker; the message is one line."""


class SoundFile:
    """The sound of a file, mono. Times count from the movie's first picture; without one, from the first sample."""

    def __init__(self, path: Path, sample_rate: int) -> None:
        """Raises BadSound when there is no sound in it."""
        self.trouble = ""
        self._path = path
        self._sample_rate = sample_rate
        with contextlib.closing(self.passages()) as passages:
            if next(passages, None) is None:
                raise BadSound(f"{path}: there is no sound in it")

    def length_s(self, wanted_s: float | None) -> float:
        """The length of one round: `wanted_s`, or for None the sound's own; at least a hundredth of a second."""
        if wanted_s is None:
            wanted_s = sum(len(passage) for passage in self.passages(0)) / self._sample_rate
        return max(wanted_s, 0.01)

    def passages(self, begin: int | None = None) -> Generator[Mono, None, None]:
        """The sound in pieces.

        Args:
            begin: the first sample; pieces are placed by their time stamps, and gaps are silence. None: all pieces, one
                directly after the other.

        Raises:
            BadSound: while it is read.
        """
        try:
            container, stream = open_sound(self._path)
            with container:
                passages = self._joined(container, stream) if begin is None else self._by_time(container, stream, begin)
                for passage in passages:
                    clean, bad = sanitise(passage)
                    if bad:
                        self.trouble = f"{self._path.name}: there are samples in it that are no sound; they are silence"
                    if len(clean):
                        yield clean
        except FileNotFoundError:
            raise BadSound(f"{self._path}: there is no such file") from None
        except BadMedia as error:
            raise BadSound(str(error)) from None
        except (OSError, av.FFmpegError, ValueError) as error:
            raise BadSound(f"{self._path}: not a sound file that can be read ({error})") from None

    def _joined(self, container: InputContainer, stream: AudioStream) -> Generator[Mono, None, None]:
        resampler = av.AudioResampler("fltp", None, self._sample_rate)
        for frame in container.decode(stream):
            yield from _resampled(resampler, frame)
        yield from _resampled(resampler, None)

    def _by_time(self, container: InputContainer, stream: AudioStream, begin: int) -> Generator[Mono, None, None]:
        zero_s = _zero_s(container, stream)
        if begin > 2 * self._sample_rate and stream.time_base:
            with contextlib.suppress(av.FFmpegError):  # a file that cannot seek is read from its beginning
                container.seek(int((begin / self._sample_rate + zero_s - 1.0) / stream.time_base), stream=stream)
        position = begin
        for at, piece in self._with_positions(container, stream, zero_s):
            while at > position:
                silence = min(at - position, self._sample_rate)
                yield np.zeros(silence, np.float32)
                position += silence
            yield piece[position - at :]
            position = max(position, at + len(piece))

    def _with_positions(
        self, container: InputContainer, stream: AudioStream, zero_s: float
    ) -> Generator[tuple[int, Mono], None, None]:
        """Pieces, and the sample each begins at. Each run of sound without a gap has a resampler of its own."""
        resampler: av.AudioResampler | None = None
        at, end_s = 0, 0.0
        for frame in container.decode(stream):
            time_s = end_s if frame.time is None else frame.time - zero_s
            if resampler is None or abs(time_s - end_s) > _GAP_S:
                if resampler is not None:
                    for piece in _resampled(resampler, None):
                        yield at, piece
                        at += len(piece)
                resampler = av.AudioResampler("fltp", None, self._sample_rate)
                at, end_s = round(time_s * self._sample_rate), time_s
            end_s += frame.samples / frame.sample_rate
            for piece in _resampled(resampler, frame):
                yield at, piece
                at += len(piece)
        if resampler is not None:
            for piece in _resampled(resampler, None):
                yield at, piece
                at += len(piece)


def _resampled(resampler: av.AudioResampler, frame: av.AudioFrame | None) -> Generator[Mono, None, None]:
    """The resampler's output for this frame, as the mean of its channels; for None, what it still holds.

    Not the resampler's own mono: that keeps the power of two different channels, so two equal channels come out 3 dB
    louder and clip.
    """
    for part in resampler.resample(frame):
        yield np.asarray(part.to_ndarray().mean(0), np.float32)


def _zero_s(container: InputContainer, stream: AudioStream) -> float:
    """The time stamp at which the movie's picture begins; that of the sound, where the only picture is a cover."""
    for video in container.streams.video:
        if not video.disposition & av.stream.Disposition.attached_pic and video.time_base is not None:
            return float((video.start_time or 0) * video.time_base)
    return float((stream.start_time or 0) * (stream.time_base or 0))
