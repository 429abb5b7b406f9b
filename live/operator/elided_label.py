"""A one-line label that shows as much of its text as fits, and all of it as a tool tip. Qt thread."""

from __future__ import annotations

from PyQt5.QtCore import Qt
from PyQt5.QtGui import QResizeEvent
from PyQt5.QtWidgets import QLabel, QSizePolicy

from live.operator import theme


class ElidedLabel(QLabel):
    """Never asks for more width than it is given."""

    def __init__(self, name: str = "") -> None:
        """name: the object name that the stylesheet selects it by."""
        super().__init__()
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setObjectName(name)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._full_text = ""

    def set_full_text(self, text: str) -> None:
        """Shows this text, cut to fit, and sets the tool tip."""
        self._full_text = text
        self.setToolTip(theme.plain_tip(text))
        self._elide()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        self._elide()
        super().resizeEvent(event)

    def _elide(self) -> None:
        self.setText(self.fontMetrics().elidedText(self._full_text, Qt.TextElideMode.ElideRight, self.width()))
