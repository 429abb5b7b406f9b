"""A webcam as camera, by number or name, through OpenCV.

`Webcam.grab` opens and reads the device in the source's reader thread; `cameras` runs in any thread.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from live.picture.sources.movie_frames import BadSource, capture_size
from live.picture.sources.source import Grabbed, ReaderThread, Source, SourceGone, SourceOptions
from live.process.frames import Clock, now
from models.features.types import Picture

WEBCAM_FPS = 30
BOGUS_READS = 60
"""More than this many successive frames without waiting time cannot come from a camera."""
BOGUS_READ_S = 0.0005


class Webcam(Source):
    """A webcam by its number or by (part of) its name, through OpenCV."""

    def __init__(self, device: int | str, size: tuple[int, int] = (640, 480), clock: Clock = now) -> None:
        super().__init__(f"camera {device}", size, clock)
        self.device = device
        self._requested_size = size

    @classmethod
    def accepts(cls, spec: str) -> bool:
        return True  # any other name may be a camera's

    @classmethod
    def from_spec(cls, spec: str, options: SourceOptions) -> Webcam:
        if not spec.strip():
            raise BadSource("an empty name is no camera: give an index, a name, a file, a URL, demo or none")
        number = re.fullmatch(r"(?:/dev/video)?(\d+)", spec.strip())
        return cls(int(number[1]) if number else spec, clock=options.clock)

    def grab(self, reader: ReaderThread) -> Grabbed:
        # The number is looked up at every opening: a camera that is plugged in again often gets another one.
        number = self.device if isinstance(self.device, int) else _number_of_name(self.device)
        node = Path(f"/sys/class/video4linux/video{number}")
        linux = sys.platform.startswith("linux")
        if linux and not node.exists():
            raise SourceGone(f"there is no camera {number} (/dev/video{number})")
        device = cv2.VideoCapture(number, cv2.CAP_V4L2 if linux else cv2.CAP_ANY)
        try:
            if not device.isOpened():
                raise SourceGone(f"camera {number} cannot be opened; another program may hold it")
            # Without MJPG many cameras fall to 5 frames a second.
            device.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
            device.set(cv2.CAP_PROP_FRAME_WIDTH, self._requested_size[0])
            device.set(cv2.CAP_PROP_FRAME_HEIGHT, self._requested_size[1])
            device.set(cv2.CAP_PROP_FPS, WEBCAM_FPS)
            device.set(cv2.CAP_PROP_BUFFERSIZE, 1)
            yield from self._read(device, node if linux else None)
        finally:
            device.release()

    def _read(self, device: cv2.VideoCapture, node: Path | None) -> Iterator[tuple[Picture, float]]:
        bogus_reads = 0
        while True:
            before = self.clock()
            if not device.grab():
                raise SourceGone(f"{self.name} stopped")
            captured_at = self.clock()
            bogus_reads = bogus_reads + 1 if captured_at - before < BOGUS_READ_S else 0
            if bogus_reads > BOGUS_READS or (node is not None and not node.exists()):
                raise SourceGone(f"{self.name} was unplugged")
            read, picture = device.retrieve()
            if not read or picture is None or picture.size == 0:
                raise SourceGone(f"{self.name} gives no picture")
            yield from_opencv(np.asarray(picture, np.uint8)), captured_at


def cameras(folder: Path = Path("/sys/class/video4linux")) -> dict[int, str]:
    """Number and name of every camera that the system lists (Linux); empty elsewhere."""
    found = {}
    for entry in sorted(folder.glob("video*")):
        number = entry.name.removeprefix("video")
        try:
            name = (entry / "name").read_text().strip()
            # A camera may have several nodes; only the first gives pictures, the others carry metadata.
            part = (entry / "index").read_text().strip() if (entry / "index").exists() else "0"
        except OSError:
            continue  # Unplugged between the two calls.
        if number.isdigit() and part == "0":
            found[int(number)] = name
    return dict(sorted(found.items()))


def _number_of_name(name: str, folder: Path = Path("/sys/class/video4linux")) -> int:
    for number, found in cameras(folder).items():
        if name.casefold() in found.casefold():
            return number
    raise SourceGone(f"there is no camera called {name!r}")


def from_opencv(picture: Picture) -> Picture:
    """A picture from OpenCV (grey, BGR or BGRA) as RGB, no larger than the tracker can use."""
    if picture.ndim == 2:
        code = cv2.COLOR_GRAY2RGB
    else:
        code = {1: cv2.COLOR_GRAY2RGB, 4: cv2.COLOR_BGRA2RGB}.get(picture.shape[2], cv2.COLOR_BGR2RGB)
    rgb = cv2.cvtColor(picture, code)
    size = capture_size(rgb.shape[1], rgb.shape[0])
    if size != (rgb.shape[1], rgb.shape[0]):
        rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    return np.asarray(rgb, np.uint8)
