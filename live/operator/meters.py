"""The meters: how fast, how late, how loud. Runs in the Qt thread; shows a Reading, and knows not where it is from."""

from __future__ import annotations

from dataclasses import dataclass
from math import log10

from PyQt5.QtCore import QRectF, QSize, Qt
from PyQt5.QtGui import QColor, QPainter, QPaintEvent
from PyQt5.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from live.operator import theme

FLOOR_DB = -60.0
NOTHING = "–"


@dataclass(frozen=True, slots=True)
class Reading:
    """What the meters show; None is what was not measured. Times in ms, levels as full scale 1."""

    fps: float | None = None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    longest_gap: float | None = None
    dropped: int | None = None
    face_lost: int | None = None
    provider: str = ""
    sound_latency: float | None = None
    xruns: int | None = None
    level_in: float | None = None
    level_out: float | None = None


class _Tile(QFrame):
    """A figure and its caption."""

    def __init__(self, caption: str, widest: str) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.caption = caption
        self._figure = theme.label(NOTHING, "figure")
        self._caption = theme.label(caption, "caption")
        for label in (self._figure, self._caption):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 7, 8, 7)
        column.setSpacing(0)
        column.addWidget(self._figure)
        column.addWidget(self._caption)
        # The widest figure keeps its room, so that tiles do not dance.
        self._figure.setFont(theme.font(theme.FIGURE_PX, bold=True))
        self._figure.setMinimumWidth(self._figure.fontMetrics().horizontalAdvance(widest))
        self.setSizePolicy(QSizePolicy.Policy.MinimumExpanding, QSizePolicy.Policy.Fixed)

    def show_figure(self, text: str, colour: QColor = theme.TEXT) -> None:
        self._figure.setText(text or NOTHING)
        theme.colour(self._figure, colour)

    @property
    def text(self) -> str:
        return str(self._figure.text())


class LevelBar(QWidget):
    """A level from -60 dB to full scale: green, amber above -12, red above -3."""

    def __init__(self) -> None:
        super().__init__()
        self._level: float | None = None
        self.setMinimumSize(70, 14)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        return QSize(110, 14)

    def show_level(self, level: float | None) -> None:
        """Full scale is 1; None is no sound device."""
        if level != self._level:
            self._level = level
            self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.BACKGROUND)
        painter.drawRoundedRect(self.rect(), 3, 3)
        if not self._level or self._level <= 0:
            return
        db = 20 * log10(self._level)
        part = min(max(1 - db / FLOOR_DB, 0.0), 1.0)
        colour = theme.ON_STAGE if db < -12 else theme.STANDBY if db < -3 else theme.FAULT
        painter.setBrush(colour)
        painter.drawRoundedRect(QRectF(0, 0, self.width() * part, self.height()), 3, 3)


class _SoundTile(QFrame):
    """The levels in and out."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.into, self.out = LevelBar(), LevelBar()
        grid = QGridLayout(self)
        grid.setContentsMargins(12, 7, 12, 7)
        grid.setHorizontalSpacing(theme.GAP)
        grid.setVerticalSpacing(0)
        for row, (name, bar) in enumerate((("In", self.into), ("Out", self.out))):
            grid.addWidget(theme.label(name, "caption"), row, 0)
            grid.addWidget(bar, row, 1)
        grid.setColumnStretch(1, 1)
        self.setSizePolicy(QSizePolicy.Policy.MinimumExpanding, QSizePolicy.Policy.Preferred)


class Meters(QWidget):
    """One strip of tiles."""

    def __init__(self) -> None:
        super().__init__()
        self._fps = _Tile("fps", "00.0")
        self._latency = _Tile("p50 · p95 · p99 ms", "000 · 000 · 000")
        self._gap = _Tile("gap ms", "0000")
        self._dropped = _Tile("dropped", "0000")
        self._lost = _Tile("face lost", "0000")
        self._provider = _Tile("provider", "TensorRT")
        self._sound = _Tile("sound ms", "000")
        self._xruns = _Tile("xruns", "000")
        self._levels = _SoundTile()
        self._latency.setToolTip(
            "From the camera's capture to the stage: half, 95 % and 99 % of the pictures are faster"
        )
        self._gap.setToolTip("The longest time the stage went without a new picture")
        self._lost.setToolTip("Frames in which no face was found")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SMALL_GAP)
        for tile, stretch in (
            (self._fps, 2), (self._latency, 4), (self._gap, 2), (self._dropped, 2), (self._lost, 2),
            (self._provider, 3), (self._sound, 2), (self._xruns, 2), (self._levels, 4),
        ):  # fmt: skip
            row.addWidget(tile, stretch)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def show_reading(self, reading: Reading) -> None:
        """Shows it; amber and red where the house's targets are missed."""
        self._fps.show_figure("" if reading.fps is None else f"{reading.fps:.1f}")
        parts = [NOTHING if p is None else f"{p:.0f}" for p in (reading.p50, reading.p95, reading.p99)]
        late = reading.p95 is not None and reading.p95 > 40
        self._latency.show_figure(" · ".join(parts), theme.STANDBY if late else theme.TEXT)
        self._gap.show_figure("" if reading.longest_gap is None else f"{reading.longest_gap:.0f}")
        self._dropped.show_figure(_count(reading.dropped))
        self._lost.show_figure(_count(reading.face_lost))
        self._provider.show_figure(reading.provider)
        self._sound.show_figure("" if reading.sound_latency is None else f"{reading.sound_latency:.0f}")
        self._xruns.show_figure(_count(reading.xruns), theme.FAULT if reading.xruns else theme.TEXT)
        self._levels.into.show_level(reading.level_in)
        self._levels.out.show_level(reading.level_out)

    def texts(self) -> dict[str, str]:
        """What the tiles say, by their captions."""
        video = [self._fps, self._latency, self._gap, self._dropped, self._lost, self._provider]
        tiles = [*video, self._sound, self._xruns]
        return {tile.caption: tile.text for tile in tiles}


def _count(value: int | None) -> str:
    return "" if value is None else str(value)
