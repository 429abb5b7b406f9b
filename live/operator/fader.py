"""A fader: a field with its name and value, and a line below them from the resting value to the present one.

Qt thread. A drag starts from the present value, so that a click does not make the loudness jump. A click gives no focus
and the wheel has no effect, so that neither an arrow key meant for the cues nor a sleeve changes the sound.
"""

from __future__ import annotations

from dataclasses import dataclass

from PyQt5.QtCore import QRectF, QSize, Qt, QTimer, pyqtSignal
from PyQt5.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPainterPath, QPaintEvent, QPalette, QPen, QWheelEvent
from PyQt5.QtWidgets import QSizePolicy, QSlider

from live.operator import theme

SEND_EVERY_MS = 50
"""The shortest time between two values that a moving fader sends."""
_PAGE_STEPS = 6
_LINE_PX = 4
_KNOB_PX = 6


@dataclass(frozen=True, slots=True)
class FaderRange:
    """What a fader sets.

    low, high: in whole steps of the unit. rest: the value that a double click sets. off: the value sent at the lowest
    position where that position means "off"; None where it does not.
    """

    parameter: str
    caption: str
    meaning: str
    low: int
    high: int
    rest: int = 0
    unit: str = ""
    off: float | None = None

    def text(self, value: float) -> str:
        """A value as the fader shows it."""
        if self.off is not None and value <= self.low:
            return "off"
        signed = self.low < 0 < self.high and value != 0
        return f"{value:+g}{self.unit}" if signed else f"{value:g}{self.unit}"


class Fader(QSlider):
    """Left and Right move it by one, PageUp and PageDown by six, Delete to its resting value."""

    moved = pyqtSignal(str, float)
    """The parameter and its value: at most every SEND_EVERY_MS, and always the last one."""

    def __init__(self, value_range: FaderRange) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.range = value_range
        self._value = float(value_range.rest)
        self._drag_start: tuple[int, int] | None = None
        self._throttle = QTimer(self)
        self._throttle.setSingleShot(True)
        self._throttle.setInterval(SEND_EVERY_MS)
        self._throttle.timeout.connect(self._send_late)
        self._unsent = False
        self.setRange(value_range.low, value_range.high)
        self.setPageStep(_PAGE_STEPS)
        self.setValue(value_range.rest)
        self.valueChanged.connect(self._value_changed)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(f"{value_range.caption}: {value_range.meaning}")
        self.setToolTip(f"{value_range.meaning}. Drag; a double click brings it back.")

    @property
    def value_text(self) -> str:
        """The value as it is shown."""
        return self.range.text(self._value)

    def show_value(self, value: float) -> None:
        """Shows a value that was set elsewhere; sends nothing."""
        self._value = min(max(value, float(self.range.low)), float(self.range.high))
        self.blockSignals(True)
        self.setValue(round(self._value))
        self.blockSignals(False)
        self.update()

    def _value_changed(self, value: int) -> None:
        self._value = float(value)
        self.update()
        if self._throttle.isActive():
            self._unsent = True
        else:
            self._send()

    def _send_late(self) -> None:
        if self._unsent:
            self._send()

    def _send(self) -> None:
        self._unsent = False
        self._throttle.start()
        off = self.range.off if self._value <= self.range.low else None
        self.moved.emit(self.range.parameter, self._value if off is None else off)

    # -- mouse and keys -----------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        assert event is not None
        if event.button() == Qt.MouseButton.LeftButton:
            self._drag_start = event.x(), self.value()

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        assert event is not None
        if self._drag_start is not None:
            start_x, value = self._drag_start
            steps = (event.x() - start_x) * (self.maximum() - self.minimum()) / max(self.width(), 1)
            self.setValue(value + round(steps))

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        self._drag_start = None

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        self.setValue(self.range.rest)

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        assert event is not None
        event.ignore()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        assert event is not None
        if event.key() == Qt.Key.Key_Delete:
            self.setValue(self.range.rest)
        elif event.key() in (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Home, Qt.Key.Key_End):
            event.ignore()  # Up and Down belong to the cues; a jump to an end of the range would be a jump in loudness
        else:
            super().keyPressEvent(event)

    # -- painting -----------------------------------------------------------------------------------------------

    def sizeHint(self) -> QSize:
        return QSize(170, 34)

    def minimumSizeHint(self) -> QSize:
        least = self.fontMetrics().horizontalAdvance(f"{self.range.caption} {self.range.text(self.range.low + 1)}")
        return QSize(least + 24, 34)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(self.rect()).adjusted(1, 1, -1, -1)
        path = QPainterPath()
        path.addRoundedRect(box, theme.RADIUS, theme.RADIUS)
        painter.fillPath(path, theme.RAISED)
        moved = self._value != self.range.rest
        if self.isEnabled():
            painter.setClipPath(path)
            self._paint_line(painter, theme.SELECTION if moved else theme.QUIET)
            painter.setClipping(False)
        if self.hasFocus():
            painter.setPen(QPen(theme.SELECTION, 2))
            painter.drawRoundedRect(box, theme.RADIUS, theme.RADIUS)
        text = self.rect().adjusted(10, 0, -10, -_LINE_PX)
        grey = self.palette().color(QPalette.ColorGroup.Disabled, QPalette.ColorRole.WindowText)
        painter.setPen(theme.QUIET if self.isEnabled() else grey)
        painter.drawText(text, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, self.range.caption)
        if self.isEnabled() and moved:
            painter.setPen(theme.TEXT)
        painter.setFont(theme.font(bold=moved))
        painter.drawText(text, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, self.value_text)

    def _paint_line(self, painter: QPainter, colour: QColor) -> None:
        line = QRectF(0, self.height() - _LINE_PX, self.width(), _LINE_PX)
        painter.fillRect(line, theme.LINE)
        rest, place = self._place(self.range.rest), self._place(self._value)
        painter.fillRect(QRectF(min(rest, place), line.y(), abs(place - rest), _LINE_PX), colour)
        knob = min(max(place - _KNOB_PX / 2, 1.0), self.width() - _KNOB_PX - 1.0)
        painter.fillRect(QRectF(knob, line.y() - 3, _KNOB_PX, _LINE_PX + 3), colour)

    def _place(self, value: float) -> float:
        return (value - self.range.low) / (self.range.high - self.range.low) * self.width()
