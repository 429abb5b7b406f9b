"""The decoded sound of a file, piece by piece as it is stored, with times that can be believed and samples that are
sound. Runs in the calling thread and waits for the disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from models.command_line import one_line
from models.features.media.containers import decoded
from models.features.media.stamps import SoundStamps
from models.features.media.wild_samples import mend

MOST_DAMAGED = 1000
"""Packets; after more, what is left of a recording is not read."""
_TELL_THEIR_LENGTH = frozenset({"mov", "wav", "w64", "flac", "matroska", "aiff", "caf", "avi"})
"""FFmpeg's formats whose length is written in the file; of others it is a guess."""
_MISSING_S = 0.5
_PLANES = 8
_STREAMED = 0xFFFFFF00
"""Sizes from here on stand in the headers of WAV files that were written without knowing their end."""


class SoundPiece(NamedTuple):
    """Some sound as it is stored: (channels, n), full scale 1."""

    samples: NDArray[np.float32]
    sample_rate: int
    layout: str
    """FFmpeg's name: mono, stereo, 5.1, 8 channels."""
    time_s: float
    """In the file's own seconds."""


@dataclass
class SoundFaults:
    """What was wrong with the sound of a file, as far as it has been read."""

    damaged: int = 0
    """Packets that could not be decoded, and an end within one."""
    bridged: int = 0
    """Wild samples that were interpolated."""
    silenced: int = 0
    """Samples that were no sound and became silence, or were brought down to the loudest there is."""
    broken_stamps: int = 0
    said_s: float = 0.0
    """The length that the file says, where much of it is missing; else 0."""
    read_s: float = 0.0
    """What can be read of it."""

    def or_worse(self, other: SoundFaults) -> SoundFaults:
        """The more of each, of two readings of one file."""
        return SoundFaults(
            **{each.name: max(getattr(self, each.name), getattr(other, each.name)) for each in fields(self)}
        )

    def sentences(self, path: Path) -> list[str]:
        """One line a fault."""
        cut_off = self.said_s > 0
        found = {
            f"the file says {self.said_s:.1f} s, {self.read_s:.1f} s can be read": cut_off,
            f"damaged in {self.damaged} places": self.damaged > 0 and not cut_off,
            f"{self.bridged} wild samples were taken out": self.bridged > 0,
            "there are samples in it that are no sound; they are silence, or limited": self.silenced > 0,
            "its time stamps leap, and are closed up": self.broken_stamps > 0,
        }
        return [f"{one_line(path.name)}: {sentence}" for sentence, is_so in found.items() if is_so]


def sound_pieces(
    container: InputContainer, stream: AudioStream, begin_s: float | None, faults: SoundFaults
) -> Iterator[SoundPiece]:
    """All the sound from where the stream is now. `begin_s`: the time at which sound is expected there; None: wherever
    the first stamp says. `faults` is filled on the way: nothing is raised for damaged packets, which are left out, nor
    for an end within one."""
    stamps = SoundStamps(begin_s, _picture_length_s(container))
    frames = _frames(container, stream, faults)
    frame = next(frames, None)
    while frame is not None:
        following = next(frames, None)
        time_s = stamps.place(
            frame.time, frame.samples / frame.sample_rate, None if following is None else following.time
        )
        faults.broken_stamps = stamps.broken
        mended = mend(channels_of(frame), frame.sample_rate)
        faults.bridged += mended.bridged
        faults.silenced += mended.silenced
        yield SoundPiece(mended.samples, frame.sample_rate, frame.layout.name, time_s)
        frame = following
    if not stamps.broken:
        _compare_length(container, stream, stamps.end_s, faults)


def channels_of(frame: AudioFrame) -> NDArray[np.float32]:
    """(channels, samples), full scale 1."""
    channels = frame.layout.nb_channels
    if frame.format.is_planar and channels >= _PLANES:
        frame = _packed(frame)
    values = frame.to_ndarray()
    if not frame.format.is_planar:
        values = values.reshape(-1, channels).T
    if values.dtype == np.uint8:
        return np.asarray((values.astype(np.float32) - 128) / 128, np.float32)
    if np.issubdtype(values.dtype, np.integer):
        return np.asarray(values / float(1 << (8 * values.dtype.itemsize - 1)), np.float32)
    return np.asarray(values, np.float32)


def _packed(frame: AudioFrame) -> AudioFrame:
    """The same samples in one plane: PyAV 18 reads beyond the last of eight planes, and dies."""
    (packed,) = av.AudioResampler(frame.format.packed.name, frame.layout, frame.sample_rate).resample(frame)
    return packed


def sound_begin_s(container: InputContainer, stream: AudioStream) -> float:
    """The time stamp at which the movie's picture begins; that of the sound, where the only picture is a cover."""
    for video in container.streams.video:
        if not video.disposition & av.stream.Disposition.attached_pic and video.time_base is not None:
            return float((video.start_time or 0) * video.time_base)
    return float((stream.start_time or 0) * (stream.time_base or 0))


def _frames(container: InputContainer, stream: AudioStream, faults: SoundFaults) -> Iterator[AudioFrame]:
    try:
        for frame in decoded(container, stream):
            if frame is None:
                faults.damaged += 1
                if faults.damaged > MOST_DAMAGED:
                    return
            elif frame.samples and frame.sample_rate:
                yield frame
    except EOFError:
        return
    except (OSError, ValueError, av.FFmpegError):  # the file ends in the middle of a packet
        faults.damaged += 1


def _picture_length_s(container: InputContainer) -> float | None:
    """None without a picture."""
    lengths = [
        float(video.duration * video.time_base)
        for video in container.streams.video
        if video.duration and video.time_base and not video.disposition & av.stream.Disposition.attached_pic
    ]
    return max(lengths, default=None)


def _compare_length(container: InputContainer, stream: AudioStream, end_s: float | None, faults: SoundFaults) -> None:
    """Notes how long the sound is by what the file says of itself, where it ends long before."""
    begin_s = float((stream.start_time or 0) * (stream.time_base or 0))
    said_s, read_s = _said_length_s(container, stream), 0.0 if end_s is None else end_s - begin_s
    if said_s is not None and said_s - read_s > max(_MISSING_S, 0.01 * said_s):
        faults.said_s, faults.read_s = said_s, read_s


def _said_length_s(container: InputContainer, stream: AudioStream) -> float | None:
    """None where the file does not say, or guesses."""
    formats = set(container.format.name.split(","))
    if not formats & _TELL_THEIR_LENGTH:
        return None
    if stream.duration and stream.time_base:
        missing_s = _wav_missing_s(container, stream) if "wav" in formats else 0.0
        return float(stream.duration * stream.time_base) + missing_s
    has_picture = bool(container.streams.video)  # which may be what lasts so long
    return container.duration / 1e6 if container.duration and not has_picture else None


def _wav_missing_s(container: InputContainer, stream: AudioStream) -> float:
    """FFmpeg corrects a WAV file's length by its size: how much that was. A header of a stream says nothing."""
    with open(container.name.removeprefix("file:"), "rb") as file:
        head = file.read(8)
    said = int.from_bytes(head[4:8], "little") + 8
    bytes_a_second = (stream.codec_context.bit_rate or 0) / 8
    if head[:4] != b"RIFF" or said >= _STREAMED or not bytes_a_second:
        return 0.0
    return max(said - container.size, 0) / bytes_a_second
