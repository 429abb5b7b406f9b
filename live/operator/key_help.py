"""The help overlay: every key, on one page over the window. Qt thread."""

from __future__ import annotations

from collections.abc import Iterator

from PyQt5.QtCore import QEvent, QObject, QRect, Qt
from PyQt5.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent
from PyQt5.QtWidgets import QWidget

from live.control.actions import ACTIONS, Action
from live.control.keys import keys_of
from live.operator import theme

LIST_KEYS: tuple[tuple[str, str], ...] = (
    ("Up, Down", "Move the selection"),
    ("Enter", "The selected cue or look is standby"),
    ("Tab", "From the cues to the looks, the faders, the log"),
    ("Left, Right", "Move the fader; Delete: back to its rest"),
)
"""What the lists and faders themselves do with keys, and what it means."""


def key_rows() -> Iterator[tuple[str, str]]:
    """Every key and its meaning: the keys of the cues first, then those of the lists, then the others."""
    bound = [action for action in ACTIONS if keys_of(action.name)]
    yield from (_key_row(action) for action in bound if action.group == "cues")
    yield from LIST_KEYS
    yield from (_key_row(action) for action in bound if action.group != "cues")


def _key_row(action: Action) -> tuple[str, str]:
    keys = keys_of(action.name)
    return f"{keys[0]} … {keys[-1]}" if action.parameters else ", ".join(keys), action.meaning


class KeyHelp(QWidget):
    """Covers its parent while shown. A click hides it, and so does a key that performs an action of the cues."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.hide()
        parent.installEventFilter(self)

    def toggle(self) -> None:
        """Shows or hides it."""
        parent = self.parentWidget()
        assert parent is not None
        self.setGeometry(parent.rect())
        self.raise_()
        self.setVisible(not self.isVisible())

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if event is not None and event.type() == QEvent.Type.Resize and isinstance(watched, QWidget):
            self.setGeometry(watched.rect())
        return False

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        assert event is not None
        self.hide()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(self.rect(), QColor(0, 0, 0, 170))
        rows = list(key_rows())
        line = min(36, (self.height() - 130) // len(rows))
        width, height = min(820, self.width() - 40), line * len(rows) + 100
        box = QRect((self.width() - width) // 2, (self.height() - height) // 2, width, height)
        painter.setPen(theme.LINE)
        painter.setBrush(theme.PANEL)
        painter.drawRoundedRect(box, 10, 10)
        inner = box.adjusted(36, 24, -36, -24)
        painter.setFont(theme.font(theme.TITLE_PX, bold=True))
        painter.setPen(theme.TEXT)
        painter.drawText(inner, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop, "Keys")
        for at, (key, meaning) in enumerate(rows):
            self._paint_row(painter, QRect(inner.x(), inner.y() + 52 + at * line, inner.width(), line), key, meaning)

    @staticmethod
    def _paint_row(painter: QPainter, row: QRect, key: str, meaning: str) -> None:
        alignment = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        painter.setFont(theme.font(bold=True))
        painter.setPen(theme.STANDBY)
        painter.drawText(row, alignment, key)
        painter.setFont(theme.font())
        painter.setPen(theme.TEXT)
        painter.drawText(row.adjusted(210, 0, 0, 0), alignment, meaning)
