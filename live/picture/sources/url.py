"""A stream or a movie behind a URL as camera.

`UrlSource.grab` connects, decodes and paces in the source's reader thread.
"""

from __future__ import annotations

from contextlib import closing

from live.picture.sources.movie_frames import decode_pictures, open_movie
from live.picture.sources.source import GONE_S, Grabbed, ReaderThread, Source
from live.process.frames import Clock, now

URL_TIMEOUT_S = (4.0, 3.0)
"""PyAV's limits for opening and for each read."""


class UrlSource(Source):
    """A stream or a movie behind a URL. Pictures of a stream are passed on as they arrive; a movie is played at its own
    pace."""

    def __init__(self, url: str, clock: Clock = now) -> None:
        super().__init__(url, clock=clock)

    @classmethod
    def accepts(cls, spec: str) -> bool:
        return "://" in spec and not spec.startswith("file://")

    def grab(self, reader: ReaderThread) -> Grabbed:
        options = {"rtsp_transport": "tcp"} if self.name.startswith("rtsp") else {}
        container, stream = open_movie(self.name, URL_TIMEOUT_S, options)
        with closing(container):
            is_movie = container.duration is not None
            reader.deadline_s = self.clock() + URL_TIMEOUT_S[1] + GONE_S
            first: tuple[float, float] | None = None
            for picture, time_s in decode_pictures(container, stream):
                if is_movie and time_s is not None:
                    first = first or (self.clock(), time_s)
                    due_at = first[0] + time_s - first[1]
                    wait_s = due_at - self.clock()
                    if 0 < wait_s < 60:
                        self.expect(reader, due_at)
                        if reader.stopping.wait(wait_s):
                            return
                yield picture, self.clock()
