"""The base class of all sources of frames, and the thread that reads one.

Every source is read by its own daemon thread into a newest-wins mailbox. The thread may hang in a driver or in a
network, and nothing waits for it: the picture engine's loop calls `watch()`, which abandons a silent thread and starts
another. Late frames of an abandoned thread are discarded. A Frame is stamped here, once.

A source whose device is gone still answers name, size, fps and error: the engine and the screen go on asking.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from dataclasses import dataclass
from threading import Event, Lock, Thread
from typing import Protocol

from live.picture.sources.picture_watcher import PictureWatcher
from live.process.error_text import error_text
from live.process.frames import Clock, Frame, now
from live.process.mailbox import Mailbox
from models.features.types import Picture

GONE_S = 1.0
"""A source without a new frame for this long is gone."""
RETRY_S = 0.5
OPENING_S = 6.0
"""How long opening may take before the thread is abandoned; a URL's own time limit is shorter."""
MAX_ABANDONED = 4
"""This many threads may hang in a driver before no further one is started."""
FPS_WINDOW_S = 2.0

Grabbed = Generator[tuple[Picture, float], None, None]
"""What `grab` yields: pictures with their time of capture."""


class SourceGone(Exception):
    """A device or URL is not there (any more); opening it is retried."""


class ReaderThread(Thread):
    """Reads one source until it is stopped; a thread that hangs is abandoned."""

    def __init__(self, source: Source) -> None:
        super().__init__(name=f"camera {source.name}", daemon=True)
        self.stopping = Event()
        self.deadline_s = source.clock() + OPENING_S
        """By the source's clock, the time until which the thread may be silent."""
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
            except Exception as error:  # whatever a file or a device gives: it is opened again
                source.error = source.public_text(error_text(error))
            stopping.wait(RETRY_S)


class Performer(Protocol):
    """The stand-in performer that the camera `demo` films."""

    def picture(self, t_s: float) -> Picture: ...


@dataclass(frozen=True)
class SourceOptions:
    """What a source may be given beside its name; each kind uses what applies to it."""

    clock: Clock = now
    epoch: float | None = None
    """By the clock, when the first picture of a file or of `demo` is due for the first time."""
    period_s: float | None = None
    """The period after which a file repeats; used only with `epoch`."""
    performer: Callable[[], Performer] | None = None
    """Creates the stand-in performer, in the thread that films it."""


class Source(ABC):
    """A source of frames. `start`, `watch` and `close` are called on the engine's loop; frames come through `mailbox`.

    Subclasses implement `grab`. One that a user may name also implements `accepts`, and `from_spec` where it needs more
    than its name; and has a line in sources/registry.py.
    """

    def __init__(self, name: str, size: tuple[int, int] = (640, 480), clock: Clock = now) -> None:
        self.name = name
        self.size = size
        """Width and height of the newest frame; before the first one, the requested size."""
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
        self._watcher = PictureWatcher()
        self._notes: deque[str] = deque()
        self._noted: set[str] = set()

    @classmethod
    def accepts(cls, spec: str) -> bool:
        """Whether `spec`, the camera's name as the user gave it, means a source of this kind. Opens nothing."""
        return False

    @classmethod
    def from_spec(cls, spec: str, options: SourceOptions) -> Source:
        """Creates the source without starting it; here from its name alone. Raises BadSource where retrying cannot
        help."""
        return cls(spec, clock=options.clock)

    @abstractmethod
    def grab(self, reader: ReaderThread) -> Grabbed:
        """Opens the source and yields pictures (h, w, 3) with their time of capture, in the reader thread.

        Raises SourceGone, or anything else, when there is no more; it is then opened again.
        """

    def start(self) -> None:
        self._reader = ReaderThread(self)
        self._reader.start()

    def close(self, timeout_s: float = 1.0) -> None:
        """Stops the thread if it reacts within `timeout_s`; one that hangs is a daemon and ends with the process."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.stopping.set()
            reader.join(timeout_s)

    @property
    def frames_captured(self) -> int:
        return self._index

    @property
    def fps(self) -> float:
        """Frames a second, measured over the last seconds; a driver's own value is not used."""
        since_s = self.clock() - FPS_WINDOW_S
        recent = [at for at in tuple(self._arrivals) if at >= since_s]
        return (len(recent) - 1) / (recent[-1] - recent[0]) if len(recent) > 1 else 0.0

    @property
    def gone(self) -> bool:
        """Whether no new frame came for `GONE_S` (counted from when a slow file's next one is due), or always the same
        picture."""
        return self.stuck or self.clock() - max(self._newest_at, self._expected_at) > GONE_S

    @property
    def stuck(self) -> bool:
        """Whether the camera gives the same picture again and again. Any thread."""
        return self._watcher.stuck

    def take_notes(self) -> list[str]:
        """What the operator should know although pictures come: each sentence once. Any thread."""
        notes = []
        with suppress(IndexError):
            while True:
                notes.append(self._notes.popleft())
        return notes

    def note(self, text: str) -> None:
        """Adds a sentence for the operator, once. Called in the reader thread."""
        if text not in self._noted:
            self._noted.add(text)
            self._notes.append(text)

    def watch(self) -> None:
        """Abandons a thread that hangs, and starts another. Does not wait; called on the loop."""
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
        """Puts one picture into the mailbox, unless its thread has been abandoned, or the camera gives the same one
        again and again. Called in the reader thread."""
        with self._lock:
            if reader.stopping.is_set():
                return
            arrived_at = self.clock()
            reader.deadline_s = arrived_at + GONE_S
            plain = self._watcher.look_at(picture, arrived_at)
            if plain:
                self.note(f"{self.name} gives {plain} only: is its lens covered, or its privacy switch on?")
            if self._watcher.stuck:
                self.error = f"{self.name} gives the same picture again and again: it hangs"
                return
            self.size = picture.shape[1], picture.shape[0]
            self._newest_at = arrived_at
            self._arrivals.append(captured_at)
            self.mailbox.put(Frame(picture, captured_at, self._index))
            self._index += 1

    def wait_until(self, reader: ReaderThread, due_at: float) -> bool:
        """Waits until `due_at`, at once if that is over. Returns False when the thread is to stop. Called in the reader
        thread."""
        wait_s = due_at - self.clock()
        if wait_s <= 0:
            return not reader.stopping.is_set()
        self.expect(reader, due_at)
        return not reader.stopping.wait(wait_s)

    def public_text(self, text: str) -> str:
        """An error's text as it may be shown and written down."""
        return text

    def expect(self, reader: ReaderThread, at_s: float) -> None:
        """Declares that the next frame is not due before `at_s`: no frame until then is normal. Called in the reader
        thread."""
        self._expected_at = at_s
        reader.deadline_s = max(reader.deadline_s, at_s + GONE_S)
