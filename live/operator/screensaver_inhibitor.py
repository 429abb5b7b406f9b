"""Keeps the screens awake while the show runs. Qt thread; never waits for an answer.

Linux asks the session's org.freedesktop.ScreenSaver, Windows SetThreadExecutionState, macOS `caffeinate`, which ends
with this process. Where none of them is available the reason is reported once, and the show runs without.
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
    """Holds one request that no screen goes to sleep."""

    unavailable = pyqtSignal(str)
    """A sentence for the operator: why the screens cannot be kept awake."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._cookie: int | None = None
        self._inhibiting = False
        self._reported = False
        self._process: QProcess | None = None

    def inhibit(self) -> None:
        """Asks that the screens stay on. A second call does nothing."""
        if self._inhibiting:
            return
        self._inhibiting = True
        if sys.platform == "win32":
            ctypes.windll.kernel32.SetThreadExecutionState(_CONTINUOUS | _SYSTEM_REQUIRED | _DISPLAY_REQUIRED)
        elif sys.platform == "darwin":
            self._process = QProcess(self)
            self._process.start("caffeinate", ["-d", "-w", str(os.getpid())])
        else:
            self._send_inhibit()

    def release(self) -> None:
        """Lets the screens sleep again."""
        if not self._inhibiting:
            return
        self._inhibiting = False
        if sys.platform == "win32":
            ctypes.windll.kernel32.SetThreadExecutionState(_CONTINUOUS)
        elif self._process is not None:
            self._process.kill()
            self._process.waitForFinished(500)
            self._process = None
        elif self._cookie is not None:
            self._send_uninhibit(self._cookie)
            self._cookie = None

    def _send_inhibit(self) -> None:
        bus = QDBusConnection.sessionBus() if os.environ.get("DBUS_SESSION_BUS_ADDRESS") else None
        if bus is None or not bus.isConnected():
            self._report("no session bus")
            return
        call = QDBusMessage.createMethodCall(SERVICE, PATH, SERVICE, "Inhibit")
        call.setArguments(["Guise", "A show is on stage"])
        watcher = QDBusPendingCallWatcher(bus.asyncCall(call), self)
        watcher.finished.connect(self._handle_reply)

    def _handle_reply(self, watcher: QDBusPendingCallWatcher) -> None:
        reply = QDBusPendingReply(watcher)
        if reply.isError():
            self._report(reply.error().message())
        elif self._inhibiting:
            self._cookie = int(reply.argumentAt(0))
        else:
            self._send_uninhibit(int(reply.argumentAt(0)))
        watcher.deleteLater()

    def _send_uninhibit(self, cookie: int) -> None:
        call = QDBusMessage.createMethodCall(SERVICE, PATH, SERVICE, "UnInhibit")
        call.setArguments([cookie])
        QDBusConnection.sessionBus().asyncCall(call)

    def _report(self, why: str) -> None:
        if not self._reported:
            self._reported = True
            self.unavailable.emit(f"The screens may go to sleep: nobody here can be asked to keep them on ({why}).")
