"""Where frames come from: a webcam, a movie file, a URL, the demo performer, or nothing.

Every source is read by a daemon thread of its own into a newest-wins mailbox. The thread may hang in a driver
or in a network: nobody waits for it. The engine's loop calls `watch()`, which leaves a silent thread behind
and starts another; an abandoned thread's late frames are thrown away. A Frame is stamped here, once.
"""

from __future__ import annotations

import re
import sys
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Protocol

import av
import cv2
import numpy as np

from live.frames import Frame, now
from live.picture.mailbox import Mailbox
from live.picture.movie_frames import BadSource, FileFrames, capture_size, open_movie, pictures
from models.features.face_points import Picture

__all__ = ["BadSource", "FileFrames", "ScriptedSource", "Source", "cameras", "open_source"]

GONE_S = 1.0
"""A source without a new frame for this long is gone."""
RETRY_S = 0.5
OPENING_S = 6.0
"""How long opening may take before the thread is given up; a URL's own time limit is shorter."""
MOST_ABANDONED = 4
"""So many threads may hang in a driver at a time before no further one is started."""
URL_TIMEOUT_S = (4.0, 3.0)
FPS_WINDOW_S = 2.0
WEBCAM_FPS = 30
LYING_READS = 60
"""So many frames in a row that took no time to wait for cannot come from a camera."""
LYING_READ_S = 0.0005

Clock = Callable[[], float]
Grabbed = Generator[tuple[Picture, float], None, None]


class Performer(Protocol):
    """What `demo` shows."""

    def picture(self, t_s: float) -> Picture: ...


class Gone(Exception):
    """A device or URL is not there (any more); it is tried again."""


class _Reader(Thread):
    """One thread that reads one source until told to stop; it may be left behind."""

    def __init__(self, source: Source) -> None:
        super().__init__(name=f"camera {source.name}", daemon=True)
        self.stopping = Event()
        self.patient_until = source.clock() + OPENING_S
        self._source = source

    def run(self) -> None:
        source, stopping = self._source, self.stopping
        while not stopping.is_set():
            self.patient_until = source.clock() + OPENING_S
            try:
                with closing(source.grab(self)) as grabbed:
                    for picture, captured_at in grabbed:
                        if stopping.is_set():
                            return
                        source.arrived(self, picture, captured_at)
                source.trouble = f"{source.name} ended"
            except (Gone, BadSource, OSError, cv2.error, av.FFmpegError) as error:
                source.trouble = str(error).splitlines()[0] if str(error) else type(error).__name__
            stopping.wait(RETRY_S)


class Source(ABC):
    """A source of frames. `start`, `watch` and `close` belong to the engine's loop; frames come by
    `mailbox`."""

    live = True
    """Whether frames come when they please (a device), or at the file's times."""

    def __init__(self, name: str, size: tuple[int, int] = (640, 480), clock: Clock = now) -> None:
        self.name = name
        self.size = size
        """Width and height of the newest frame; what was asked for before there is one."""
        self.clock = clock
        self.mailbox: Mailbox[Frame] = Mailbox()
        self.trouble = ""
        """Why there is no picture, in one line."""
        self._reader: _Reader | None = None
        self._abandoned: list[_Reader] = []
        self._lock = Lock()
        self._index = 0
        self._newest_at = float("-inf")
        self._expected_at = float("-inf")
        self._arrivals: deque[float] = deque(maxlen=240)

    @abstractmethod
    def grab(self, reader: _Reader) -> Grabbed:
        """Opens the source and yields pictures with the time of capture, in the reader's thread."""

    def start(self) -> None:
        self._reader = _Reader(self)
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
        since = self.clock() - FPS_WINDOW_S
        recent = [at for at in tuple(self._arrivals) if at >= since]
        return (len(recent) - 1) / (recent[-1] - recent[0]) if len(recent) > 1 else 0.0

    @property
    def gone(self) -> bool:
        """No new frame for `GONE_S` (beyond the time at which a slow file's next one is due)."""
        return self.clock() - max(self._newest_at, self._expected_at) > GONE_S

    def watch(self) -> None:
        """Leaves a thread behind that hangs, and starts another. Takes no time; called on the loop."""
        reader = self._reader
        if reader is None or not self.gone or self.clock() < reader.patient_until:
            return
        self._abandoned = [old for old in self._abandoned if old.is_alive()]
        if len(self._abandoned) >= MOST_ABANDONED:
            return
        self.trouble = f"{self.name} does not answer"
        with self._lock:
            reader.stopping.set()
            self._abandoned.append(reader)
            self.start()

    def arrived(self, reader: _Reader, picture: Picture, captured_at: float) -> None:
        """Puts one picture into the mailbox, unless its thread has been left behind meanwhile."""
        with self._lock:
            if reader.stopping.is_set():
                return
            self.size = picture.shape[1], picture.shape[0]
            self._newest_at = self.clock()
            self._arrivals.append(captured_at)
            reader.patient_until = self._newest_at + GONE_S
            self.mailbox.put(Frame(picture, captured_at, self._index))
            self._index += 1

    def expect(self, reader: _Reader, at_s: float) -> None:
        """The next frame is not due before `at_s`: until then silence is no trouble."""
        self._expected_at = at_s
        reader.patient_until = max(reader.patient_until, at_s + GONE_S)


class FileSource(Source):
    """A movie file at its own pace, from its own times, over and over.

    With an epoch and a period it keeps to them for ever, as who plays its sound does: the picture of the time t in the
    file is captured at epoch + k * period + t, in whichever process and however late its thread may be.
    """

    live = False

    def __init__(
        self, path: Path, clock: Clock = now, *, epoch: float | None = None, period_s: float | None = None
    ) -> None:
        """Raises BadSource."""
        self.frames = FileFrames(path)
        self._epoch, self._period_s = epoch, period_s
        super().__init__(path.name, self.frames.size, clock)

    def grab(self, reader: _Reader) -> Grabbed:
        if self._epoch is None or self._period_s is None:
            yield from self._freely(reader)
        else:
            yield from self._in_rounds(reader, self._epoch, self._period_s)

    def _in_rounds(self, reader: _Reader, epoch: float, period_s: float) -> Grabbed:
        in_time, number, from_s = False, 0, 0.0
        while not reader.stopping.is_set():
            if in_time:
                number, from_s = number + 1, 0.0
            else:  # It begins, or could not keep up: on with what is being said now.
                rounds, from_s = divmod(max(self.clock() - epoch, 0.0), period_s)
                number = int(rounds)
            in_time = yield from self._round(reader, epoch + number * period_s, from_s, period_s)

    def _round(
        self, reader: _Reader, round_at: float, from_s: float, period_s: float
    ) -> Generator[tuple[Picture, float], None, bool]:
        """False: it came too late."""
        shown = False
        for picture, time_s in self.frames.since(from_s):
            if time_s >= period_s:
                break
            due = round_at + time_s
            if shown and self.clock() - due > GONE_S:
                return False
            shown = True
            if not self._waited(reader, due):
                return True
            yield picture, due
        self._waited(reader, round_at + period_s)
        return True

    def _waited(self, reader: _Reader, due: float) -> bool:
        """Until `due`. False: the thread is to end."""
        wait_s = due - self.clock()
        if wait_s <= 0:
            return True
        self.expect(reader, due)
        return not reader.stopping.wait(wait_s)

    def _freely(self, reader: _Reader) -> Grabbed:
        round_at = self.clock()
        while True:
            time_s, step_s = 0.0, 1 / self.frames.fps
            for frame in self.frames:
                step_s = frame.captured_at - time_s or step_s
                time_s = frame.captured_at
                due = round_at + time_s
                late_s = self.clock() - due
                if late_s > GONE_S:  # The machine slept, or cannot decode so fast: the pace goes on from here.
                    round_at += late_s
                elif not self._waited(reader, due):
                    return
                yield frame.picture, self.clock()
            round_at += time_s + min(step_s, GONE_S)


class UrlSource(Source):
    """A stream or a movie behind a URL. What arrives is shown as it arrives; a movie is held back to its own
    pace."""

    def __init__(self, url: str, clock: Clock = now) -> None:
        super().__init__(url, clock=clock)

    def grab(self, reader: _Reader) -> Grabbed:
        options = {"rtsp_transport": "tcp"} if self.name.startswith("rtsp") else {}
        container, stream = open_movie(self.name, URL_TIMEOUT_S, options)
        with closing(container):
            paced = container.duration is not None
            reader.patient_until = self.clock() + URL_TIMEOUT_S[1] + GONE_S
            first: tuple[float, float] | None = None
            for picture, time_s in pictures(container, stream):
                if paced and time_s is not None:
                    first = first or (self.clock(), time_s)
                    due = first[0] + time_s - first[1]
                    wait_s = due - self.clock()
                    if 0 < wait_s < 60:
                        self.expect(reader, due)
                        if reader.stopping.wait(wait_s):
                            return
                yield picture, self.clock()


class Webcam(Source):
    """A camera by its number or by (part of) its name, through OpenCV."""

    def __init__(self, which: int | str, size: tuple[int, int] = (640, 480), clock: Clock = now) -> None:
        super().__init__(f"camera {which}", size, clock)
        self.which = which
        self._asked = size

    def grab(self, reader: _Reader) -> Grabbed:
        # The number is looked up at every opening: a camera plugged in again often has another one.
        number = self.which if isinstance(self.which, int) else _number_of(self.which)
        node = Path(f"/sys/class/video4linux/video{number}")
        linux = sys.platform.startswith("linux")
        if linux and not node.exists():
            raise Gone(f"there is no camera {number} (/dev/video{number})")
        device = cv2.VideoCapture(number, cv2.CAP_V4L2 if linux else cv2.CAP_ANY)
        try:
            if not device.isOpened():
                raise Gone(f"camera {number} cannot be opened; another program may hold it")
            # Without MJPG many cameras fall to 5 frames a second.
            device.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
            device.set(cv2.CAP_PROP_FRAME_WIDTH, self._asked[0])
            device.set(cv2.CAP_PROP_FRAME_HEIGHT, self._asked[1])
            device.set(cv2.CAP_PROP_FPS, WEBCAM_FPS)
            device.set(cv2.CAP_PROP_BUFFERSIZE, 1)
            yield from self._read(device, node if linux else None)
        finally:
            device.release()

    def _read(self, device: cv2.VideoCapture, node: Path | None) -> Iterator[tuple[Picture, float]]:
        lies = 0
        while True:
            before = self.clock()
            if not device.grab():
                raise Gone(f"{self.name} stopped")
            captured_at = self.clock()
            lies = lies + 1 if captured_at - before < LYING_READ_S else 0
            if lies > LYING_READS or (node is not None and not node.exists()):
                raise Gone(f"{self.name} was unplugged")
            read, picture = device.retrieve()
            if not read or picture is None or picture.size == 0:
                raise Gone(f"{self.name} gives no picture")
            yield from_opencv(np.asarray(picture, np.uint8)), captured_at


class DemoSource(Source):
    """The stand-in performer, 30 frames a second. With an epoch its script begins there, as its speech does."""

    fps_asked = 30.0

    def __init__(self, performer: Performer | None = None, clock: Clock = now, *, epoch: float | None = None) -> None:
        super().__init__("demo", clock=clock)
        self._performer = performer
        self._epoch = epoch

    def grab(self, reader: _Reader) -> Grabbed:
        if self._performer is None:
            from live.demo.performer import DemoPerformer

            self._performer = DemoPerformer(width=640, height=480)
        reader.patient_until = self.clock() + GONE_S
        started = self.clock()
        script = started if self._epoch is None else self._epoch
        for index in count():
            due = started + index / self.fps_asked
            late_s = self.clock() - due
            if late_s > GONE_S:
                started += late_s
                script += late_s if self._epoch is None else 0.0
            elif late_s < 0 and reader.stopping.wait(-late_s):
                return
            captured_at = self.clock()
            yield self._performer.picture(captured_at - script), captured_at


class NoSource(Source):
    """Nothing: the safe picture all along."""

    def __init__(self, clock: Clock = now) -> None:
        super().__init__("none", clock=clock)
        self.trouble = "no camera was asked for"

    def start(self) -> None:
        pass

    def grab(self, reader: _Reader) -> Grabbed:
        yield from ()


class ScriptedSource(Source):
    """A source without a thread: whoever drives the engine hands it the frames (render, tests)."""

    live = False

    def start(self) -> None:
        pass

    def grab(self, reader: _Reader) -> Grabbed:
        yield from ()

    def hand(self, frame: Frame) -> Frame:
        """Counts `frame` as captured and gives it back."""
        self.size = frame.picture.shape[1], frame.picture.shape[0]
        self._newest_at = self.clock()
        self._arrivals.append(frame.captured_at)
        self._index += 1
        return frame

    def put(self, frame: Frame) -> None:
        """As `hand`, and into the mailbox, for `step`."""
        self.mailbox.put(self.hand(frame))


def open_source(spec: str, clock: Clock = now, *, epoch: float | None = None, period_s: float | None = None) -> Source:
    """The source that `spec` names: a webcam's index or name, a file, a URL, `demo` or `none`; not started
    yet. `epoch` is a file's and `demo`'s, `period_s` a file's alone.

    Raises BadSource when it names a file that is missing or no video. A device or URL that is not there is no
    error: it is tried again and again.
    """
    if spec == "none":
        return NoSource(clock)
    if spec == "demo":
        return DemoSource(clock=clock, epoch=epoch)
    if spec.strip().isdigit():
        return Webcam(int(spec), clock=clock)
    device = re.fullmatch(r"/dev/video(\d+)", spec)
    if device:
        return Webcam(int(device[1]), clock=clock)
    if spec.startswith("file://"):
        return FileSource(Path(spec.removeprefix("file://")), clock, epoch=epoch, period_s=period_s)
    if "://" in spec:
        return UrlSource(spec, clock)
    looks_like_a_file = "/" in spec or "\\" in spec or re.search(r"\.[A-Za-z0-9]{2,4}$", spec)
    if looks_like_a_file or Path(spec).exists():
        return FileSource(Path(spec), clock, epoch=epoch, period_s=period_s)
    if not spec.strip():
        raise BadSource("an empty name is no camera: give an index, a name, a file, a URL, demo or none")
    return Webcam(spec, clock=clock)


def cameras(folder: Path = Path("/sys/class/video4linux")) -> dict[int, str]:
    """Number and name of every camera that the system names (Linux); empty elsewhere."""
    found = {}
    for entry in sorted(folder.glob("video*")):
        number = entry.name.removeprefix("video")
        try:
            name = (entry / "name").read_text().strip()
            # One camera may have several nodes; only the first gives pictures, the others carry metadata.
            part = (entry / "index").read_text().strip() if (entry / "index").exists() else "0"
        except OSError:
            continue  # Unplugged between the two looks.
        if number.isdigit() and part == "0":
            found[int(number)] = name
    return dict(sorted(found.items()))


def _number_of(name: str, folder: Path = Path("/sys/class/video4linux")) -> int:
    for number, called in cameras(folder).items():
        if name.casefold() in called.casefold():
            return number
    raise Gone(f"there is no camera called {name!r}")


def from_opencv(picture: Picture) -> Picture:
    """A picture as OpenCV gives it (grey, BGR or BGRA) as RGB, no larger than the tracker can use."""
    if picture.ndim == 2:
        code = cv2.COLOR_GRAY2RGB
    else:
        code = {1: cv2.COLOR_GRAY2RGB, 4: cv2.COLOR_BGRA2RGB}.get(picture.shape[2], cv2.COLOR_BGR2RGB)
    rgb = cv2.cvtColor(picture, code)
    size = capture_size(rgb.shape[1], rgb.shape[0])
    if size != (rgb.shape[1], rgb.shape[0]):
        rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    return np.asarray(rgb, np.uint8)
