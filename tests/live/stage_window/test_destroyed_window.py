"""A stage window that somebody else destroys comes back: under a real X server.

python -m tests.live.stage_window.test_destroyed_window      the window, which destroys itself twice from outside
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="no Xvfb")
def test_a_destroyed_window_comes_back_with_its_picture() -> None:
    reading, writing = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", "800x600x24"],
        pass_fds=[writing],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    try:
        with os.fdopen(reading) as pipe:
            display = f":{pipe.readline().strip()}"
        environment = {**os.environ, "DISPLAY": display, "QT_QPA_PLATFORM": "xcb", "PYTHONPATH": str(ROOT)}
        program = [sys.executable, "-m", __name__]
        ran = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=60, check=False)
    finally:
        server.kill()
        server.wait()
    if "could not connect to display" in ran.stderr or "xcb" in ran.stderr:
        pytest.skip(f"no X11 for Qt here: {ran.stderr}")
    assert ran.stdout.splitlines() == ["The stage window was destroyed from outside: it is back."] * 2 + ["200"]


def destroy_from_outside(window: int) -> None:
    """As another program would: by a connection of its own."""
    x11 = ctypes.CDLL("libX11.so.6")
    x11.XOpenDisplay.restype = ctypes.c_void_p
    display = ctypes.c_void_p(x11.XOpenDisplay(None))
    x11.XDestroyWindow(display, ctypes.c_ulong(window))
    x11.XCloseDisplay(display)


def main() -> None:
    from PyQt5.QtTest import QTest

    from live.stage_window.destroyed_window import DestroyedWindow
    from live.stage_window.qt_application import open_application
    from live.stage_window.window import StageWindow
    from tests.live.operator.fake_stage_manager import picture

    application = open_application()
    window = StageWindow()
    notices: list[str] = []
    window.notice.connect(notices.append)
    watch = DestroyedWindow(window)
    application.installNativeEventFilter(watch)
    screen = application.primaryScreen()
    assert screen is not None
    window.fill_screen(screen.name())
    for wanted in (1, 2):
        QTest.qWait(50)
        destroy_from_outside(int(window.winId()))
        for _ in range(200):
            QTest.qWait(20)
            if len(notices) == wanted:
                break
    window.show_picture(picture(1, pixels=np.full((48, 64, 3), 200, np.uint8)))
    QTest.qWait(100)
    seen = screen.grabWindow(int(window.winId())).toImage()
    print(*notices, seen.pixelColor(seen.rect().center()).red(), sep="\n", flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
