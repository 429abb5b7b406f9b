"""The help overlay: every key, on one page over the window. Runs in the Qt thread."""

from __future__ import annotations

from PyQt5.QtCore import QEvent, QObject, QRect, Qt
from PyQt5.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent
from PyQt5.QtWidgets import QWidget

from live.operator import theme

KEYS = (
    ("Space", "GO: the standby cue goes on stage"),
    ("Backspace", "Back to the cue before"),
    ("Esc", "Panic: safe picture on stage; again to return"),
    ("1 … 9", "This cue goes on stage now"),
    ("Up, Down", "Move the selection"),
    ("Enter", "The selected cue or look is standby"),
    ("Tab", "From the cues to the looks and back"),
    ("L", "Follow the face in the middle"),
    ("Ctrl+Left, Right", "Follow the leftmost or rightmost face"),
    ("F11", "Stage full screen on another screen"),
    ("Shift+F11", "Stage as a window"),
    ("M", "Mirror the stage"),
    ("R", "Rotate the stage by 90°"),
    ("F", "Fit: contain, cover, stretch"),
    ("Ctrl+O, F5", "Open a show, read it again"),
    ("Ctrl+Q", "Stop the show"),
    ("F1, ?", "This page"),
)


class KeyHelp(QWidget):
    """Covers its parent while shown; a click or any key of the window hides it."""

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
        line = min(36, (self.height() - 130) // len(KEYS))
        width, height = min(820, self.width() - 40), line * len(KEYS) + 100
        box = QRect((self.width() - width) // 2, (self.height() - height) // 2, width, height)
        painter.setPen(theme.LINE)
        painter.setBrush(theme.PANEL)
        painter.drawRoundedRect(box, 10, 10)
        inner = box.adjusted(36, 24, -36, -24)
        painter.setFont(theme.font(theme.TITLE_PX, bold=True))
        painter.setPen(theme.TEXT)
        painter.drawText(inner, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop, "Keys")
        for at, (key, meaning) in enumerate(KEYS):
            row = QRect(inner.x(), inner.y() + 52 + at * line, inner.width(), line)
            painter.setFont(theme.font(bold=True))
            painter.setPen(theme.STANDBY)
            painter.drawText(row, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, key)
            painter.setFont(theme.font())
            painter.setPen(theme.TEXT)
            painter.drawText(
                row.adjusted(210, 0, 0, 0), Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, meaning
            )
