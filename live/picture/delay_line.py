"""The delay line between the picture engine and the stage. Writing a picture never waits for one to be shown.

`write` runs on the picture engine's loop; delayed pictures are passed on by a thread of the delay line.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import numpy as np

from live.process.frames import now
from live.process.stage_picture import StagePicture
from models.features.types import Picture


class PictureSink(Protocol):
    """What the engine writes pictures to: SharedFrames, the movie of `guise render`, or a test's recorder."""

    def write(self, shown: StagePicture) -> None: ...


class DelayLine:
    """Passes each picture on a settable time after its capture, so that picture and sound are in sync.

    The latency is constant, however long a picture took to generate. A picture that took longer is passed on at once;
    with latency 0 all are. The order is kept.

    Delayed pictures are passed on by a thread, since the loop may be in the middle of a frame when one is due. Every
    write to the sink happens under one lock, so the sink has one writer at a time.
    """

    MAX_LATENCY_S = 2.0

    def __init__(self, out: PictureSink, clock: Callable[[], float] = now) -> None:
        self._out = out
        self._clock = clock
        self._waiting: deque[StagePicture] = deque()
        self._free_buffers: list[Picture] = []
        self._changed = threading.Condition()
        self._latency_s = 0.0
        self._closing = False
        self._thread: threading.Thread | None = None
        self.error: Exception | None = None
        """Why the newest delayed picture was not passed on."""

    @property
    def latency_s(self) -> float:
        """From a picture's capture to when it is passed on; 0: as soon as it is ready."""
        return self._latency_s

    @latency_s.setter
    def latency_s(self, latency_s: float) -> None:
        """A shorter latency releases at once what has waited long enough."""
        with self._changed:
            self._latency_s = min(max(latency_s, 0.0), self.MAX_LATENCY_S)
            self._changed.notify_all()

    def write(self, shown: StagePicture) -> None:
        """Passes the picture on when it is due. Called on the loop; the caller may overwrite it afterwards.

        Raises what the sink raises for one that is due at once.
        """
        with self._changed:
            if not self._waiting and shown.captured_at + self._latency_s <= self._clock():
                self._out.write(shown)
                return
            self._waiting.append(replace(shown, picture=self._copy(shown.picture)))
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="picture delay", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def clear(self) -> None:
        """Discards the waiting pictures, so that the next one is shown at once."""
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
                delayed = self._waiting.popleft()
                try:
                    self._out.write(delayed)
                    self.error = None
                except Exception as error:
                    self.error = error
                self._free_buffers.append(delayed.picture)
