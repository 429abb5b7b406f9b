"""Hands pictures from the audience's thread to the Qt thread: the newest wins, and at most one wake-up is queued.

`offer` runs in the audience's thread and never waits; `arrived` is emitted in the Qt thread.
"""

from __future__ import annotations

from PyQt5.QtCore import QObject, Qt, pyqtSignal

from live.process.shared_frames import SharedPicture


class NewestPicture(QObject):
    """A newest-wins mailbox that wakes its reader.

    Safe without a lock: the flag is cleared before the picture is read, so a picture that comes in between queues
    another wake-up, and one that is read early only leaves a wake-up that finds nothing.
    """

    arrived = pyqtSignal(object)
    _wake_up = pyqtSignal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._newest: SharedPicture | None = None
        self._wake_up_queued = False
        self._wake_up.connect(self._take, Qt.ConnectionType.QueuedConnection)  # type: ignore[call-arg]

    def offer(self, picture: SharedPicture) -> None:
        """Puts a picture in. Any thread."""
        self._newest = picture
        if not self._wake_up_queued:
            self._wake_up_queued = True
            self._wake_up.emit()

    def _take(self) -> None:
        self._wake_up_queued = False
        picture, self._newest = self._newest, None
        if picture is not None:
            self.arrived.emit(picture)
