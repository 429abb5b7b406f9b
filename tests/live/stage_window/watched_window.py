"""The stage window's process with somebody who looks at its pixels: what is on the window itself, again and again.

Each look is a line in a file of the process's own: the time and what was seen. MARK is what the scripted camera's every
pixel is, SAFE what the show's safe picture is.
"""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PyQt5.QtCore import QTimer
from PyQt5.QtGui import QImage

from live.stage_window import process
from live.stage_window.window import StageWindow

MARK = (255, 0, 255)
SAFE = (10, 120, 40)
LOOK_EVERY_MS = 20


class Look(NamedTuple):
    """at: by time.monotonic(). seen: "mark" where any pixel is the camera's, "safe" where all are the safe picture's or
    black, "hidden", else "other"."""

    at: float
    seen: str


def pixels_file(folder: Path, pid: int) -> Path:
    """Where the window of this process writes what is seen; folder: where it waits when it is left alone."""
    return folder.with_name(f"{folder.name}-pixels-{pid}")


def looks(folder: Path, pid: int) -> list[Look]:
    """What was seen on that window so far."""
    file = pixels_file(folder, pid)
    lines = file.read_text().split("\n")[:-1] if file.exists() else []
    return [Look(float(at), seen) for at, seen in map(str.split, lines)]


def main(connection: socket.socket, end_after_s: float, folder: Path) -> None:
    with pixels_file(folder, os.getpid()).open("w", buffering=1) as file:

        def watch(window: StageWindow) -> QTimer:
            timer = QTimer()
            timer.timeout.connect(lambda: file.write(f"{time.monotonic()} {what_is_seen(window)}\n"))
            timer.start(LOOK_EVERY_MS)
            return timer

        process.main(connection, end_after_s, folder, watch)


def what_is_seen(window: StageWindow) -> str:
    """As a Look says it."""
    screen = window.screen()
    if not window.isVisible() or screen is None:
        return "hidden"
    seen = _rgb(screen.grabWindow(int(window.winId())).toImage())
    if _are(seen, MARK).any():
        return "mark"
    return "safe" if (_are(seen, SAFE) | _are(seen, (0, 0, 0))).all() and _are(seen, SAFE).any() else "other"


def _are(pixels: NDArray[np.uint8], colour: tuple[int, int, int]) -> NDArray[np.bool_]:
    return np.asarray((pixels == colour).all(axis=2))


def _rgb(image: QImage) -> NDArray[np.uint8]:
    image = image.convertToFormat(QImage.Format.Format_RGB888)
    bits = image.constBits()
    assert bits is not None
    bits.setsize(image.sizeInBytes())
    rows: NDArray[np.uint8] = np.frombuffer(bits, np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : image.width() * 3].reshape(image.height(), image.width(), 3).copy()
