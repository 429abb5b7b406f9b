"""The stand-in performer as camera: `--camera demo`.

`DemoSource.grab` creates the performer it is given and films it in the source's reader thread.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from live.picture.sources.movie_frames import BadSource
from live.picture.sources.source import GONE_S, Grabbed, Performer, ReaderThread, Source, SourceOptions
from live.process.frames import Clock, now


class DemoSource(Source):
    """Films the stand-in performer at 30 frames a second. With an epoch the performer's script starts there, as its
    speech does."""

    target_fps = 30.0

    def __init__(self, performer: Callable[[], Performer], clock: Clock = now, *, epoch: float | None = None) -> None:
        """`performer` creates the performer; called in the reader thread."""
        super().__init__("demo", clock=clock)
        self._make_performer = performer
        self._epoch = epoch

    @classmethod
    def accepts(cls, spec: str) -> bool:
        return spec == "demo"

    @classmethod
    def from_spec(cls, spec: str, options: SourceOptions) -> DemoSource:
        if options.performer is None:
            raise BadSource("there is no stand-in performer here: name a camera, a file or a URL")
        return cls(options.performer, options.clock, epoch=options.epoch)

    def grab(self, reader: ReaderThread) -> Grabbed:
        performer = self._make_performer()
        reader.deadline_s = self.clock() + GONE_S
        started_at = self.clock()
        script_at = started_at if self._epoch is None else self._epoch
        for index in count():
            due_at = started_at + index / self.target_fps
            behind_s = self.clock() - due_at
            if behind_s > GONE_S:
                started_at += behind_s
                script_at += behind_s if self._epoch is None else 0.0
            elif behind_s < 0 and reader.stopping.wait(-behind_s):
                return
            captured_at = self.clock()
            yield performer.picture(captured_at - script_at), captured_at
