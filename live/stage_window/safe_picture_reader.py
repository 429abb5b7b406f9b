"""Reads the show's safe picture in a thread of its own. Belongs to the Qt thread.

To decode a large one takes seconds, and a window that stands still for so long counts as hung.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

from PyQt5.QtCore import QObject, Qt, pyqtSignal

from live.show.safe_picture import read_safe_picture
from models.features.types import Picture


class WindowSafePicture(QObject):
    """The picture of the newest `read`; the one before stays until that is decoded."""

    ready = pyqtSignal(object)
    """The file, or None: `picture` is its picture now."""
    _decoded = pyqtSignal(int, object, object)

    def __init__(self) -> None:
        super().__init__()
        self.picture: Picture | None = None
        """None, which is black, before the first is read, where there is none, or where it cannot be read."""
        self._asked = 0
        self._decoded.connect(self._take, Qt.ConnectionType.QueuedConnection)  # type: ignore[call-arg]

    def read(self, path: Path | None) -> None:
        """Emits `ready` when it has been read; at once for None, which needs no disk."""
        self._asked += 1
        if path is None:
            self._take(self._asked, None, None)
        else:
            threading.Thread(target=self._decode, args=(self._asked, path), name="safe-picture", daemon=True).start()

    def _decode(self, asked: int, path: Path) -> None:
        """In the thread."""
        try:
            picture = read_safe_picture(path)
        except Exception:  # Whatever is wrong with it, black is shown.
            picture = None
        with suppress(RuntimeError):  # the window has been deleted meanwhile
            self._decoded.emit(asked, path, picture)

    def _take(self, asked: int, path: Path | None, picture: Picture | None) -> None:
        if asked == self._asked:
            self.picture = picture
            self.ready.emit(path)
