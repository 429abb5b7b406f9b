"""Frames that are handed in: `guise render` and tests."""

from __future__ import annotations

from live.picture.sources.source import Grabbed, ReaderThread, Source
from live.process.frames import Frame


class ScriptedSource(Source):
    """A source without a thread: whoever drives the engine hands it the frames (render, tests)."""

    def start(self) -> None:
        pass

    def grab(self, reader: ReaderThread) -> Grabbed:
        yield from ()

    def register(self, frame: Frame) -> Frame:
        """Counts `frame` as captured and gives it back."""
        self.size = frame.picture.shape[1], frame.picture.shape[0]
        self._newest_at = self.clock()
        self._arrivals.append(frame.captured_at)
        self._index += 1
        return frame

    def put(self, frame: Frame) -> None:
        """As `register`, and into the mailbox, for `step`."""
        self.mailbox.put(self.register(frame))
