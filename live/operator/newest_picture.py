"""The way of a picture from the audience's thread into the Qt thread: the newest wins, one wake-up at most waits.

`offer` runs in the audience's thread and never waits; `arrived` is emitted in the Qt thread.
"""

from __future__ import annotations

from PyQt5.QtCore import QObject, Qt, pyqtSignal

from live.process.shared_frames import SharedPicture


class NewestPicture(QObject):
    """A newest-wins mailbox with a bell.

    Safe without a lock: the flag is lowered before the picture is read, so a picture that comes in between rings
    again, and one that is read early only rings once for nothing.
    """

    arrived = pyqtSignal(object)
    _bell = pyqtSignal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._newest: SharedPicture | None = None
        self._rung = False
        self._bell.connect(self._take, Qt.ConnectionType.QueuedConnection)  # type: ignore[call-arg]

    def offer(self, picture: SharedPicture) -> None:
        """Leaves the picture. Any thread."""
        self._newest = picture
        if not self._rung:
            self._rung = True
            self._bell.emit()

    def _take(self) -> None:
        self._rung = False
        picture, self._newest = self._newest, None
        if picture is not None:
            self.arrived.emit(picture)
