"""The two previews: the camera's picture with the performer's points, and the stage's picture.

Qt thread. Each paints what it is given; the stage's at most every PREVIEW_EVERY_S.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PyQt5.QtCore import QPointF, QRect, QRectF, QSize, Qt, pyqtSignal
from PyQt5.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PyQt5.QtWidgets import QSizePolicy, QWidget

from live.operator import theme
from live.process.frames import now
from live.process.shared_frames import SharedPicture
from live.stage_window.painting import fitted_rect, paint_image, to_image
from live.stage_window.presentation import Presentation
from models.features.face_lines import CLOSED_LINES, OPEN_LINES
from models.features.types import Points

PREVIEW_EVERY_S = 0.03
GONE_S = 1.0
"""Without a camera picture for this long, the input preview says so."""
HEADER_PX = 40
_FRAME_PX = 4
_MARK_SHOWN_S = 1.2


class _Preview(QWidget):
    """A header line, and a picture below it."""

    def __init__(self, title: str, clock: Callable[[], float]) -> None:
        super().__init__()
        self._title = title
        self._clock = clock
        self._image: QImage | None = None
        self._shown_at = -1e9
        self.setMinimumSize(240, 150)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def sizeHint(self) -> QSize:
        return QSize(440, 362)

    def picture_area(self) -> QRect:
        """Where the picture is painted, frame included."""
        return self.rect().adjusted(0, HEADER_PX, 0, 0)

    def _paint_header(self, painter: QPainter, status: str, colour: QColor) -> None:
        header = QRect(2, 0, self.width() - 4, HEADER_PX)
        painter.setFont(theme.font(bold=True))
        metrics = painter.fontMetrics()
        title_px = metrics.horizontalAdvance(self._title.split("  ")[0]) + 2 * theme.GAP
        status = metrics.elidedText(status, Qt.TextElideMode.ElideRight, header.width() - title_px)
        painter.setPen(colour)
        painter.drawText(header, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, status)
        room = header.width() - metrics.horizontalAdvance(status) - 2 * theme.GAP
        painter.setPen(theme.QUIET)
        painter.drawText(
            header,
            Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter,
            metrics.elidedText(self._title, Qt.TextElideMode.ElideRight, room),
        )

    def _paint_text(self, painter: QPainter, area: QRect, text: str, colour: QColor) -> None:
        painter.setFont(theme.font(theme.CUE_PX, bold=True))
        painter.setPen(colour)
        painter.drawText(area, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, text)


class InputView(_Preview):
    """The camera's picture, at most 480 px high, with the 68 points on it. A click chooses a face."""

    face_chosen = pyqtSignal(float, float)
    """Where in the picture, in fractions of its width and height."""

    def __init__(self, clock: Callable[[], float] = now) -> None:
        super().__init__("Input", clock)
        self._points: Points | None = None
        self._marked: tuple[float, float, float] | None = None
        self._trouble = ""
        self._face_trouble = ""
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setToolTip("Click a face: this performer keeps the stage")

    def show_picture(self, picture: SharedPicture) -> None:
        """Shows the newest picture of the camera."""
        self._image = to_image(picture.picture, None, self._image)
        self._points = picture.points
        self._shown_at = self._clock()
        self.update()

    def show_camera(self, name: str, trouble: str) -> None:
        """Shows the camera's name, and what is wrong with it (empty: nothing)."""
        title = f"Input  {name}" if name else "Input"
        if (title, trouble) != (self._title, self._trouble):
            self._title, self._trouble = title, trouble
            self.update()

    def show_face_trouble(self, trouble: str) -> None:
        """Shows why there is no face, while there is none (empty: not known)."""
        if trouble != self._face_trouble:
            self._face_trouble = trouble
            self.update()

    @property
    def face_status(self) -> str:
        """What the header line says of the face."""
        return "Face" if self._points is not None else self._face_trouble or "No face"

    @property
    def gone(self) -> bool:
        """No camera picture for GONE_S."""
        return self._clock() - self._shown_at > GONE_S

    def mark(self, x: float, y: float) -> None:
        """Shows a ring round this place for _MARK_SHOWN_S: the lock was asked for there."""
        self._marked = (x, y, self._clock())
        self.update()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        assert event is not None
        image_rect = self._image_rect()
        if (
            event.button() == Qt.MouseButton.LeftButton
            and image_rect.contains(event.pos())
            and not image_rect.isEmpty()
        ):
            x = (event.x() + 0.5 - image_rect.x()) / image_rect.width()
            y = (event.y() + 0.5 - image_rect.y()) / image_rect.height()
            self.mark(x, y)
            self.face_chosen.emit(x, y)

    def _image_rect(self) -> QRect:
        size = QSize() if self._image is None else self._image.size()
        return QRect() if size.isEmpty() else fitted_rect(size, self.picture_area(), Presentation().fit)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        area = self.picture_area()
        if self.gone or self._image is None:
            self._paint_header(painter, "No camera picture", theme.FAULT)
            painter.fillRect(area, theme.PANEL)
            self._paint_text(
                painter, area.adjusted(12, 12, -12, -12), self._trouble or "Waiting for the camera", theme.QUIET
            )
            return
        face = self._points is not None
        self._paint_header(painter, self.face_status, theme.TEXT if face else theme.STANDBY)
        painter.fillRect(area, Qt.GlobalColor.black)
        image_rect = paint_image(painter, self._image, area, Presentation().fit)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self._points is not None:
            self._paint_points(painter, image_rect, self._points)
        self._paint_mark(painter, image_rect)

    def _paint_points(self, painter: QPainter, image_rect: QRect, points: Points) -> None:
        assert self._image is not None
        scale = image_rect.width() / self._image.width()
        on_screen = (points.astype(np.float64) + 0.5) * scale + [image_rect.x(), image_rect.y()]
        dots = [QPointF(x, y) for x, y in on_screen.tolist()]
        width = float(np.ptp(on_screen[:, 0]))
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

    def _paint_mark(self, painter: QPainter, image_rect: QRect) -> None:
        if self._marked is None:
            return
        x, y, at = self._marked
        if self._clock() - at > _MARK_SHOWN_S:
            self._marked = None
            return
        radius = image_rect.height() * 0.16
        painter.setPen(QPen(theme.STANDBY, 4))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawEllipse(
            QPointF(image_rect.x() + x * image_rect.width(), image_rect.y() + y * image_rect.height()), radius, radius
        )


class OutputView(_Preview):
    """What the audience sees, in the stage's own shape, in a frame whose colour says what it is."""

    def __init__(self, clock: Callable[[], float] = now) -> None:
        super().__init__("Output", clock)
        self._presentation = Presentation()
        self._shape = QSize(4, 3)
        self._status = ""
        self._overlay = ""
        self._colour = theme.QUIET

    def show_picture(self, picture: SharedPicture) -> None:
        """Shows the newest picture of the stage."""
        if self._clock() - self._shown_at < PREVIEW_EVERY_S and self._image is not None:
            return
        self._shown_at = self._clock()
        self._image = to_image(picture.picture, self._presentation, self._image)
        self.update()

    def show_still(self, image: QImage | None) -> None:
        """Shows the safe picture, or None for black. The stage window shows it by itself."""
        self._image = image
        self._shown_at = -1e9
        self.update()

    def set_presentation(self, presentation: Presentation, shape: QSize) -> None:
        """Sets how the stage shows pictures, and the stage's size, whose proportions the preview takes."""
        if (presentation, shape) != (self._presentation, self._shape):
            self._presentation, self._shape = presentation, shape
            self.update()

    def show_status(self, status: str, colour: QColor, overlay: str = "") -> None:
        """Shows a status in the header line, the frame in its colour, and `overlay` over the picture."""
        if (status, overlay, colour) != (self._status, self._overlay, self._colour):
            self._status, self._overlay, self._colour = status, overlay, colour
            self.update()

    @property
    def status(self) -> str:
        """The status shown in the header line."""
        return self._status

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        self._paint_header(painter, self._status, self._colour)
        fit = Presentation().fit
        area = self.picture_area()
        stage = fitted_rect(self._shape, area.adjusted(_FRAME_PX, _FRAME_PX, -_FRAME_PX, -_FRAME_PX), fit)
        painter.fillRect(stage, Qt.GlobalColor.black)
        painter.setClipRect(stage)
        if self._image is not None:
            paint_image(painter, self._image, stage, self._presentation.fit)
        if self._overlay:
            strip = QRect(stage.x(), stage.bottom() - 43, stage.width(), 44)
            painter.fillRect(strip, QColor(0, 0, 0, 190))
            self._paint_text(painter, strip, self._overlay, self._colour)
        painter.setClipping(False)
        painter.setPen(
            QPen(self._colour, _FRAME_PX, Qt.PenStyle.SolidLine, Qt.PenCapStyle.SquareCap, Qt.PenJoinStyle.MiterJoin)
        )
        painter.setBrush(Qt.BrushStyle.NoBrush)
        half = _FRAME_PX / 2
        painter.drawRect(QRectF(stage).adjusted(-half, -half, half, half))
