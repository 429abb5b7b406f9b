"""From a frame to the performer in it: mirrored if so set, tracked, with the performer's neutral.

In the caller's thread by `track` (render, tests), or ahead of the loop in a thread of its own: while the look paints one
frame, the next is tracked. Both together take about a frame's time on two cores; one after the other they fall behind
the camera as soon as the machine is busy. Tracker and neutral belong to whichever thread finds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Event, Thread
from time import perf_counter

import numpy as np

from live.picture.performer_neutral import PerformerNeutral
from live.picture.tracker import Tracker
from live.process.frames import Frame, Landmarks
from live.process.mailbox import Mailbox
from models.features.types import Points

WAIT_S = 0.1
"""How long the thread waits for a frame before it looks whether it should end."""


@dataclass(frozen=True, slots=True)
class Tracked:
    """A frame and who is in it; `landmarks` and `neutral` are None without a face. `error`: why there is no answer."""

    frame: Frame
    landmarks: Landmarks | None
    neutral: Points | None
    took_s: float
    error: Exception | None = None


class TrackingStage:
    """The tracker with what belongs before and after it. `lock` may be called from any thread."""

    def __init__(self, tracker: Tracker, neutral: PerformerNeutral, mirror: bool) -> None:
        self.neutral = neutral
        self.mailbox: Mailbox[Tracked] = Mailbox()
        """What the thread found, the newest."""
        self._tracker = tracker
        self._mirror = mirror
        self._locks: SimpleQueue[tuple[float, float]] = SimpleQueue()
        self._stopping = Event()
        self._thread: Thread | None = None

    @property
    def running(self) -> bool:
        """The thread is at work: results come by the mailbox."""
        return self._thread is not None

    @property
    def lost_frames(self) -> int:
        return self._tracker.lost_frames

    def lock(self, x: float, y: float) -> None:
        """Moves the performer lock to the face nearest to (x, y), fractions of the picture, in the next frame."""
        self._locks.put((x, y))

    def track(self, frame: Frame) -> Tracked:
        """Whoever is in `frame`; what goes wrong is told in the answer, and the next frame begins anew."""
        started_at = perf_counter()
        if self._mirror:
            frame = Frame(np.ascontiguousarray(frame.picture[:, ::-1]), frame.captured_at, frame.index)
        try:
            self._apply_locks()
            landmarks = self._tracker.update(frame)
            neutral = None
            if landmarks is not None:
                neutral = self.neutral.update(frame, landmarks.points, self._tracker.performer)
        except Exception as error:
            self._tracker.forget()
            return Tracked(frame, None, None, perf_counter() - started_at, error)
        return Tracked(frame, landmarks, neutral, perf_counter() - started_at)

    def start(self, take: Callable[[float], Frame | None]) -> None:
        """Finds ahead from now on; `take` gives the next frame within so many seconds, or None."""
        self._thread = Thread(target=self._run, args=(take,), name="tracking", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread, after the frame it is at."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self, take: Callable[[float], Frame | None]) -> None:
        while not self._stopping.is_set():
            frame = take(WAIT_S)
            if frame is not None:
                self.mailbox.put(self.track(frame))

    def _apply_locks(self) -> None:
        try:
            while True:
                self._tracker.lock(*self._locks.get_nowait())
        except Empty:
            pass
