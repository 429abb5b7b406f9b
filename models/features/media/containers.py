"""What FFmpeg reads and writes: one function to open a picture stream, one for a sound stream, one to create a movie.

Runs in the calling thread and waits for the disk or the network. What comes out of a stream is the same whoever asks;
what a picture looks like is `picture_stream.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Protocol, overload

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from models.features.media.bad_media import BadMedia, NoStream

MAX_SIDE_PX = 16_384
MAX_AREA_PX = 64 << 20
_BOUNDS = {"max_pixels": str(MAX_AREA_PX)}
"""For decoders, which would allocate whatever a file asks for before anybody can look at it."""


def open_pictures(
    name: Path | str,
    *,
    timeout_s: tuple[float, float] | None = None,
    options: Mapping[str, str] | None = None,
    many_threads: bool = False,
) -> tuple[InputContainer, VideoStream]:
    """Opens a file or URL; returns it and the picture stream that a player would take. The caller closes it.

    `timeout_s` limits opening and each read. `many_threads` is for work offline: while performing, decoder threads
    would compete with the engine for few cores, and each would add a frame of delay.

    Raises BadMedia, or OSError when it is missing or cannot be reached.
    """
    try:
        container = av.open(ffmpeg_name(name), timeout=timeout_s, options={**_BOUNDS, **(options or {})})
    except (av.FFmpegError, ValueError) as error:
        if isinstance(error, OSError):
            raise
        raise BadMedia(f"{name} is not a video ({type(error).__name__})") from error
    try:
        stream = _shown_stream(container, name)
    except BadMedia:
        container.close()
        raise
    if many_threads:
        stream.thread_type = "AUTO"
    else:
        stream.codec_context.thread_count = 1
    return container, stream


def ffmpeg_name(name: Path | str) -> str:
    """The name under which FFmpeg opens what is named: a URL as it is, and a file so that no colon in its name is taken
    for a protocol's.

    Raises BadMedia for what is there and no file: FFmpeg would wait for a pipe for ever.
    """
    if is_url(name):
        return str(name)
    path = Path(str(name).removeprefix("file://"))
    if path.exists() and not path.is_file():
        raise BadMedia(f"{name} is not a file")
    return f"file:{path}"


def is_url(name: Path | str) -> bool:
    return isinstance(name, str) and "://" in name and not name.startswith("file://")


def check_size(width: int, height: int, name: object) -> None:
    """Raises BadMedia for a picture of which no computer here could hold a second's worth."""
    if max(width, height) > MAX_SIDE_PX or width * height > MAX_AREA_PX:
        raise BadMedia(
            f"{name} has pictures of {width}x{height}, and {MAX_SIDE_PX} a side and 64 megapixels are the most"
        )


def _shown_stream(container: InputContainer, name: Path | str) -> VideoStream:
    """Never cover art; else by the rule of FFmpeg's players. Raises BadMedia."""
    films = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if not films:
        raise NoStream(f"{name} has no video stream")
    best = container.streams.best("video")
    stream = next((film for film in films if best is not None and film.index == best.index), films[0])
    if stream.codec_context is None:
        raise BadMedia(f"{name} has pictures in a form that cannot be decoded")
    check_size(stream.codec_context.width, stream.codec_context.height, name)
    stream.codec_context.options = dict(_BOUNDS)
    return stream


def open_sound(path: Path | str) -> tuple[InputContainer, AudioStream]:
    """Opens a file, whatever its name looks like; returns it and the sound stream that a player would take. The caller
    closes it.

    Raises BadMedia, or OSError when it is missing or may not be read.
    """
    try:
        container = av.open(ffmpeg_name(path))
    except (av.FFmpegError, ValueError) as error:
        if isinstance(error, OSError):
            raise
        raise BadMedia(f"{path}: not a sound file that can be read ({_reason(error)})") from error
    stream = container.streams.best("audio")
    if not isinstance(stream, AudioStream):
        container.close()
        raise NoStream(f"{path}: there is no sound in it")
    _forget_order(stream)
    return container, stream


def _forget_order(stream: AudioStream) -> None:
    """Of channels in an order of their own, as Apple has it, keeps the number alone: PyAV 18 frees the list of such
    an order twice, and dies. To have looked at it once is freeing it once; the context is then given another."""
    context = stream.codec_context
    layout = context.layout
    if "(" in layout.name:
        context.layout = f"{layout.nb_channels} channels"


def _reason(error: Exception) -> str:
    """FFmpeg's own words, without the name that they repeat."""
    return getattr(error, "strerror", None) or str(error)


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
        except (OSError, ValueError, av.FFmpegError):
            yield None
            continue
        for frame in frames:
            if isinstance(frame, VideoFrame | AudioFrame):
                yield frame


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
