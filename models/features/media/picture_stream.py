"""THE way to the pictures of a file or URL, for every verb and every source: as a player would show them.

The stream a player would take, upright, deinterlaced, with square pixels, in the colours of BT.709, all of one size;
each with its time. Runs in the thread that iterates, and waits there for the disk or the network; starts none, but for
the decoder's own with `many_threads`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from math import inf
from pathlib import Path
from types import TracebackType
from typing import Self

import av
from av.audio.stream import AudioStream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from models.features.media.containers import decoded, is_url, open_pictures
from models.features.media.frame_filters import Deinterlacer
from models.features.media.shown_pictures import ShownPictures, Size, as_decoded
from models.features.types import Picture

FALLBACK_FPS = 30.0
_SANE_FPS = (1, 1000)
SHORT_S = 0.5
"""As much less than the file says is not worth a word: sound and picture rarely end together."""


class TimedFrame:
    """A decoded frame; its picture is made when it is asked for, so that a late one costs little."""

    def __init__(self, frame: VideoFrame, shown: ShownPictures) -> None:
        self._frame, self._shown = frame, shown
        self.time_s: float | None = frame.time
        """The file's own stamp in seconds; None when it has none."""

    def picture(self) -> Picture:
        """RGB, uint8 (h, w, 3). Raises BadMedia."""
        return self._shown.picture(self._frame)


class PictureStream:
    """An open file or URL. Iterate `frames` once; open another for a second time."""

    def __init__(
        self,
        name: Path | str,
        *,
        timeout_s: tuple[float, float] | None = None,
        options: Mapping[str, str] | None = None,
        many_threads: bool = False,
        fit: Callable[[Size], Size] = as_decoded,
    ) -> None:
        """See `open_pictures`; `fit`: see ShownPictures. Raises BadMedia, or OSError when it is missing or cannot be
        reached."""
        self.name = name
        self.damaged = 0
        """Packets left out so far."""
        self._container, self._stream = open_pictures(
            name, timeout_s=timeout_s, options=options, many_threads=many_threads
        )
        self._shown = ShownPictures(name, self._stream.sample_aspect_ratio, fit)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._container.close()

    @property
    def fps(self) -> float:
        """As the file says, or FALLBACK_FPS."""
        for rate in (self._stream.average_rate, self._stream.guessed_rate):
            if rate and _SANE_FPS[0] <= rate <= _SANE_FPS[1]:
                return float(rate)
        return FALLBACK_FPS

    @property
    def frame_count(self) -> int | None:
        """As the file says; None when it does not."""
        return self._stream.frames or None

    @property
    def duration_s(self) -> float | None:
        """How long the whole file is, as it says; None for a live stream."""
        return float(self._container.duration) / 1e6 if self._container.duration else None

    @property
    def pictures_s(self) -> float | None:
        """How long its pictures are, as the file says; None when it does not say that of them alone."""
        stated = _stated_length(self._stream)
        return self.duration_s if stated is None and not self._container.streams.audio else stated

    @property
    def sound_until_s(self) -> float:
        """The stamp up to which there is sound, as the file says; 0 when it does not."""
        ends = [
            float((stream.start_time or 0) * (stream.time_base or 0)) + (_stated_length(stream) or 0.0)
            for stream in self._container.streams.audio
        ]
        return max(ends, default=0.0)

    def seek(self, stamp_s: float) -> None:
        """Goes to the last key picture before the stamp, where the file allows it. Before `frames`."""
        if self._stream.time_base:
            with suppress(av.FFmpegError):
                self._container.seek(round(stamp_s / self._stream.time_base), stream=self._stream)

    def pass_over(self, late: bool) -> None:
        """While `late`, pictures on which no other one depends are not decoded."""
        self._stream.codec_context.skip_frame = "NONREF" if late else "DEFAULT"

    def frames(self, from_s: float = -inf) -> Iterator[TimedFrame]:
        """Every frame that can be decoded, from the stamp `from_s` on.

        A file that is cut off ends there. Raises av.FFmpegError or OSError where a network is silent.
        """
        deinterlacer = Deinterlacer()
        try:
            for frame in decoded(self._container, self._stream):
                if frame is None:
                    self.damaged += 1
                else:
                    yield from self._timed(deinterlacer.through(frame), from_s)
        except (av.FFmpegError, OSError):
            if is_url(self.name):
                raise
            self.damaged += 1
        yield from self._timed(deinterlacer.rest(), from_s)

    def notes(self, read_s: float) -> tuple[str, ...]:
        """After the last frame: what is to be said of the file, of which `read_s` seconds were read."""
        stated_s = self.pictures_s
        if stated_s is not None and stated_s - read_s > SHORT_S:
            return (f"the file says {stated_s:.1f} s, {read_s:.1f} s can be read: is it copied as a whole?",)
        return (f"{self.damaged} damaged pieces are left out of the pictures",) if self.damaged else ()

    def _timed(self, frames: Iterator[VideoFrame], from_s: float) -> Iterator[TimedFrame]:
        for frame in frames:
            if frame.time is None or frame.time >= from_s:
                yield TimedFrame(frame, self._shown)


def _stated_length(stream: VideoStream | AudioStream) -> float | None:
    """In seconds, of this stream alone."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    hours, *rest = stream.metadata.get("DURATION", "").split(":")  # Matroska's 00:01:02.345000000
    try:
        return float(hours) * 3600 + float(rest[0]) * 60 + float(rest[1])
    except (ValueError, IndexError):
        return None
