"""The windows' life: from the QApplication to the exit code. Runs in the main thread, which becomes the Qt thread.

The show is started before and stopped after by whoever calls `run_windows`; nothing of the show ends here.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType

from PyQt5.QtCore import (
    QCoreApplication,
    QEvent,
    QMessageLogContext,
    QRect,
    QSocketNotifier,
    Qt,
    QTimer,
    QtMsgType,
    qInstallMessageHandler,
)
from PyQt5.QtWidgets import QApplication

from live.operator import theme
from live.operator.newest_picture import NewestPicture
from live.operator.presenter import ManagerLike
from live.operator.screensaver_inhibitor import ScreensaverInhibitor
from live.operator.settings_store import SettingsStore
from live.operator.stage import StageWindow
from live.operator.window import OperatorWindow

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WindowOptions:
    """How the windows open.

    fullscreen: the stage's screen, by name or number from 1; "window" an ordinary window; None the remembered one.
    look_folders: where the library finds looks beside the show's own folder.
    settings_file: None is the user's own.
    """

    fullscreen: str | None = None
    look_folders: Sequence[Path] = ()
    settings_file: Path | None = None
    thumbnail_cache: Path | None = None
    seconds: float | None = None
    """Close by itself after this time."""


def run_windows(manager: ManagerLike, options: WindowOptions | None = None) -> int:
    """Opens both windows and performs until the operator's is closed, or Ctrl-C; the exit code is returned."""
    options = options or WindowOptions()
    with _messages_to_log(), _exceptions_to_log():
        application = _application()
        theme.apply(application)
        remembered = SettingsStore(options.settings_file)
        stage = StageWindow(manager.audience.on_drawn)
        window = OperatorWindow(
            manager,
            stage,
            remembered,
            look_folders=options.look_folders,
            thumbnail_cache=options.thumbnail_cache,
        )
        newest = NewestPicture()
        newest.arrived.connect(stage.show_picture)
        newest.arrived.connect(window.show_stage_picture)
        wakefulness = ScreensaverInhibitor()
        wakefulness.missing.connect(window.note)
        window.closed.connect(application.quit)
        _open(window, stage, remembered, options.fullscreen)
        wakefulness.hold()
        unsubscribe = manager.audience.subscribe(newest.offer, safe_too=False)
        end = QTimer()
        end.setSingleShot(True)
        end.timeout.connect(window.close_unasked)
        if options.seconds is not None:
            end.start(round(options.seconds * 1000))
        try:
            with _interrupts(window.close_unasked):
                code = int(application.exec_())
        finally:
            unsubscribe()
            newest.arrived.disconnect()
            end.stop()
            wakefulness.release()
            window.stop()
            stage.shut()
            for thing in (window, stage, newest, wakefulness):
                thing.deleteLater()
            QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    return code


def _application() -> QApplication:
    existing = QApplication.instance()
    if isinstance(existing, QApplication):
        return existing
    QApplication.setAttribute(Qt.ApplicationAttribute.AA_EnableHighDpiScaling)
    QApplication.setAttribute(Qt.ApplicationAttribute.AA_UseHighDpiPixmaps)
    application = QApplication(["guise"])
    application.setApplicationName("Guise")
    application.setQuitOnLastWindowClosed(False)
    return application


def _open(window: OperatorWindow, stage: StageWindow, remembered: SettingsStore, fullscreen: str | None) -> None:
    window.show()
    wanted = remembered.stage_screen if fullscreen is None else fullscreen
    if wanted and wanted != "window":
        if wanted == remembered.stage_screen:
            stage.fill(wanted)  # waits for it should it not be there yet
        else:
            window.stage_controls.fill_screen(wanted)
    if stage.on_screen is None:
        _beside(window, stage)
        stage.open_window()
    window.raise_()
    window.activateWindow()


def _beside(window: OperatorWindow, stage: StageWindow) -> None:
    """The stage's place where it hides least of the operator's window: the lower right corner of the screen."""
    screen = window.screen()
    assert screen is not None
    room: QRect = screen.availableGeometry()
    stage.move(room.right() - stage.width(), room.bottom() - stage.height())


@contextmanager
def _interrupts(stop: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C and SIGTERM call `stop` in the Qt thread. Python's handlers run only when Python does, which Qt's loop may
    not for long: the wake-up socket makes it."""
    reading, writing = socket.socketpair()
    for end in (reading, writing):
        end.setblocking(False)

    def handle(number: int, frame: FrameType | None) -> None:
        QTimer.singleShot(0, stop)

    notifier = QSocketNotifier(reading.fileno(), QSocketNotifier.Type.Read)  # type: ignore[arg-type]
    notifier.activated.connect(lambda: _drain(reading))
    old_wakeup = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
    old = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(old_wakeup)
        notifier.setEnabled(False)
        notifier.deleteLater()
        reading.close()
        writing.close()


def _drain(reading: socket.socket) -> None:
    with suppress(OSError):
        reading.recv(64)


@contextmanager
def _exceptions_to_log() -> Iterator[None]:
    """An exception in a slot is told and survived; PyQt5 would end the process, and with it the show."""

    def told(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        log.error("The window stumbled: %s", error)
        if os.environ.get("GUISE_TRACEBACKS"):
            traceback.print_exception(kind, error, trace)

    old, sys.excepthook = sys.excepthook, told
    try:
        yield
    finally:
        sys.excepthook = old


@contextmanager
def _messages_to_log() -> Iterator[None]:
    """Qt's own messages go where ours go."""

    def told(kind: QtMsgType, context: QMessageLogContext, text: str | None) -> None:
        loud = kind in (QtMsgType.QtCriticalMsg, QtMsgType.QtFatalMsg)
        level = logging.ERROR if loud else logging.INFO if kind == QtMsgType.QtWarningMsg else logging.DEBUG
        log.log(level, "Qt: %s", text)

    old = qInstallMessageHandler(told)
    try:
        yield
    finally:
        qInstallMessageHandler(old)
