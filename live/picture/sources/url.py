"""A stream or a movie behind a URL as camera.

`UrlSource.grab` connects, decodes and paces in the source's reader thread.
"""

from __future__ import annotations

import re

from live.picture.sources.movie_frames import open_stream
from live.picture.sources.pace import Pace
from live.picture.sources.source import GONE_S, Grabbed, ReaderThread, Source
from live.process.frames import Clock, now
from models.features.media.picture_stream import PictureStream
from models.features.media.stamps import PictureStamps

FIRST_PATIENCE_S, MOST_PATIENCE_S = 3.0, 30.0
"""How long each read may take, at the first attempt and at most: it doubles with each one that gave no picture."""
OPENING_PART = 4 / 3
"""Of the patience: how long opening may take, in which some reads lie."""


class UrlSource(Source):
    """A stream or a movie behind a URL. Pictures of a stream are passed on as they arrive; a movie is played at its own
    pace, and what is late is passed over."""

    def __init__(self, url: str, clock: Clock = now) -> None:
        super().__init__(public_url(url), clock=clock)
        self._url = url
        self._patience_s = FIRST_PATIENCE_S

    @classmethod
    def accepts(cls, spec: str) -> bool:
        return "://" in spec and not spec.startswith("file://")

    def public_text(self, text: str) -> str:
        return without_secrets(text, self._url)

    def grab(self, reader: ReaderThread) -> Grabbed:
        patience_s, self._patience_s = self._patience_s, min(2 * self._patience_s, MOST_PATIENCE_S)
        reader.deadline_s = self.clock() + OPENING_PART * patience_s + GONE_S
        options = {"rtsp_transport": "tcp"} if self._url.startswith("rtsp") else {}
        with open_stream(self._url, (OPENING_PART * patience_s, patience_s), options) as stream:
            reader.deadline_s = self.clock() + patience_s + GONE_S
            for picture_at in self._played(reader, stream):
                self._patience_s = FIRST_PATIENCE_S
                yield picture_at

    def _played(self, reader: ReaderThread, stream: PictureStream) -> Grabbed:
        stamps, pace = PictureStamps(1 / stream.fps), Pace(self)
        started_at: float | None = None
        for frame in stream.frames():
            if stream.duration_s is not None:  # a movie
                time_s = stamps.mend(frame.time_s)
                started_at = self.clock() - time_s if started_at is None else started_at
                due_at = started_at + time_s
                started_at += pace.lost_s(due_at)
                if not self.wait_until(reader, due_at):
                    return
                if pace.passes_over(due_at):
                    stream.pass_over(True)
                    continue
                stream.pass_over(pace.late)
            yield frame.picture(), self.clock()


def public_url(url: str) -> str:
    """The URL as it may be shown and written down: without user, password and query."""
    return re.split(r"[?#]", url.replace(_user_part(url), "", 1), maxsplit=1)[0]


def without_secrets(text: str, url: str) -> str:
    """A text of FFmpeg's that may name the URL, without what `public_url` leaves out."""
    query = re.split(r"[?#]", url.replace(_user_part(url), "", 1), maxsplit=1)[1:]
    for secret, shown in ((url, public_url(url)), (_user_part(url), ""), ("".join(query), "")):
        text = text.replace(secret, shown) if secret else text
    return text


def _user_part(url: str) -> str:
    """`user:password@`, or "". A password may hold any character that should have been escaped."""
    rest = url.partition("://")[2]
    begin = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in begin:
        return rest[: rest.index(begin) + begin.rindex("@") + 1]
    is_host = re.fullmatch(r"(\[[^\]]*\]|[^:]*)(:\d*)?", begin)
    return "" if is_host or "@" not in rest else rest[: rest.rindex("@") + 1]
