"""No camera: `--camera none`. Has no thread."""

from __future__ import annotations

from live.picture.sources.source import Grabbed, ReaderThread, Source, SourceOptions
from live.process.frames import Clock, now


class NoSource(Source):
    """A source without frames: the safe picture is shown all the time."""

    def __init__(self, clock: Clock = now) -> None:
        super().__init__("none", clock=clock)
        self.error = "no camera was asked for"

    @classmethod
    def accepts(cls, spec: str) -> bool:
        return spec == "none"

    @classmethod
    def from_spec(cls, spec: str, options: SourceOptions) -> NoSource:
        return cls(options.clock)

    def start(self) -> None:
        pass

    def grab(self, reader: ReaderThread) -> Grabbed:
        yield from ()
