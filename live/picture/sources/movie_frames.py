"""A movie's pictures as the stage takes them: no larger than the tracker can use, with times that only grow.

Shared by the sources and by `guise render`. A corrupt packet is skipped. Runs in the thread that iterates; nothing here
starts a thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from math import inf
from pathlib import Path

import av
from av.container import InputContainer

from live.process.frames import Frame
from models.features.media.bad_media import BadMedia
from models.features.media.containers import open_pictures
from models.features.media.picture_stream import SHORT_S, PictureStream, TimedFrame
from models.features.media.stamps import PictureStamps
from models.features.types import Picture

MAX_HEIGHT_PX = 1280
MAX_WIDTH_PX = 2560
MAX_AREA_PX = 1920 * 1080
SHORT_SIDE_PX = 720
"""A picture that exceeds any of the three limits above is scaled to this short side: nothing downstream gains from
more."""


class BadSource(Exception):
    """What was named as a source is none; the message is one line with the reason."""


def capture_size(width: int, height: int) -> tuple[int, int]:
    """The width and height at which pictures of this size are passed on."""
    if height <= MAX_HEIGHT_PX and width <= MAX_WIDTH_PX and width * height <= MAX_AREA_PX:
        return width, height
    scale = min(SHORT_SIDE_PX / min(width, height), MAX_WIDTH_PX / max(width, height))
    return max(round(width * scale), 2), max(round(height * scale), 2)


def open_stream(
    name: Path | str,
    timeout_s: tuple[float, float] | None = None,
    options: Mapping[str, str] | None = None,
) -> PictureStream:
    """Opens what is named as a source; its pictures come in the size for capturing.

    Raises BadSource, or OSError when it cannot be reached.
    """
    try:
        return PictureStream(name, timeout_s=timeout_s, options=options, fit=lambda size: capture_size(*size))
    except BadMedia as error:
        raise BadSource(str(error)) from error


def playing_time(path: Path) -> float | None:
    """How long a movie's pictures and sound last from the first picture on, the longer of the two, in seconds, as far
    as they can be read; None when it lacks either or cannot be read."""
    try:
        container, stream = open_pictures(path)
        with container:
            if not container.streams.audio:
                return None
            first_s = float((stream.start_time or 0) * (stream.time_base or 0))
            return _end_s(container) - first_s
    except (OSError, av.FFmpegError, ValueError, BadMedia):
        return None


def _end_s(container: InputContainer) -> float:
    """Where the last packet ends, in the container's seconds. A file that says how long it is, and is, is not read
    through for it; one that is copied by half is."""
    if container.duration:
        stated_s = ((container.start_time or 0) + container.duration) / 1e6
        with suppress(av.FFmpegError):
            container.seek(container.duration + (container.start_time or 0))
        if stated_s - _last_end_s(container) < SHORT_S:
            return stated_s
        container.seek(container.start_time or 0)
    return _last_end_s(container)


def _last_end_s(container: InputContainer) -> float:
    """The end of the last packet from here on; 0 when there is none."""
    end_s = 0.0
    with suppress(av.FFmpegError, OSError):  # cut off within a packet: there is no more
        for packet in container.demux():
            if packet.pts is not None and packet.time_base is not None:
                end_s = max(end_s, float((packet.pts + (packet.duration or 0)) * packet.time_base))
    return end_s


class FileFrames:
    """Every frame of a movie file once, in order, with the file's own times, mended.

    Each iteration opens the file anew. Frames carry the time since the first one in seconds, strictly increasing.
    """

    def __init__(self, path: Path | str) -> None:
        """Raises BadSource when the file is missing, is no video, or has no picture that can be decoded."""
        self.path = Path(path)
        if not self.path.exists():
            raise BadSource(f"{path}: there is no such file")
        if not self.path.is_file():
            raise BadSource(f"{path} is not a file")
        self.late = False
        """Set while iterating, in the same thread: pictures on which no other depends are then not decoded."""
        self.notes: tuple[str, ...] = ()
        """After an iteration: what is to be said of the file, such as how much of it is missing."""
        with self._open() as stream:
            self.fps = stream.fps
            self.frame_count = stream.frame_count
            self.duration_s = stream.duration_s
            first = next(stream.frames(), None)
            if first is None:
                raise BadSource(f"{path} has a video stream, but not one picture in it can be decoded")
            picture = _picture(first)
            self.size = picture.shape[1], picture.shape[0]
            self.first_s = first.time_s or 0.0
            """The file's own time of the first picture."""

    def __iter__(self) -> Iterator[Frame]:
        for index, (frame, time_s) in enumerate(self.timed_frames()):
            yield Frame(_picture(frame), time_s, index)

    def timed_frames(self) -> Iterator[tuple[TimedFrame, float]]:
        """Every frame with its time; a picture is made only if it is asked for."""
        with self._open() as stream:
            yield from self._mended(stream, PictureStamps(1 / self.fps, None, sound_until_s=stream.sound_until_s))

    def frames_from(self, from_s: float) -> Iterator[tuple[TimedFrame, float]]:
        """Every frame from `from_s` on with its time, both in seconds since the first frame."""
        with self._open() as stream:
            if from_s > 0:
                stream.seek(from_s + self.first_s)
            stamps = PictureStamps(1 / self.fps, self.first_s, from_s, stream.sound_until_s)
            yield from self._mended(stream, stamps, from_s + self.first_s)

    def _mended(
        self, stream: PictureStream, stamps: PictureStamps, from_stamp_s: float = -inf
    ) -> Iterator[tuple[TimedFrame, float]]:
        time_s = 0.0
        for frame in stream.frames(from_stamp_s):
            time_s = stamps.mend(frame.time_s)
            yield frame, time_s
            stream.pass_over(self.late)
        self.notes = stream.notes(time_s + 1 / self.fps)

    def _open(self) -> PictureStream:
        try:
            return open_stream(self.path)
        except OSError as error:
            raise BadSource(f"{self.path} cannot be read: {error.strerror or error}") from error


def _picture(frame: TimedFrame) -> Picture:
    try:
        return frame.picture()
    except BadMedia as error:
        raise BadSource(str(error)) from error
