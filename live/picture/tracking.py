"""The tracking stage: from a frame to the performer's face in it, with the performer's neutral; mirrors the frame if
set.

`track` runs in the caller's thread (render, tests). In the engine a thread of its own tracks ahead of the loop: the
next frame is tracked while the look generates the current one. Both together take about a frame's time on two cores; in
sequence they fall behind the camera as soon as the machine is busy. Tracker and neutral belong to the thread that
tracks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Thread
from time import perf_counter

import numpy as np

from live.picture.performer_neutral import PerformerNeutral
from live.picture.tracker import Tracker
from live.process.bounded_queue import BoundedQueue, WhenFull
from live.process.frames import Frame, Landmarks
from live.process.mailbox import Mailbox
from live.process.silent_time import SilentTime
from models.features.types import Points

WAIT_S = 0.1
"""How long the thread waits for a frame before it checks whether it should stop."""
HANG_S = 1.0
"""A frame that is not tracked after this long never will be."""
CLOSE_S = 1.0
"""A thread that hangs is not waited for longer."""


class TrackingHangs(RuntimeError):
    """Frames come, and none is tracked: the engine must be restarted. One sentence."""


@dataclass(frozen=True, slots=True)
class Tracked:
    """A frame and the face found in it. `landmarks` and `neutral` are None without a face; `error`: why tracking
    failed."""

    frame: Frame
    landmarks: Landmarks | None
    neutral: Points | None
    took_s: float
    error: Exception | None = None

    @property
    def points(self) -> Points | None:
        """The performer's 68 points, in pixels of the frame; None without a face."""
        return None if self.landmarks is None else self.landmarks.points


class TrackingStage:
    """The tracker with what comes before and after it. `lock` and `measure_neutral` may be called from any thread."""

    def __init__(self, tracker: Tracker, neutral: PerformerNeutral, mirror: bool) -> None:
        self.neutral = neutral
        self.mailbox: Mailbox[Tracked] = Mailbox()
        """The thread's newest result."""
        self._tracker = tracker
        self._mirror = mirror
        self._locks: BoundedQueue[tuple[float, float]] = BoundedQueue(100, WhenFull.DROP_OLDEST)
        self._measure_neutral = Event()
        self._stopping = Event()
        self._thread: Thread | None = None
        self._begun = self._tracked = 0
        """How many frames the thread has begun with, and finished."""
        self._tracked_before = 0
        self._silent = SilentTime()
        """How long the thread has been at one frame, by the ticks of `watch`."""

    @property
    def running(self) -> bool:
        """Whether the thread is running: results then come through the mailbox."""
        return self._thread is not None

    @property
    def lost_frames(self) -> int:
        return self._tracker.lost_frames

    @property
    def performer(self) -> int:
        """Changes when another person has the stage; 0 before the first."""
        return self._tracker.performer

    @property
    def trouble(self) -> str:
        """Why there is no face, for the screen; empty with one, and where the tracker cannot tell."""
        return self._tracker.trouble

    def lock(self, x: float, y: float) -> None:
        """Moves the performer lock to the face nearest to (x, y), fractions of the picture, in the next frame."""
        self._locks.put((x, y))

    def measure_neutral(self) -> None:
        """Has the performer's neutral measured anew, from the next frame on."""
        self._measure_neutral.set()

    def track(self, frame: Frame) -> Tracked:
        """Tracks `frame`. An error is returned in the result, and the tracker restarts with the next frame."""
        started_at = perf_counter()
        try:
            if self._mirror:
                frame = Frame(np.ascontiguousarray(frame.picture[:, ::-1]), frame.captured_at, frame.index)
            self._apply_requests()
            landmarks = self._tracker.update(frame)
            neutral = None
            if landmarks is not None:
                neutral = self.neutral.update(frame, landmarks.points, self._tracker.performer)
        except Exception as error:
            self._tracker.forget()
            return Tracked(frame, None, None, perf_counter() - started_at, error)
        return Tracked(frame, landmarks, neutral, perf_counter() - started_at)

    def start(self, take: Callable[[float], Frame | None]) -> None:
        """Starts the thread; `take` returns the next frame within the given number of seconds, or None."""
        self._thread = Thread(target=self._run, args=(take,), name="tracking", daemon=True)
        self._thread.start()

    def watch(self) -> None:
        """Called by the loop in every turn. Raises TrackingHangs."""
        if self._thread is None:
            return
        if not self._thread.is_alive():
            raise TrackingHangs("the tracking of the face has ended by itself")
        tracked, begun = self._tracked, self._begun
        if tracked != self._tracked_before or tracked == begun:
            self._silent.reset()
        self._tracked_before = tracked
        self._silent.tick()
        if self._silent.seconds > HANG_S:
            raise TrackingHangs(f"the tracking of the face hangs: no frame was finished for {HANG_S:.0f} s")

    def close(self) -> None:
        """Stops the thread after its current frame."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(CLOSE_S)
            self._thread = None

    def _run(self, take: Callable[[float], Frame | None]) -> None:
        while not self._stopping.is_set():
            frame = take(WAIT_S)
            if frame is not None:
                self._begun += 1
                self.mailbox.put(self.track(frame))
                self._tracked += 1

    def _apply_requests(self) -> None:
        if self._measure_neutral.is_set():
            self._measure_neutral.clear()
            self.neutral.forget()
        for x, y in self._locks.take_all():
            self._tracker.lock(x, y)
