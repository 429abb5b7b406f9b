"""Decodes a movie: every picture with its time, upright, RGB, no larger than the tracker can use.

Shared by the sources and by `guise render`. A corrupt packet is skipped. Runs in the thread that iterates; nothing here
starts a thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from math import inf
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from live.process.frames import Frame
from models.features.media.bad_media import BadMedia
from models.features.media.containers import decoded, open_pictures, shown_size, upright
from models.features.types import Picture

MAX_HEIGHT_PX = 1280
MAX_WIDTH_PX = 2560
MAX_AREA_PX = 1920 * 1080
SHORT_SIDE_PX = 720
"""A picture that exceeds any of the three limits above is scaled to this short side: nothing downstream gains from
more."""
FALLBACK_FPS = 30.0


class BadSource(Exception):
    """What was named as a source is none; the message is one line with the reason."""


def capture_size(width: int, height: int) -> tuple[int, int]:
    """The width and height at which pictures of this size are passed on."""
    if height <= MAX_HEIGHT_PX and width <= MAX_WIDTH_PX and width * height <= MAX_AREA_PX:
        return width, height
    scale = min(SHORT_SIDE_PX / min(width, height), MAX_WIDTH_PX / max(width, height))
    return max(round(width * scale), 2), max(round(height * scale), 2)


def decode_pictures(
    container: InputContainer, stream: VideoStream, from_s: float = -inf
) -> Iterator[tuple[Picture, float | None]]:
    """Every decodable picture from `from_s` on, with its time in the container's seconds (None if it has none).

    Raises av.FFmpegError or OSError where a file is cut off, or a network is silent.
    """
    for frame in decoded(container, stream):
        if frame is not None and (frame.time is None or frame.time >= from_s):
            yield upright(frame, capture_size(*shown_size(frame))), frame.time


def open_movie(
    path: str, timeout_s: tuple[float, float] | None = None, options: dict[str, str] | None = None
) -> tuple[InputContainer, VideoStream]:
    """Opens what is named as a source; returns it and its first video stream.

    Raises BadSource, or OSError when it cannot be reached.
    """
    try:
        return open_pictures(path, timeout_s=timeout_s, options=options)
    except BadMedia as error:
        raise BadSource(str(error)) from error


def playing_time(path: Path) -> float | None:
    """How long a movie's pictures and sound last from the first picture on, the longer of the two, in seconds; None
    when it lacks either or cannot be read."""
    try:
        container, stream = open_pictures(path)
        with container:
            if not container.streams.audio:
                return None
            first_s = float((stream.start_time or 0) * (stream.time_base or 0))
            if container.duration:
                return ((container.start_time or 0) + container.duration) / 1e6 - first_s
            ends = [(p.pts + (p.duration or 0)) * p.time_base for p in container.demux() if p.pts is not None]
            return float(max(ends)) - first_s
    except (OSError, av.FFmpegError, ValueError, BadMedia):
        return None


class FileFrames:
    """Every frame of a movie file once, in order, with the file's own times.

    Each iteration opens the file anew. Frames carry the time since the first one in seconds, strictly increasing.
    """

    def __init__(self, path: Path | str) -> None:
        """Raises BadSource when the file is missing, is no video, or has no picture that can be decoded."""
        self.path = Path(path)
        if not self.path.exists():
            raise BadSource(f"{path}: there is no such file")
        if not self.path.is_file():
            raise BadSource(f"{path} is not a file")
        try:
            container, stream = open_movie(str(self.path))
        except OSError as error:
            raise BadSource(f"{path} cannot be read: {error.strerror or error}") from error
        with closing(container):
            rate = stream.average_rate or stream.guessed_rate
            self.fps = float(rate) if rate and 0 < rate <= 240 else FALLBACK_FPS
            self.frame_count = stream.frames or None
            self.duration_s = float(container.duration) / 1e6 if container.duration else None
            try:
                first = next(decode_pictures(container, stream), None)
            except (av.FFmpegError, OSError) as error:
                raise BadSource(f"{path} cannot be decoded: {error}") from error
            if first is None:
                raise BadSource(f"{path} has a video stream, but not one picture in it can be decoded")
            self.size = first[0].shape[1], first[0].shape[0]
            self.first_s = first[1] or 0.0
            """The file's own time of the first picture."""

    def __iter__(self) -> Iterator[Frame]:
        container, stream = open_movie(str(self.path))
        with closing(container):
            first_s, before_s = None, -1 / self.fps
            for index, (picture, time_s) in enumerate(self._decoded(container, stream)):
                if time_s is not None:
                    first_s = time_s - before_s - 1 / self.fps if first_s is None else first_s
                    time_s -= first_s
                if time_s is None or time_s <= before_s:
                    time_s = before_s + 1 / self.fps
                yield Frame(picture, time_s, index)
                before_s = time_s

    def pictures_from(self, from_s: float) -> Iterator[tuple[Picture, float]]:
        """Every picture from `from_s` on with its time, both in seconds since the first frame; pictures without a time
        are left out."""
        container, stream = open_movie(str(self.path))
        with closing(container):
            if from_s > 0 and stream.time_base:
                with suppress(av.FFmpegError):  # Seeking is not possible: decode from the start.
                    container.seek(round((from_s + self.first_s) / stream.time_base), stream=stream)
            for picture, time_s in self._decoded(container, stream, from_s + self.first_s):
                if time_s is not None:
                    yield picture, time_s - self.first_s

    def _decoded(
        self, container: InputContainer, stream: VideoStream, from_s: float = -inf
    ) -> Iterator[tuple[Picture, float | None]]:
        try:
            yield from decode_pictures(container, stream, from_s)
        except (av.FFmpegError, OSError):
            return  # The file is cut off within a packet: there is no more.
