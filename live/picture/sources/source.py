"""A source of frames, and the thread that reads it.

Every source is read by a daemon thread of its own into a newest-wins mailbox. The thread may hang in a driver
or in a network: nobody waits for it. The engine's loop calls `watch()`, which leaves a silent thread behind
and starts another; an abandoned thread's late frames are thrown away. A Frame is stamped here, once.

A source whose device is gone still answers name, size, fps and trouble: the engine and the screen go on asking.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from threading import Event, Lock, Thread
from typing import Protocol

import av
import cv2

from live.picture.sources.movie_frames import BadSource
from live.process.frames import Clock, Frame, now
from live.process.mailbox import Mailbox
from models.features.types import Picture

GONE_S = 1.0
"""A source without a new frame for this long is gone."""
RETRY_S = 0.5
OPENING_S = 6.0
"""How long opening may take before the thread is given up; a URL's own time limit is shorter."""
MAX_ABANDONED = 4
"""So many threads may hang in a driver at a time before no further one is started."""
FPS_WINDOW_S = 2.0

Grabbed = Generator[tuple[Picture, float], None, None]


class SourceGone(Exception):
    """A device or URL is not there (any more); it is tried again."""


class ReaderThread(Thread):
    """One thread that reads one source until told to stop; it may be left behind."""

    def __init__(self, source: Source) -> None:
        super().__init__(name=f"camera {source.name}", daemon=True)
        self.stopping = Event()
        self.deadline_s = source.clock() + OPENING_S
        self._source = source

    def run(self) -> None:
        source, stopping = self._source, self.stopping
        while not stopping.is_set():
            self.deadline_s = source.clock() + OPENING_S
            try:
                with closing(source.grab(self)) as grabbed:
                    for picture, captured_at in grabbed:
                        if stopping.is_set():
                            return
                        source.deliver(self, picture, captured_at)
                source.error = f"{source.name} ended"
            except (SourceGone, BadSource, OSError, cv2.error, av.FFmpegError) as error:
                source.error = str(error).splitlines()[0] if str(error) else type(error).__name__
            stopping.wait(RETRY_S)


class Performer(Protocol):
    """Who stands before the camera called `demo`."""

    def picture(self, t_s: float) -> Picture: ...


@dataclass(frozen=True)
class SourceOptions:
    """What a source may be told beside its name; each kind takes what it understands."""

    clock: Clock = now
    epoch: float | None = None
    """By the clock, when the first picture of a file or of `demo` is shown for the first time."""
    period_s: float | None = None
    """After how long a file begins again; only with `epoch`."""
    performer: Callable[[], Performer] | None = None
    """Makes the stand-in performer, in the thread that films it."""


class Source(ABC):
    """A source of frames. `start`, `watch` and `close` belong to the engine's loop; frames come by `mailbox`.

    Subclasses give `grab`; one that a user may name also `accepts` and `from_spec`, and a line in sources/registry.py.
    """

    def __init__(self, name: str, size: tuple[int, int] = (640, 480), clock: Clock = now) -> None:
        self.name = name
        self.size = size
        """Width and height of the newest frame; what was asked for before there is one."""
        self.clock = clock
        self.mailbox: Mailbox[Frame] = Mailbox()
        self.error = ""
        """Why there is no picture, in one line."""
        self._reader: ReaderThread | None = None
        self._abandoned: list[ReaderThread] = []
        self._lock = Lock()
        self._index = 0
        self._newest_at = float("-inf")
        self._expected_at = float("-inf")
        self._arrivals: deque[float] = deque(maxlen=240)

    @classmethod
    def accepts(cls, spec: str) -> bool:
        """Whether `spec`, what the user called the camera, is a source of this kind. Opens nothing."""
        return False

    @classmethod
    def from_spec(cls, spec: str, options: SourceOptions) -> Source:
        """The source, not started yet. Raises BadSource where trying again cannot help."""
        raise NotImplementedError

    @abstractmethod
    def grab(self, reader: ReaderThread) -> Grabbed:
        """Opens the source and yields pictures with the time of capture, in the reader's thread."""

    def start(self) -> None:
        self._reader = ReaderThread(self)
        self._reader.start()

    def close(self, timeout_s: float = 1.0) -> None:
        """Ends the thread if it can be ended; one that hangs is a daemon and dies with the process."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.stopping.set()
            reader.join(timeout_s)

    @property
    def frames_captured(self) -> int:
        return self._index

    @property
    def fps(self) -> float:
        """Frames a second as measured over the last seconds; what a driver claims is not believed."""
        since_s = self.clock() - FPS_WINDOW_S
        recent = [at for at in tuple(self._arrivals) if at >= since_s]
        return (len(recent) - 1) / (recent[-1] - recent[0]) if len(recent) > 1 else 0.0

    @property
    def gone(self) -> bool:
        """No new frame for `GONE_S` (beyond the time at which a slow file's next one is due)."""
        return self.clock() - max(self._newest_at, self._expected_at) > GONE_S

    def watch(self) -> None:
        """Leaves a thread behind that hangs, and starts another. Takes no time; called on the loop."""
        reader = self._reader
        if reader is None or not self.gone or self.clock() < reader.deadline_s:
            return
        self._abandoned = [old for old in self._abandoned if old.is_alive()]
        if len(self._abandoned) >= MAX_ABANDONED:
            return
        self.error = f"{self.name} does not answer"
        with self._lock:
            reader.stopping.set()
            self._abandoned.append(reader)
            self.start()

    def deliver(self, reader: ReaderThread, picture: Picture, captured_at: float) -> None:
        """Puts one picture into the mailbox, unless its thread has been left behind meanwhile."""
        with self._lock:
            if reader.stopping.is_set():
                return
            self.size = picture.shape[1], picture.shape[0]
            self._newest_at = self.clock()
            self._arrivals.append(captured_at)
            reader.deadline_s = self._newest_at + GONE_S
            self.mailbox.put(Frame(picture, captured_at, self._index))
            self._index += 1

    def expect(self, reader: ReaderThread, at_s: float) -> None:
        """The next frame is not due before `at_s`: until then silence is no trouble."""
        self._expected_at = at_s
        reader.deadline_s = max(reader.deadline_s, at_s + GONE_S)
