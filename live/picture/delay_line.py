"""Where pictures go: the delay line in front of the stage.

Whoever makes a picture never waits for one that is shown.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from live.process.frames import now
from live.process.shared_frames import FrameKind
from models.features.types import Picture, Points


class PictureSink(Protocol):
    """What the engine writes to: SharedFrames, or something of a test's or of `guise render`'s."""

    def write(
        self,
        picture: Picture,
        *,
        captured_at: float,
        ready_at: float,
        index: int,
        kind: FrameKind,
        points: Points | None = None,
    ) -> None: ...


@dataclass(slots=True)
class _DelayedPicture:
    picture: Picture
    captured_at: float
    ready_at: float
    index: int
    kind: FrameKind


class DelayLine:
    """Hands each picture on a settable time after its capture, so that lips and voice agree: however long it took to
    make, its latency is one figure. One that took longer goes at once; at 0 all do. Their order is kept.

    A thread of its own hands them on when there is something to wait for: the loop may be in the middle of a frame
    when one is due. Everything that reaches the output does so under one lock, so it has one writer at a time.
    """

    MAX_LATENCY_S = 2.0

    def __init__(
        self, out: PictureSink, on_error: Callable[[Exception], None], clock: Callable[[], float] = now
    ) -> None:
        self._out = out
        self._clock = clock
        self._on_error = on_error
        self._waiting: deque[_DelayedPicture] = deque()
        self._free_buffers: list[Picture] = []
        self._changed = threading.Condition()
        self._latency_s = 0.0
        self._closing = False
        self._thread: threading.Thread | None = None

    @property
    def latency_s(self) -> float:
        """From a picture's capture to when it is handed on; 0: as fast as it can."""
        return self._latency_s

    @latency_s.setter
    def latency_s(self, latency_s: float) -> None:
        """A shorter one lets go at once of what has waited long enough."""
        with self._changed:
            self._latency_s = min(max(latency_s, 0.0), self.MAX_LATENCY_S)
            self._changed.notify_all()

    def write(self, picture: Picture, *, captured_at: float, ready_at: float, index: int, kind: FrameKind) -> None:
        """Hands `picture` on when it is due. Called on the loop; the picture may be overwritten
        afterwards."""
        with self._changed:
            if not self._waiting and captured_at + self._latency_s <= self._clock():
                self._out.write(picture, captured_at=captured_at, ready_at=ready_at, index=index, kind=kind)
                return
            self._waiting.append(_DelayedPicture(self._copy(picture), captured_at, ready_at, index, kind))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="picture delay", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def clear(self) -> None:
        """Forgets what waits: something else must be seen at once."""
        with self._changed:
            self._waiting.clear()

    def close(self) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(2.0)

    def _copy(self, picture: Picture) -> Picture:
        while self._free_buffers:
            buffer = self._free_buffers.pop()
            if buffer.shape == picture.shape:
                np.copyto(buffer, picture)
                return buffer
        return picture.copy()

    def _run(self) -> None:
        with self._changed:
            while not self._closing:
                if not self._waiting:
                    self._changed.wait()
                    continue
                wait_s = self._waiting[0].captured_at + self._latency_s - self._clock()
                if wait_s > 0:
                    self._changed.wait(wait_s)
                    continue
                due = self._waiting.popleft()
                try:
                    self._out.write(
                        due.picture, captured_at=due.captured_at, ready_at=due.ready_at, index=due.index, kind=due.kind
                    )
                except Exception as error:
                    self._on_error(error)
                self._free_buffers.append(due.picture)
