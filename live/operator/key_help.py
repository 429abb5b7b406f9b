"""The help overlay: every key, on one page over the window. Runs in the Qt thread."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from PyQt5.QtCore import QEvent, QObject, QRect, Qt
from PyQt5.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent
from PyQt5.QtWidgets import QWidget

from live.control.keys import BINDINGS
from live.operator import theme
from live.operator.commands import LIST_KEYS, WINDOW_COMMANDS


def key_rows() -> Iterator[tuple[str, str]]:
    """Every key and what it means: those that drive the show, the lists', the window's. Neighbours that mean the same
    share a row."""
    for meaning, group in groupby(BINDINGS, key=lambda binding: binding.meaning):
        bound = [binding.key for binding in group]
        yield bound[0] if len(bound) == 1 else f"{bound[0]} … {bound[-1]}", meaning
    yield from LIST_KEYS
    for command in WINDOW_COMMANDS:
        yield ", ".join(command.keys), command.meaning


class KeyHelp(QWidget):
    """Covers its parent while shown; a click or any key that drives the show hides it."""

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
            row = QRect(inner.x(), inner.y() + 52 + at * line, inner.width(), line)
            painter.setFont(theme.font(bold=True))
            painter.setPen(theme.STANDBY)
            painter.drawText(row, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, key)
            painter.setFont(theme.font())
            painter.setPen(theme.TEXT)
            painter.drawText(
                row.adjusted(210, 0, 0, 0), Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, meaning
            )
