"""What goes in and what comes out: the camera's picture with the performer's points, and the stage in small.

Run in the Qt thread; they draw what they are given, at most every `PREVIEW_EVERY_S`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PyQt5.QtCore import QPointF, QRect, QRectF, QSize, Qt, pyqtSignal
from PyQt5.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PyQt5.QtWidgets import QSizePolicy, QWidget

from live.operator import theme
from live.operator.painting import Presentation, paint, place, to_image
from live.process.frames import now
from live.process.shared_frames import SharedPicture
from models.features.face_lines import CLOSED_LINES, OPEN_LINES
from models.features.types import Points

PREVIEW_EVERY_S = 0.03
GONE_S = 1.0
"""Without a camera picture for this long the input preview says so."""
HEAD_PX = 40
_RING = 4
_MARK_S = 1.2


class _Preview(QWidget):
    """A head line, and a picture below it."""

    def __init__(self, title: str, clock: Callable[[], float]) -> None:
        super().__init__()
        self._title = title
        self._clock = clock
        self._image: QImage | None = None
        self._came_at = -1e9
        self.setMinimumSize(240, 180)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def sizeHint(self) -> QSize:
        return QSize(440, 362)

    def picture_area(self) -> QRect:
        """Where the picture goes, ring included."""
        return self.rect().adjusted(0, HEAD_PX, 0, 0)

    def _paint_head(self, painter: QPainter, said: str, colour: QColor) -> None:
        head = QRect(2, 0, self.width() - 4, HEAD_PX)
        painter.setFont(theme.font(bold=True))
        metrics = painter.fontMetrics()
        least = metrics.horizontalAdvance(self._title.split("  ")[0]) + 2 * theme.GAP
        said = metrics.elidedText(said, Qt.TextElideMode.ElideRight, head.width() - least)
        painter.setPen(colour)
        painter.drawText(head, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, said)
        room = head.width() - metrics.horizontalAdvance(said) - 2 * theme.GAP
        painter.setPen(theme.QUIET)
        painter.drawText(
            head,
            Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter,
            metrics.elidedText(self._title, Qt.TextElideMode.ElideRight, room),
        )

    def _paint_words(self, painter: QPainter, area: QRect, words: str, colour: QColor) -> None:
        painter.setFont(theme.font(theme.CUE_PX, bold=True))
        painter.setPen(colour)
        painter.drawText(area, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, words)


class InputView(_Preview):
    """The camera's picture, at most 480 px high, with the 68 points upon it. A click names a face."""

    face_chosen = pyqtSignal(float, float)
    """Where in the picture, in fractions of its width and height."""

    def __init__(self, clock: Callable[[], float] = now) -> None:
        super().__init__("Input", clock)
        self._points: Points | None = None
        self._marked: tuple[float, float, float] | None = None
        self._trouble = ""
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setToolTip("Click a face: this performer keeps the stage")

    def show_picture(self, picture: SharedPicture) -> None:
        """The newest picture of the camera."""
        self._image = to_image(picture.picture, None, self._image)
        self._points = picture.points
        self._came_at = self._clock()
        self.update()

    def tell_camera(self, name: str, trouble: str) -> None:
        """What the camera is called, and what is wrong with it."""
        title = f"Input  {name}" if name else "Input"
        if (title, trouble) != (self._title, self._trouble):
            self._title, self._trouble = title, trouble
            self.update()

    @property
    def gone(self) -> bool:
        """No camera picture for GONE_S."""
        return self._clock() - self._came_at > GONE_S

    def mark(self, x: float, y: float) -> None:
        """A ring round the place, for a moment: the lock was asked for there."""
        self._marked = (x, y, self._clock())
        self.update()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        assert event is not None
        spot = self._spot()
        if event.button() == Qt.MouseButton.LeftButton and spot.contains(event.pos()) and not spot.isEmpty():
            x = (event.x() + 0.5 - spot.x()) / spot.width()
            y = (event.y() + 0.5 - spot.y()) / spot.height()
            self.mark(x, y)
            self.face_chosen.emit(x, y)

    def _spot(self) -> QRect:
        size = QSize() if self._image is None else self._image.size()
        return QRect() if size.isEmpty() else place(size, self.picture_area(), Presentation().fit)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        area = self.picture_area()
        if self.gone or self._image is None:
            self._paint_head(painter, "No camera picture", theme.FAULT)
            painter.fillRect(area, theme.PANEL)
            self._paint_words(
                painter, area.adjusted(12, 12, -12, -12), self._trouble or "Waiting for the camera", theme.QUIET
            )
            return
        face = self._points is not None
        self._paint_head(painter, "Face" if face else "No face", theme.TEXT if face else theme.STANDBY)
        painter.fillRect(area, Qt.GlobalColor.black)
        spot = paint(painter, self._image, area, Presentation().fit)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self._points is not None:
            self._paint_points(painter, spot, self._points)
        self._paint_mark(painter, spot)

    def _paint_points(self, painter: QPainter, spot: QRect, points: Points) -> None:
        assert self._image is not None
        scale = spot.width() / self._image.width()
        placed = (points.astype(np.float64) + 0.5) * scale + [spot.x(), spot.y()]
        dots = [QPointF(x, y) for x, y in placed.tolist()]
        width = float(np.ptp(placed[:, 0]))
        painter.setPen(QPen(QColor(255, 255, 255, 200), min(max(width / 120, 0.8), 1.8)))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for part in OPEN_LINES:
            painter.drawPolyline(QPolygonF(dots[part]))
        for part in CLOSED_LINES:
            painter.drawPolygon(QPolygonF(dots[part]))
        painter.setPen(
            QPen(theme.ON_STAGE, min(max(width / 45, 1.5), 4.5), Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap)
        )
        painter.drawPoints(QPolygonF(dots))

    def _paint_mark(self, painter: QPainter, spot: QRect) -> None:
        if self._marked is None:
            return
        x, y, at = self._marked
        if self._clock() - at > _MARK_S:
            self._marked = None
            return
        radius = spot.height() * 0.16
        painter.setPen(QPen(theme.STANDBY, 4))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawEllipse(QPointF(spot.x() + x * spot.width(), spot.y() + y * spot.height()), radius, radius)


class OutputView(_Preview):
    """What the audience sees, in the stage's own shape, in a ring whose colour says what that is."""

    def __init__(self, clock: Callable[[], float] = now) -> None:
        super().__init__("Output", clock)
        self._presentation = Presentation()
        self._shape = QSize(4, 3)
        self._said = ""
        self._words = ""
        self._colour = theme.QUIET

    def show_picture(self, picture: SharedPicture) -> None:
        """The newest picture of the stage."""
        if self._clock() - self._came_at < PREVIEW_EVERY_S and self._image is not None:
            return
        self._came_at = self._clock()
        self._image = to_image(picture.picture, self._presentation, self._image)
        self.update()

    def show_still(self, image: QImage | None) -> None:
        """The safe picture, or None for black: the stage window shows it by itself."""
        self._image = image
        self._came_at = -1e9
        self.update()

    def set_presentation(self, presentation: Presentation, shape: QSize) -> None:
        """As the stage does it, in an area of the stage's shape."""
        if (presentation, shape) != (self._presentation, self._shape):
            self._presentation, self._shape = presentation, shape
            self.update()

    def say(self, said: str, colour: QColor, words: str = "") -> None:
        """The head line's words and the ring's colour; `words` go over the picture."""
        if (said, words, colour) != (self._said, self._words, self._colour):
            self._said, self._words, self._colour = said, words, colour
            self.update()

    @property
    def said(self) -> str:
        """What the head line says."""
        return self._said

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        self._paint_head(painter, self._said, self._colour)
        fit = Presentation().fit
        whole = self.picture_area()
        stage = place(self._shape, whole.adjusted(_RING, _RING, -_RING, -_RING), fit)
        painter.fillRect(stage, Qt.GlobalColor.black)
        painter.setClipRect(stage)
        if self._image is not None:
            paint(painter, self._image, stage, self._presentation.fit)
        if self._words:
            strip = QRect(stage.x(), stage.bottom() - 43, stage.width(), 44)
            painter.fillRect(strip, QColor(0, 0, 0, 190))
            self._paint_words(painter, strip, self._words, self._colour)
        painter.setClipping(False)
        painter.setPen(
            QPen(self._colour, _RING, Qt.PenStyle.SolidLine, Qt.PenCapStyle.SquareCap, Qt.PenJoinStyle.MiterJoin)
        )
        painter.setBrush(Qt.BrushStyle.NoBrush)
        half = _RING / 2
        painter.drawRect(QRectF(stage).adjusted(-half, -half, half, half))
