"""Keeps the screens awake while the stage is on one. Runs in the Qt thread and never waits for an answer.

Linux asks the session's org.freedesktop.ScreenSaver, Windows SetThreadExecutionState, macOS `caffeinate`, which ends
with this process. What cannot be had is told once and lives on without.
"""

from __future__ import annotations

import ctypes
import os
import sys

from PyQt5.QtCore import QObject, QProcess, pyqtSignal
from PyQt5.QtDBus import QDBusConnection, QDBusMessage, QDBusPendingCallWatcher, QDBusPendingReply

SERVICE = "org.freedesktop.ScreenSaver"
PATH = "/org/freedesktop/ScreenSaver"
_CONTINUOUS, _SYSTEM_REQUIRED, _DISPLAY_REQUIRED = 0x80000000, 0x1, 0x2


class ScreensaverInhibitor(QObject):
    """Holds one request that no screen sleeps; `missing` tells why there is none."""

    missing = pyqtSignal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._cookie: int | None = None
        self._wanted = False
        self._told = False
        self._process: QProcess | None = None

    def hold(self) -> None:
        """Asks that screens stay on. Asking twice is asking once."""
        if self._wanted:
            return
        self._wanted = True
        if sys.platform == "win32":
            ctypes.windll.kernel32.SetThreadExecutionState(_CONTINUOUS | _SYSTEM_REQUIRED | _DISPLAY_REQUIRED)
        elif sys.platform == "darwin":
            self._process = QProcess(self)
            self._process.start("caffeinate", ["-d", "-w", str(os.getpid())])
        else:
            self._ask_session()

    def release(self) -> None:
        """Lets the screens sleep again."""
        if not self._wanted:
            return
        self._wanted = False
        if sys.platform == "win32":
            ctypes.windll.kernel32.SetThreadExecutionState(_CONTINUOUS)
        elif self._process is not None:
            self._process.kill()
            self._process.waitForFinished(500)
            self._process = None
        elif self._cookie is not None:
            self._give_back(self._cookie)
            self._cookie = None

    def _ask_session(self) -> None:
        bus = QDBusConnection.sessionBus() if os.environ.get("DBUS_SESSION_BUS_ADDRESS") else None
        if bus is None or not bus.isConnected():
            self._tell("no session bus")
            return
        call = QDBusMessage.createMethodCall(SERVICE, PATH, SERVICE, "Inhibit")
        call.setArguments(["Guise", "A show is on stage"])
        watcher = QDBusPendingCallWatcher(bus.asyncCall(call), self)
        watcher.finished.connect(self._answered)

    def _answered(self, watcher: QDBusPendingCallWatcher) -> None:
        reply = QDBusPendingReply(watcher)
        if reply.isError():
            self._tell(reply.error().message())
        elif self._wanted:
            self._cookie = int(reply.argumentAt(0))
        else:
            self._give_back(int(reply.argumentAt(0)))
        watcher.deleteLater()

    def _give_back(self, cookie: int) -> None:
        call = QDBusMessage.createMethodCall(SERVICE, PATH, SERVICE, "UnInhibit")
        call.setArguments([cookie])
        QDBusConnection.sessionBus().asyncCall(call)

    def _tell(self, why: str) -> None:
        if not self._told:
            self._told = True
            self.missing.emit(f"The screens may go to sleep: nobody here can be asked to keep them on ({why}).")
