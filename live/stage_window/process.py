"""Where the stage window's process begins and ends, once it has been started (stage_process.py). Its thread is Qt's."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import cv2

from live.stage_window.controller import WindowController
from live.stage_window.destroyed_window import DestroyedWindow
from live.stage_window.link import MessageLink
from live.stage_window.qt_application import exceptions_to_log, messages_to_log, open_application
from live.stage_window.window import StageWindow


def main(
    connection: socket.socket,
    end_after_s: float,
    folder: Path,
    watch: Callable[[StageWindow], object] | None = None,
) -> None:
    """Shows the stage window until the operator closes it, or for `end_after_s` without one.

    Args:
        connection: to the operator's process.
        folder: where the window waits to be taken over.
        watch: called with the window; what it returns is kept until the end.
    """
    cv2.setNumThreads(1)
    with messages_to_log(), exceptions_to_log():
        application = open_application()
        window = StageWindow()
        controller = WindowController(window, MessageLink(connection), end_after_s, folder)
        controller.ended.connect(application.quit)
        destroyed = DestroyedWindow(window)
        application.installNativeEventFilter(destroyed)
        watched = None if watch is None else watch(window)
        application.exec_()
        application.removeNativeEventFilter(destroyed)
        del watched
        controller.close()
        window.close_for_good()
