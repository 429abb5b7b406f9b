"""Frames handed in by the caller, for `guise render` and tests. Has no thread: it belongs to the caller's."""

from __future__ import annotations

from live.picture.sources.source import Grabbed, ReaderThread, Source
from live.process.frames import Frame


class ScriptedSource(Source):
    """A source without a reader thread: the code that drives the engine passes it the frames."""

    def start(self) -> None:
        pass

    def grab(self, reader: ReaderThread) -> Grabbed:
        yield from ()

    def register(self, frame: Frame) -> Frame:
        """Counts `frame` as captured and returns it."""
        self.size = frame.picture.shape[1], frame.picture.shape[0]
        self._newest_at = self.clock()
        self._arrivals.append(frame.captured_at)
        self._index += 1
        return frame

    def put(self, frame: Frame) -> None:
        """Counts `frame` as captured and puts it into the mailbox, for PictureEngine.step."""
        self.mailbox.put(self.register(frame))
