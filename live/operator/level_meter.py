"""A level in dBFS: a bar up to the peak, brighter up to the RMS, a mark at the held peak, and a lamp for clipping.

Qt thread. The engine's metrics come four times a second; between them the bar falls by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log10

from PyQt5.QtCore import QRectF, QSize, Qt
from PyQt5.QtGui import QColor, QPainter, QPainterPath, QPaintEvent
from PyQt5.QtWidgets import QSizePolicy, QWidget

from live.operator import theme
from live.process.frames import now

FLOOR_DB = -60.0
FALL_DB_PER_S = 30.0
HOLD_S = 1.5
CLIP_DB = -0.01
"""The highest value a device of 16 bits gives is 0.0003 dB below full scale."""
CLIP_S = 4.0
_ZONES = ((FLOOR_DB, -12.0, theme.ON_STAGE), (-12.0, -3.0, theme.STANDBY), (-3.0, 0.0, theme.FAULT))
_LAMP_PX = 14


def decibels(level: float | None) -> float:
    """A level with full scale 1 in dBFS; FLOOR_DB for None and for all below it."""
    return max(20.0 * log10(level), FLOOR_DB) if level is not None and level > 0 else FLOOR_DB


class LevelMeter(QWidget):
    """`show_level` is called with every measurement, `tick` some twenty times a second."""

    def __init__(self, name: str, clock: Callable[[], float] = now) -> None:
        super().__init__()
        self._clock = clock
        self._measured = (FLOOR_DB, FLOOR_DB)
        self._shown = (FLOOR_DB, FLOOR_DB)
        self._held_db, self._held_since = FLOOR_DB, -1e9
        self._clipped_at = -1e9
        self._ticked_at = clock()
        self._painted: object = None
        self.setMinimumSize(90, 12)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(name)
        self.setToolTip(f"{name}, dB of full scale: green to -12, amber to -3; the red field says that it clipped")

    def sizeHint(self) -> QSize:
        return QSize(160, 12)

    @property
    def held_db(self) -> float:
        """The highest peak of the last HOLD_S, in dBFS."""
        return self._held_db

    @property
    def clipped(self) -> bool:
        """Full scale was reached within the last CLIP_S."""
        return self._clock() - self._clipped_at < CLIP_S

    def show_level(self, peak: float | None, rms: float | None) -> None:
        """Takes a measurement with full scale 1; None is no sound."""
        self._measured = (decibels(peak), decibels(rms))
        if self._measured[0] >= CLIP_DB:
            self._clipped_at = self._clock()
        self.tick()

    def tick(self) -> None:
        """Lets the bar and the held peak fall."""
        at = self._clock()
        fall_db = FALL_DB_PER_S * max(at - self._ticked_at, 0.0)
        self._ticked_at = at
        pairs = zip(self._measured, self._shown, strict=True)
        peak, rms = (max(measured, shown - fall_db) for measured, shown in pairs)
        self._shown = (peak, rms)
        if peak >= self._held_db or at - self._held_since > HOLD_S:
            self._held_db, self._held_since = peak, at
        painted = (*(round(self._x_of(db)) for db in (peak, rms, self._held_db)), self.clipped, self.isEnabled())
        if painted != self._painted:
            self._painted = painted
            self.update()

    def _x_of(self, db: float) -> float:
        """How far from the left a level is painted, in pixels."""
        return (self.width() - _LAMP_PX - 2) * min(max(1.0 - db / FLOOR_DB, 0.0), 1.0)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        bar = QRectF(0, 0, self.width() - _LAMP_PX - 2, self.height())
        path = QPainterPath()
        path.addRoundedRect(bar, 3, 3)
        painter.fillPath(path, theme.BACKGROUND)
        lamp = QRectF(self.width() - _LAMP_PX, 0, _LAMP_PX, self.height())
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.FAULT if self.clipped and self.isEnabled() else theme.BACKGROUND)
        painter.drawRoundedRect(lamp, 3, 3)
        if not self.isEnabled():
            return
        painter.setClipPath(path)
        peak, rms = self._shown
        for low_db, high_db, colour in _ZONES:
            self._paint_zone(painter, low_db, min(high_db, peak), _dimmed(colour))
            self._paint_zone(painter, low_db, min(high_db, rms), colour)
        if self._held_db > FLOOR_DB:
            colour = next((colour for _, high_db, colour in _ZONES if self._held_db <= high_db), theme.FAULT)
            painter.fillRect(QRectF(self._x_of(self._held_db) - 3, 0, 3, self.height()), colour)

    def _paint_zone(self, painter: QPainter, low_db: float, high_db: float, colour: QColor) -> None:
        if high_db > low_db:
            left = self._x_of(low_db)
            painter.fillRect(QRectF(left, 0, self._x_of(high_db) - left, self.height()), colour)


def _dimmed(colour: QColor) -> QColor:
    dim = QColor(colour)
    dim.setAlphaF(0.45)
    return dim
