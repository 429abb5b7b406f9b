"""Distributes the stage's pictures within the operator's process: to the preview and the recorder.

One thread waits for the stage frames and passes each newest picture to the subscribers. When pictures stop arriving,
whichever process died, it passes the show's safe picture instead. The stage window reads the frames by itself, in its
own process. Whatever fails is told, and the thread goes on; should it hang, another takes its place. The safe picture's
file is read in a thread of its own, for it may lie on a disk that does not answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from live.manage.engine_supervisor import EngineFault
from live.manage.own_faults import hung_fault
from live.manage.watched_loop import WatchedLoop
from live.process.frames import now
from live.process.percentiles import Durations
from live.process.report import PresentedReport
from live.process.shared_frames import SharedFrames, SharedPicture
from live.process.stage_picture import FrameKind
from live.process.subscribers import Subscribers
from live.show.safe_picture import BLACK_SIZE, STALE_S, black_picture, read_safe_picture
from models.features.types import Picture

_SAFE_EVERY_S = 0.1
_STOP_S = 2.0

Subscriber = Callable[[SharedPicture], None]


class Audience:
    """The operator's reader of the stage frames."""

    def __init__(
        self,
        frames: SharedFrames,
        safe_picture: Path | None = None,
        on_error: Callable[[Exception], None] = lambda error: None,
        beside: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Args:
            on_error: called in the audience's thread with what it or a subscriber raised; must not wait.
            beside: called with each turn of the thread, ten times a second at least; must not wait.
        """
        self._frames = frames
        self._safe_path = safe_picture
        self._safe: Picture | None = None
        self._on_error = on_error
        self._beside = beside
        self._size = BLACK_SIZE
        self._of_everything: Subscribers[[SharedPicture]] = Subscribers(on_error)
        self._of_the_engine: Subscribers[[SharedPicture]] = Subscribers(on_error)
        self._metrics_lock = threading.Lock()
        self._panic = False
        self._received_at = now()
        self._safe_shown_at = 0.0
        self._last: SharedPicture | None = None
        self._latency = Durations()
        self._drawn = Durations()
        self._presented_at: float | None = None
        self._longest_gap_s: float | None = None
        self._count = 0
        self.first_at: float | None = None
        """When the first picture of a look was passed on, by now()."""
        self._after = 0
        self._loop = WatchedLoop("audience", self._turn, on_error)

    def start(self) -> None:
        self._read_safe_picture()
        self._loop.start()

    def stop(self) -> None:
        """End the thread; one that hangs is left behind after a moment."""
        self._loop.stop(_STOP_S)

    def watch(self) -> EngineFault | None:
        """Call it ten times a second. The fault, where the thread hung and another goes on."""
        return hung_fault("audience", self._loop, self._of_everything, self._of_the_engine)

    @property
    def hangs(self) -> bool:
        """Its thread hands nothing on."""
        return self._loop.hangs

    def subscribe(self, subscriber: Subscriber, *, safe_too: bool = True) -> Callable[[], None]:
        """Call `subscriber` with every new picture, in the audience's thread; it must not wait. Returns a function that
        ends the subscription.

        safe_too: also with the safe pictures made here while none comes from the engine.
        """
        return (self._of_everything if safe_too else self._of_the_engine).add(subscriber)

    def panic(self, on: bool) -> None:
        """Show only the safe picture, at once, without waiting for the engine."""
        self._panic = on
        self._safe_shown_at = 0.0
        self._frames.wake()

    def set_safe_picture(self, path: Path | None) -> None:
        self._safe_path, self._safe = path, None
        self._read_safe_picture()

    def on_drawn(self, latencies_s: Sequence[float]) -> None:
        """Called with the times from capture to drawn of newly made pictures that a window has drawn. Any thread."""
        with self._metrics_lock:
            for latency_s in latencies_s:
                self._drawn.add(latency_s)

    @property
    def newest(self) -> SharedPicture | None:
        """The picture that was passed on last."""
        return self._last

    @property
    def stale(self) -> bool:
        """No picture has come from the engine for STALE_S."""
        return now() - self._received_at > STALE_S

    @property
    def latency_s(self) -> float | None:
        """Median of the last seconds from capture to drawn by a window, else to passed on; None before the first."""
        with self._metrics_lock:
            ms = (self._drawn if self._drawn.count else self._latency).recent()["p50"]
        return None if ms is None else ms / 1e3

    def metrics(self) -> PresentedReport:
        """Keys of the report's "video" part. presented_latency: capture to drawn by a window, else to passed on."""
        with self._metrics_lock:
            times = self._drawn if self._drawn.count else self._latency
            gap_s = self._longest_gap_s
            return {
                "frames_presented": self._count,
                "presented_latency": times.whole(),
                "presented_longest_gap": None if gap_s is None else round(gap_s * 1000.0, 2),
            }

    def _turn(self) -> None:
        self._beside()
        self._frames.wait(_SAFE_EVERY_S)
        picture = self._newest()
        if picture is not None:
            self._after = picture.sequence
            self._received_at = now()
            self._size = (picture.picture.shape[1], picture.picture.shape[0])
            if not self._panic or picture.kind is FrameKind.SAFE:
                self._measure(picture)
                self._publish(picture, made_here=False)
                return
        if (self._panic or self.stale) and now() - self._safe_shown_at >= _SAFE_EVERY_S * 0.9:
            self._presented_at = None
            self._publish(self._safe_frame(), made_here=True)
            self._safe_shown_at = now()

    def _newest(self) -> SharedPicture | None:
        """A picture that cannot be copied, for want of memory, is none: the safe picture follows."""
        try:
            return self._frames.newest(self._after)
        except Exception as error:
            self._on_error(error)
            return None

    def _measure(self, picture: SharedPicture) -> None:
        at = now()
        with self._metrics_lock:
            self._count += 1
            if picture.kind.is_new:
                self.first_at = self.first_at or at
                self._latency.add(at - picture.captured_at)
            if self._presented_at is not None:
                self._longest_gap_s = max(self._longest_gap_s or 0.0, at - self._presented_at)
            self._presented_at = at

    def _publish(self, picture: SharedPicture, *, made_here: bool) -> None:
        self._last = picture
        if not made_here:
            self._of_the_engine.call(picture)
        self._of_everything.call(picture)

    def _safe_frame(self) -> SharedPicture:
        at = now()
        return SharedPicture(self._safe_or_black(), FrameKind.SAFE, at, at, 0)

    def _safe_or_black(self) -> Picture:
        return black_picture(self._size) if self._safe is None else self._safe

    def _read_safe_picture(self) -> None:
        """Have the file read; black until it is."""
        path = self._safe_path
        if path is not None:
            threading.Thread(target=self._read_safe, args=(path,), name="safe-picture", daemon=True).start()

    def _read_safe(self, path: Path) -> None:
        try:
            picture = read_safe_picture(path)
        except Exception as error:
            self._on_error(error)
            return
        if path == self._safe_path:
            self._safe = picture
