"""A fader: a field with its name and value in it, and a line below them from where it rests to where it stands.

Runs in the Qt thread. Dragged from where it stands, so that a click jumps to no loudness; it takes no focus from a
click and no turn of the wheel, so that neither an arrow key meant for the cues nor a sleeve changes the sound.
"""

from __future__ import annotations

from dataclasses import dataclass

from PyQt5.QtCore import QRectF, QSize, Qt, QTimer, pyqtSignal
from PyQt5.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPainterPath, QPaintEvent, QPalette, QPen, QWheelEvent
from PyQt5.QtWidgets import QSizePolicy, QSlider

from live.operator import theme

EVERY_MS = 50
"""A moving fader tells its value so often."""
_PAGE = 6
_LINE_PX = 4
_KNOB_PX = 6


@dataclass(frozen=True, slots=True)
class Range:
    """What a fader sets.

    low, high: in whole steps of the unit; rest: where a double click brings it. off: what is sent at the lowest place,
    where that means "off".
    """

    parameter: str
    caption: str
    meaning: str
    low: int
    high: int
    rest: int = 0
    unit: str = ""
    off: float | None = None

    def words(self, value: float) -> str:
        """A value as the fader shows it."""
        if self.off is not None and value <= self.low:
            return "off"
        signed = self.low < 0 < self.high and value != 0
        return f"{value:+g}{self.unit}" if signed else f"{value:g}{self.unit}"


class Fader(QSlider):
    """Left and Right move it, PageUp and PageDown by six, Delete brings it to its rest."""

    moved = pyqtSignal(str, float)
    """The parameter and its value; at most every EVERY_MS, and the last one always."""

    def __init__(self, over: Range) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.range = over
        self._value = float(over.rest)
        self._grabbed: tuple[int, int] | None = None
        self._telling = QTimer(self)
        self._telling.setSingleShot(True)
        self._telling.setInterval(EVERY_MS)
        self._telling.timeout.connect(self._tell_late)
        self._untold = False
        self.setRange(over.low, over.high)
        self.setPageStep(_PAGE)
        self.setValue(over.rest)
        self.valueChanged.connect(self._changed)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(f"{over.caption}: {over.meaning}")
        self.setToolTip(f"{over.meaning}. Drag; a double click brings it back.")

    @property
    def words(self) -> str:
        """The value it shows."""
        return self.range.words(self._value)

    def show_value(self, value: float) -> None:
        """What is set elsewhere; tells nobody."""
        self._value = min(max(value, float(self.range.low)), float(self.range.high))
        self.blockSignals(True)
        self.setValue(round(self._value))
        self.blockSignals(False)
        self.update()

    def _changed(self, value: int) -> None:
        self._value = float(value)
        self.update()
        if self._telling.isActive():
            self._untold = True
        else:
            self._tell()

    def _tell_late(self) -> None:
        if self._untold:
            self._tell()

    def _tell(self) -> None:
        self._untold = False
        self._telling.start()
        over = self.range
        lowest = over.off is not None and self._value <= over.low
        self.moved.emit(over.parameter, over.off if lowest else self._value)

    # -- hands --------------------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        assert event is not None
        if event.button() == Qt.MouseButton.LeftButton:
            self._grabbed = event.x(), self.value()

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        assert event is not None
        if self._grabbed is not None:
            begin, value = self._grabbed
            steps = (event.x() - begin) * (self.maximum() - self.minimum()) / max(self.width(), 1)
            self.setValue(value + round(steps))

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        self._grabbed = None

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
            event.ignore()  # Up and Down are the cues', and an end of the range is no place to jump to
        else:
            super().keyPressEvent(event)

    # -- picture ------------------------------------------------------------------------------------------------

    def sizeHint(self) -> QSize:
        return QSize(170, 34)

    def minimumSizeHint(self) -> QSize:
        least = self.fontMetrics().horizontalAdvance(f"{self.range.caption} {self.range.words(self.range.low + 1)}")
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
        words = self.rect().adjusted(10, 0, -10, -_LINE_PX)
        grey = self.palette().color(QPalette.ColorGroup.Disabled, QPalette.ColorRole.WindowText)
        painter.setPen(theme.QUIET if self.isEnabled() else grey)
        painter.drawText(words, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, self.range.caption)
        if self.isEnabled() and moved:
            painter.setPen(theme.TEXT)
        painter.setFont(theme.font(bold=moved))
        painter.drawText(words, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, self.words)

    def _paint_line(self, painter: QPainter, colour: QColor) -> None:
        line = QRectF(0, self.height() - _LINE_PX, self.width(), _LINE_PX)
        painter.fillRect(line, theme.LINE)
        rest, place = self._place(self.range.rest), self._place(self._value)
        painter.fillRect(QRectF(min(rest, place), line.y(), abs(place - rest), _LINE_PX), colour)
        knob = min(max(place - _KNOB_PX / 2, 1.0), self.width() - _KNOB_PX - 1.0)
        painter.fillRect(QRectF(knob, line.y() - 3, _KNOB_PX, _LINE_PX + 3), colour)

    def _place(self, value: float) -> float:
        return (value - self.range.low) / (self.range.high - self.range.low) * self.width()
