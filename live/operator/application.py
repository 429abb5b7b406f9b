"""The windows, from the QApplication to the exit code. Runs in the main thread, which becomes the Qt thread.

The caller of `run_windows` starts the show before and stops it after; nothing of the show ends here.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from PyQt5.QtCore import QCoreApplication, QEvent, QObject, QPoint, QRect, QSocketNotifier, QTimer

from live.control.actions import Actions
from live.operator import theme
from live.operator.newest_picture import NewestPicture
from live.operator.presenter import ManagerLike
from live.operator.screensaver_inhibitor import ScreensaverInhibitor
from live.operator.settings_store import SettingsStore
from live.operator.stage import Stage, StageProcessLike
from live.operator.window import OperatorWindow
from live.stage_window.qt_application import exceptions_to_log, messages_to_log, open_application


@dataclass(frozen=True, slots=True)
class WindowOptions:
    """How the windows open.

    fullscreen: the stage's screen, by name or number from 1; "window" an ordinary window; None the stored one.
    look_folders: where the library finds looks beside the show's own folder.
    settings_file: None is the user's own.
    """

    fullscreen: str | None = None
    look_folders: Sequence[Path] = ()
    settings_file: Path | None = None
    thumbnail_cache: Path | None = None
    seconds: float | None = None
    """The windows close by themselves after this time; None: never."""


def run_windows(
    manager: ManagerLike,
    stage_process: StageProcessLike,
    options: WindowOptions | None = None,
    actions: Actions | None = None,
) -> int:
    """Opens the operator's window and shows the stage's, runs until the operator's is closed or Ctrl-C, and returns the
    exit code. stage_process: started already. actions: those that controls perform, too; None: the windows' own."""
    options = options or WindowOptions()
    with messages_to_log(), exceptions_to_log():
        application = open_application()
        theme.apply(application)
        settings = SettingsStore(options.settings_file)
        stage = Stage(stage_process, manager.audience.on_drawn)
        window = OperatorWindow(
            manager,
            actions or Actions(manager),
            stage,
            settings,
            look_folders=options.look_folders,
            thumbnail_cache=options.thumbnail_cache,
        )
        newest = NewestPicture()
        newest.arrived.connect(window.show_stage_picture)
        inhibitor = ScreensaverInhibitor()
        inhibitor.unavailable.connect(window.note)
        window.closed.connect(application.quit)
        _open(window, stage, settings, options.fullscreen)
        inhibitor.inhibit()
        unsubscribe = manager.audience.subscribe(newest.offer, safe_too=False)
        end_timer = _single_shot(window.close_without_asking, options.seconds)
        try:
            with _interrupts(window.close_without_asking):
                code = int(application.exec_())
        finally:
            unsubscribe()
            newest.arrived.disconnect()
            end_timer.stop()
            inhibitor.release()
            window.stop()
            stage.close_for_good()
            _delete(window, stage, newest, inhibitor)
    return code


def _single_shot(call: Callable[[], None], after_s: float | None) -> QTimer:
    """A timer that calls once; None: never."""
    timer = QTimer()
    timer.setSingleShot(True)
    timer.timeout.connect(call)
    if after_s is not None:
        timer.start(round(after_s * 1000))
    return timer


def _delete(*objects: QObject) -> None:
    """Deletes them now: the event loop, which would do it later, has ended."""
    for each in objects:
        each.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def _open(window: OperatorWindow, stage: Stage, settings: SettingsStore, fullscreen: str | None) -> None:
    window.show()
    wanted = settings.stage_screen if fullscreen is None else fullscreen
    if stage.taken_over and fullscreen is None:
        wanted = ""  # the audience looks at it: it stays where it is
    elif wanted and wanted != "window":
        if wanted == settings.stage_screen:
            stage.fill_screen(wanted)  # hidden until there is such a screen
        else:
            window.stage_controls.fill_screen(wanted)
    if stage.on_screen is None or wanted == "window":
        stage.show_as_window(None if stage.taken_over else _corner_beside(window, stage))
    window.raise_()
    window.activateWindow()


def _corner_beside(window: OperatorWindow, stage: Stage) -> QPoint:
    """Where the stage is in the lower right corner of the screen, where it hides least of the operator's window."""
    screen = window.screen()
    assert screen is not None
    available: QRect = screen.availableGeometry()
    return QPoint(available.right() - stage.size.width(), available.bottom() - stage.size.height())


@contextmanager
def _interrupts(stop: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C and SIGTERM call `stop` in the Qt thread. Python runs signal handlers only between its own instructions,
    and Qt's loop may run none for long: a byte on the wake-up socket makes it."""
    receiver, sender = socket.socketpair()
    for end in (receiver, sender):
        end.setblocking(False)

    def handle(number: int, frame: FrameType | None) -> None:
        QTimer.singleShot(0, stop)

    notifier = QSocketNotifier(receiver.fileno(), QSocketNotifier.Type.Read)  # type: ignore[arg-type]
    notifier.activated.connect(lambda: _drain(receiver))
    old_wakeup = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    old = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(old_wakeup)
        notifier.setEnabled(False)
        notifier.deleteLater()
        receiver.close()
        sender.close()


def _drain(receiver: socket.socket) -> None:
    with suppress(OSError):
        receiver.recv(64)
