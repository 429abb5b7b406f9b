"""A line of words that gives way: as much of it as there is room for, the whole of it when pointed at. Qt thread."""

from __future__ import annotations

from PyQt5.QtCore import Qt
from PyQt5.QtGui import QResizeEvent
from PyQt5.QtWidgets import QLabel, QSizePolicy


class ElidedLabel(QLabel):
    """Never wider than its place."""

    def __init__(self, name: str = "") -> None:
        """name: what the stylesheet knows it by."""
        super().__init__()
        self.setObjectName(name)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._whole = ""

    @property
    def whole(self) -> str:
        """All of it."""
        return self._whole

    def say(self, words: str) -> None:
        self._whole = words
        self.setToolTip(words)
        self._fit()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        self._fit()
        super().resizeEvent(event)

    def _fit(self) -> None:
        self.setText(self.fontMetrics().elidedText(self._whole, Qt.TextElideMode.ElideRight, self.width()))
