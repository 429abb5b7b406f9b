"""Where pictures go: the delay line in front of the stage, and a movie file.

Whoever makes a picture never waits for one that is shown or written.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from queue import Empty, Full, Queue
from typing import Protocol

import av
import cv2
import numpy as np
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from live.frames import now
from live.picture.transition import place
from live.shared_frames import FrameKind
from models.features.face_points import Picture, Points

WATCHABLE_PX = 480
"""A movie is at least so high."""


class PictureOut(Protocol):
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
class _Waiting:
    due_s: float
    picture: Picture
    captured_at: float
    ready_at: float
    index: int
    kind: FrameKind


class DelayLine:
    """Hands pictures on after a settable time, so that lips and voice agree; at 0 it hands them on at once.

    A thread of its own does so when there is a delay: the loop may be in the middle of a frame when one is
    due. Everything that reaches the output does so under one lock, so it has one writer at a time.
    """

    LONGEST_S = 2.0

    def __init__(self, out: PictureOut, trouble: Callable[[Exception], None], clock: Callable[[], float] = now) -> None:
        self._out = out
        self._clock = clock
        self._trouble = trouble
        self._waiting: deque[_Waiting] = deque()
        self._spare: list[Picture] = []
        self._wake = threading.Condition()
        self._delay_s = 0.0
        self._closing = False
        self._thread: threading.Thread | None = None

    @property
    def delay_s(self) -> float:
        return self._delay_s

    @delay_s.setter
    def delay_s(self, delay_s: float) -> None:
        """A shorter delay lets go at once of what has waited long enough."""
        with self._wake:
            change_s = min(max(delay_s, 0.0), self.LONGEST_S) - self._delay_s
            self._delay_s += change_s
            for waiting in self._waiting:
                waiting.due_s += change_s
            self._wake.notify_all()

    def write(self, picture: Picture, *, captured_at: float, ready_at: float, index: int, kind: FrameKind) -> None:
        """Hands `picture` on when it is due. Called on the loop; the picture may be overwritten
        afterwards."""
        with self._wake:
            if self._delay_s <= 0 and not self._waiting:
                self._out.write(picture, captured_at=captured_at, ready_at=ready_at, index=index, kind=kind)
                return
            kept = self._kept(picture)
            self._waiting.append(_Waiting(ready_at + self._delay_s, kept, captured_at, ready_at, index, kind))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="picture delay", daemon=True)
                self._thread.start()
            self._wake.notify_all()

    def drop(self) -> None:
        """Forgets what waits: something else must be seen at once."""
        with self._wake:
            self._waiting.clear()

    def close(self) -> None:
        with self._wake:
            self._closing = True
            self._wake.notify_all()
        if self._thread is not None:
            self._thread.join(2.0)

    def _kept(self, picture: Picture) -> Picture:
        while self._spare:
            spare = self._spare.pop()
            if spare.shape == picture.shape:
                np.copyto(spare, picture)
                return spare
        return picture.copy()

    def _run(self) -> None:
        with self._wake:
            while not self._closing:
                if not self._waiting:
                    self._wake.wait()
                    continue
                wait_s = self._waiting[0].due_s - self._clock()
                if wait_s > 0:
                    self._wake.wait(wait_s)
                    continue
                w = self._waiting.popleft()
                try:
                    self._out.write(
                        w.picture, captured_at=w.captured_at, ready_at=w.ready_at, index=w.index, kind=w.kind
                    )
                except Exception as error:
                    self._trouble(error)
                self._spare.append(w.picture)


def movie_size(width: int, height: int) -> tuple[int, int]:
    """Width and height of a movie of such pictures: small looks are enlarged, so that it can be watched."""
    times = max(-(-WATCHABLE_PX // height), 1)
    return width * times, height * times


@dataclass(slots=True)
class _Shot:
    picture: Picture
    at_s: float


class MovieWriter:
    """A movie file that is playable up to where it was cut off: fragmented MP4, H.264, its own encoder thread.

    With `fps` the movie has a constant frame rate: each frame is the newest picture at its time, a picture that stood
    still is repeated. With fps None each picture keeps its own time (for `guise render`). Pictures of another size are
    fitted into the movie's, enlarged cubically: Lanczos would ring at a look's hard edges. A full disk ends the
    recording and nothing else: `trouble` says why, and `write` goes on doing nothing.
    """

    TICKS = 90_000
    KEY_EVERY_S = 1.0
    """A fragment begins at every key frame: so much is lost when the power goes."""

    def __init__(
        self,
        path: Path | str,
        fps: float | None,
        size: tuple[int, int],
        *,
        queue_size: int = 60,
        on_trouble: Callable[[str], None] | None = None,
        preset: str = "veryfast",
        crf: int = 20,
    ) -> None:
        """`size` is width and height; H.264 wants them even. Raises OSError when the file cannot be made."""
        self.path = Path(path)
        self.size = size[0] + size[0] % 2, size[1] + size[1] % 2
        self.fps = fps
        self.trouble = ""
        self.dropped = 0
        """Pictures left out because the encoder could not keep up."""
        self.frames = 0
        self._on_trouble = on_trouble
        self._queue: Queue[_Shot | None] = Queue(queue_size)
        self._canvas = np.zeros((self.size[1], self.size[0], 3), np.uint8)
        self._start_s: float | None = None
        self._next = 0
        self._held: Picture | None = None
        self._last_tick = -1
        self._abort = threading.Event()
        self._container, self._stream = self._open(preset, crf)
        self._thread = threading.Thread(target=self._run, name=f"movie {self.path.name}", daemon=True)
        self._thread.start()

    def write(self, picture: Picture, at_s: float, wait: bool = False) -> bool:
        """Adds a picture shown from `at_s` on; copies it. False when it was left out.

        Never waits, unless told to (render wants every frame).
        """
        if self.trouble:
            return False
        shot = _Shot(picture.copy(), at_s)
        try:
            while wait and not self.trouble:
                try:
                    self._queue.put(shot, timeout=0.2)
                    return True
                except Full:
                    continue
            self._queue.put_nowait(shot)
            return True
        except Full:
            self.dropped += 1
            return False

    def close(self, timeout_s: float = 30.0) -> None:
        """Writes what waits and ends the file. What it could not write is in `trouble`."""
        if not self._thread.is_alive():
            return
        while self._thread.is_alive():
            try:
                self._queue.put(None, timeout=0.2)
                break
            except Full:
                continue
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            self._abort.set()

    def __enter__(self) -> MovieWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self, preset: str, crf: int) -> tuple[OutputContainer, VideoStream]:
        container = av.open(
            str(self.path),
            "w",
            format="mp4",
            options={"movflags": "frag_keyframe+empty_moov+default_base_moof", "flush_packets": "1"},
        )
        stream = container.add_stream("libx264", rate=Fraction(self.fps or 30).limit_denominator(1001))
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = self.size
        stream.pix_fmt = "yuv420p"
        stream.options = {"preset": preset, "crf": str(crf), "bf": "0"}
        context = stream.codec_context
        context.thread_count = 1
        context.time_base = Fraction(1, self.TICKS)
        context.gop_size = max(round((self.fps or 30) * self.KEY_EVERY_S), 1)
        try:
            container.start_encoding()  # Opens the file: what is wrong with it is said now.
        except BaseException:
            container.close()
            raise
        return container, stream

    # ---- in the encoder's thread

    def _run(self) -> None:
        try:
            try:
                while not self._abort.is_set():
                    try:
                        shot = self._queue.get(timeout=1.0)
                    except Empty:
                        continue
                    if shot is None:
                        break
                    self._take(shot)
                self._finish()
            finally:
                self._container.close()
        except (OSError, av.FFmpegError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            self.trouble = f"recording to {self.path} ended: {reason}"
            if self._on_trouble is not None:
                self._on_trouble(self.trouble)
            while True:  # Nobody must wait for a place in the queue.
                try:
                    self._queue.get_nowait()
                except Empty:
                    return

    def _take(self, shot: _Shot) -> None:
        if self._start_s is None:
            self._start_s = shot.at_s
        at_s = shot.at_s - self._start_s
        if self.fps is None:
            self._encode(shot.picture, round(at_s * self.TICKS))
            return
        # Frame n shows what was newest when its time came: all before this picture's show the last one.
        while self._held is not None and self._next / self.fps < at_s - 0.5 / self.fps:
            self._encode(self._held, round(self._next / self.fps * self.TICKS))
            self._next += 1
        self._held = shot.picture

    def _finish(self) -> None:
        if self._held is not None and self.fps is not None:
            self._encode(self._held, round(self._next / self.fps * self.TICKS))
        if self._last_tick >= 0:
            self._container.mux(self._stream.encode(None))

    def _encode(self, picture: Picture, tick: int) -> None:
        if (picture.shape[1], picture.shape[0]) != self.size:
            self._canvas[:] = 0
            place(picture, self._canvas, cv2.INTER_CUBIC)
            picture = self._canvas
        frame = VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts = tick = max(tick, self._last_tick + 1)
        frame.time_base = Fraction(1, self.TICKS)
        self._last_tick = tick
        self._container.mux(self._stream.encode(frame))
        self.frames += 1
