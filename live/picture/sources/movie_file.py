"""A movie file as camera.

`MovieFile.grab` decodes and paces the pictures in the source's reader thread; the file is checked in the thread that
creates the source.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from pathlib import Path

from live.picture.sources.movie_frames import FileFrames
from live.picture.sources.pace import Pace
from live.picture.sources.source import GONE_S, Grabbed, ReaderThread, Source, SourceOptions
from live.process.frames import Clock, now
from models.features.types import Picture


class MovieFile(Source):
    """Plays a movie file at its own pace, by its own times, in a loop.

    With an epoch and a period it keeps to them, as the player of its sound does: the picture with the time t in the
    file is captured at epoch + k * period + t, in any process and however late its thread is.
    """

    def __init__(
        self, path: Path, clock: Clock = now, *, epoch: float | None = None, period_s: float | None = None
    ) -> None:
        """Raises BadSource."""
        self.frames = FileFrames(path)
        self._epoch, self._period_s = epoch, period_s
        super().__init__(path.name, self.frames.size, clock)

    @classmethod
    def accepts(cls, spec: str) -> bool:
        if spec.startswith("file://"):
            return True
        if spec.strip().isdigit() or re.fullmatch(r"/dev/video\d+", spec) or "://" in spec:
            return False
        # What looks like a file's name is one, so that a missing file is reported and not waited for.
        return bool("/" in spec or "\\" in spec or re.search(r"\.[A-Za-z0-9]{2,4}$", spec)) or Path(spec).exists()

    @classmethod
    def from_spec(cls, spec: str, options: SourceOptions) -> MovieFile:
        path = Path(spec.removeprefix("file://"))
        return cls(path, options.clock, epoch=options.epoch, period_s=options.period_s)

    def grab(self, reader: ReaderThread) -> Grabbed:
        if self._epoch is None or self._period_s is None:
            yield from self._play_looped(reader)
        else:
            yield from self._play_synced(reader, self._epoch, self._period_s)

    def _play_synced(self, reader: ReaderThread, epoch: float, period_s: float) -> Grabbed:
        on_time, number, from_s, pace = False, 0, 0.0, Pace(self)
        while not reader.stopping.is_set():
            if on_time:
                number, from_s = number + 1, 0.0
            else:  # At the start, or after falling behind: continue with what is due now.
                rounds, from_s = divmod(max(self.clock() - epoch, 0.0), period_s)
                number = int(rounds)
            on_time = yield from self._play_once(reader, pace, epoch + number * period_s, from_s, period_s)

    def _play_once(
        self, reader: ReaderThread, pace: Pace, round_started_at: float, from_s: float, period_s: float
    ) -> Generator[tuple[Picture, float], None, bool]:
        """Plays one round from `from_s` on. Returns False when it fell behind."""
        shown = False
        for frame, time_s in self.frames.frames_from(from_s):
            if time_s >= period_s:
                break
            due_at = round_started_at + time_s
            if shown and pace.lost_s(due_at):
                return False
            shown = True
            if not self.wait_until(reader, due_at):
                return True
            if not self._passes_over(pace, due_at):
                yield frame.picture(), due_at
        self._tell_notes()
        self.wait_until(reader, round_started_at + period_s)
        return True

    def _play_looped(self, reader: ReaderThread) -> Grabbed:
        round_started_at, pace = self.clock(), Pace(self)
        while True:
            time_s, step_s = 0.0, 1 / self.frames.fps
            for frame, frame_s in self.frames.timed_frames():
                step_s = frame_s - time_s or step_s
                time_s = frame_s
                due_at = round_started_at + time_s
                round_started_at += pace.lost_s(due_at)
                if not self.wait_until(reader, due_at):
                    return
                if not self._passes_over(pace, due_at):
                    yield frame.picture(), self.clock()
            self._tell_notes()
            round_started_at += time_s + min(step_s, GONE_S)

    def _passes_over(self, pace: Pace, due_at: float) -> bool:
        passes_over = pace.passes_over(due_at)
        self.frames.late = pace.late
        return passes_over

    def _tell_notes(self) -> None:
        for text in self.frames.notes:
            self.note(f"{self.name}: {text}")
