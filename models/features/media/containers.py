"""What FFmpeg reads and writes: one function to open a picture stream, one for a sound stream, one to create a movie.

Runs in the calling thread and waits for the disk or the network. What comes out of a stream is the same whoever asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Protocol, overload

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from models.features.media.bad_media import BadMedia, NoStream
from models.features.types import Picture


def open_pictures(
    name: Path | str,
    *,
    timeout_s: tuple[float, float] | None = None,
    options: Mapping[str, str] | None = None,
    many_threads: bool = False,
) -> tuple[InputContainer, VideoStream]:
    """Opens a file or URL; returns it and its first picture stream. The caller closes it.

    `timeout_s` limits opening and each read. `many_threads` is for work offline: while performing, decoder threads
    would compete with the engine for few cores, and each would add a frame of delay.

    Raises BadMedia, or OSError when it is missing or cannot be reached.
    """
    try:
        container = av.open(str(name), timeout=timeout_s, options=dict(options or {}))
    except (av.FFmpegError, ValueError) as error:
        if isinstance(error, OSError):
            raise
        raise BadMedia(f"{name} is not a video ({type(error).__name__})") from error
    if not container.streams.video:
        container.close()
        raise NoStream(f"{name} has no video stream")
    stream = container.streams.video[0]
    if many_threads:
        stream.thread_type = "AUTO"
    else:
        stream.codec_context.thread_count = 1
    return container, stream


def open_sound(path: Path | str) -> tuple[InputContainer, AudioStream]:
    """Opens a file; returns it and its first sound stream. The caller closes it.

    Raises BadMedia, or OSError when it is missing or may not be read.
    """
    try:
        container = av.open(str(path))
    except (av.FFmpegError, ValueError) as error:
        if isinstance(error, OSError):
            raise
        raise BadMedia(f"{path}: not a sound file that can be read ({error})") from error
    if not container.streams.audio:
        container.close()
        raise NoStream(f"{path}: there is no sound in it")
    return container, container.streams.audio[0]


@overload
def decoded(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame | None]: ...
@overload
def decoded(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame | None]: ...
def decoded(container: InputContainer, stream: VideoStream | AudioStream) -> Iterator[VideoFrame | AudioFrame | None]:
    """Every frame of the stream in order, and None in the place of each packet that is damaged.

    Raises av.FFmpegError or OSError where a file is cut off within a packet, or a network is silent.
    """
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except EOFError:
            return
        except (OSError, ValueError):
            yield None
            continue
        for frame in frames:
            if isinstance(frame, VideoFrame | AudioFrame):
                yield frame


def upright(frame: VideoFrame, size: tuple[int, int] | None = None) -> Picture:
    """A decoded frame as RGB, from any pixel format, rotated as its metadata says; scaled to `size`, the width and
    height it is shown at, unless None."""
    quarter_turns = round(frame.rotation / 90) % 4
    width, height = frame.width, frame.height
    if size is not None:
        width, height = size[::-1] if quarter_turns % 2 else size
    if (width, height) != (frame.width, frame.height) or frame.format.name != "rgb24":
        frame = frame.reformat(width=width, height=height, format="rgb24")
    picture = np.asarray(frame.to_ndarray(), np.uint8)
    # The display matrix rotates counterclockwise, and so does rot90.
    return np.ascontiguousarray(np.rot90(picture, quarter_turns))


def shown_size(frame: VideoFrame) -> tuple[int, int]:
    """Width and height of a decoded frame, once upright."""
    turned = round(frame.rotation / 90) % 2
    return (frame.height, frame.width) if turned else (frame.width, frame.height)


class WritableFile(Protocol):
    """What FFmpeg needs of a file that is open already."""

    def write(self, data: bytes) -> int: ...
    def seek(self, offset: int, whence: int = 0) -> int: ...
    def tell(self) -> int: ...


def create_movie(
    file: Path | WritableFile,
    size: tuple[int, int],
    fps: Fraction,
    encoder: Mapping[str, str],
    options: Mapping[str, str] | None = None,
) -> tuple[OutputContainer, VideoStream]:
    """Begins an MP4 file with an H.264 track; returns both. `file`: its name, or a file that is open already and stays
    the caller's to close. `size` is width and height, even numbers; `encoder` are the
    options of libx264, `options` those of the container. The caller adds what else it needs, and closes it.

    Raises OSError or av.FFmpegError when the file cannot be created, at the latest with the first packet.
    """
    target = f"file:{file}" if isinstance(file, Path) else file
    container = av.open(target, "w", format="mp4", options=dict(options or {}))
    stream = container.add_stream("libx264", rate=fps, options=dict(encoder))
    stream.width, stream.height = size
    stream.pix_fmt = "yuv420p"
    return container, stream
