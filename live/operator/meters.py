"""The meters: speed, latency, and what was dropped or missed. Qt thread; shows a MeterReading, whatever its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from PyQt5.QtCore import Qt
from PyQt5.QtGui import QColor
from PyQt5.QtWidgets import QFrame, QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from live.operator import theme

NOTHING = "–"
LATE_MS = 40.0
SKEW_MS = 10.0
"""A skew of lips and voice above this is noticed."""


@dataclass(frozen=True, slots=True)
class MeterReading:
    """What the meters show; None for what was not measured."""

    fps: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    longest_gap_ms: float | None = None
    dropped: int | None = None
    face_lost: int | None = None
    provider: str = ""
    sound_latency_ms: float | None = None
    latency_parts_ms: Mapping[str, float] = field(default_factory=dict)
    """What the sound's latency consists of."""
    skew_ms: float | None = None
    """How much later the lips are than the voice."""
    picture_waits_ms: float | None = None
    sound_waits_ms: float | None = None
    drift_ppm: float | None = None
    """How much faster the loudspeaker's clock runs than the microphone's."""
    xruns: int | None = None
    misses: int | None = None
    rtf: float | None = None
    priority: str = ""


class _Tile(QFrame):
    """A value and its caption."""

    def __init__(self, caption: str, widest: str) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.caption = caption
        self._value = theme.label(NOTHING, "figure")
        self._caption = theme.label(caption, "caption")
        for label in (self._value, self._caption):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column = QVBoxLayout(self)
        column.setContentsMargins(5, 7, 5, 7)
        column.setSpacing(0)
        column.addWidget(self._value)
        column.addWidget(self._caption)
        # The room of the widest value is kept, so that the tiles do not shift.
        self._value.setFont(theme.font(theme.FIGURE_PX, bold=True))
        self._value.setMinimumWidth(self._value.fontMetrics().horizontalAdvance(widest))
        self.setSizePolicy(QSizePolicy.Policy.MinimumExpanding, QSizePolicy.Policy.Fixed)

    def show_value(self, text: str, colour: QColor = theme.TEXT) -> None:
        self._value.setText(text or NOTHING)
        theme.set_colour(self._value, colour)

    @property
    def text(self) -> str:
        return str(self._value.text())


class Meters(QWidget):
    """One strip of tiles: those of the picture, then those of the sound."""

    def __init__(self) -> None:
        super().__init__()
        self._fps = _Tile("fps", "00.0")
        self._latency = _Tile("p50 · p95 · p99 ms", "000 · 000 · 000")
        self._gap = _Tile("gap ms", "000")
        self._dropped = _Tile("dropped", "000")
        self._lost = _Tile("face lost", "000")
        self._provider = _Tile("provider", "TensorRT")
        self._sound = _Tile("sound ms", "000")
        self._skew = _Tile("lips ms", "+00")
        self._drift = _Tile("drift ppm", "+000")
        self._xruns = _Tile("xruns", "00")
        self._misses = _Tile("missed", "00")
        self._latency.setToolTip(
            "From the camera's capture to the stage: half, 95 % and 99 % of the pictures are faster"
        )
        self._gap.setToolTip("The longest time the stage went without a new picture")
        self._lost.setToolTip("Frames in which no face was found")
        self._drift.setToolTip(
            "How much faster the loudspeaker's clock runs than the microphone's; made good as it goes"
        )
        self._xruns.setToolTip("How often the microphone's ring was full or the loudspeaker's empty")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SMALL_GAP)
        for tile, stretch in (
            (self._fps, 2), (self._latency, 4), (self._gap, 2), (self._dropped, 2), (self._lost, 2),
            (self._provider, 3), (self._sound, 2), (self._skew, 2), (self._drift, 2), (self._xruns, 2),
            (self._misses, 2),
        ):  # fmt: skip
            row.addWidget(tile, stretch)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def show_reading(self, reading: MeterReading) -> None:
        """Shows it; amber and red where a target is missed."""
        self._fps.show_value("" if reading.fps is None else f"{reading.fps:.1f}")
        parts = [NOTHING if p is None else f"{p:.0f}" for p in (reading.p50_ms, reading.p95_ms, reading.p99_ms)]
        late = reading.p95_ms is not None and reading.p95_ms > LATE_MS
        self._latency.show_value(" · ".join(parts), theme.STANDBY if late else theme.TEXT)
        self._gap.show_value(_whole(reading.longest_gap_ms))
        self._dropped.show_value(_count(reading.dropped))
        self._lost.show_value(_count(reading.face_lost))
        self._provider.show_value(reading.provider)
        self._show_sound(reading)

    def _show_sound(self, reading: MeterReading) -> None:
        self._sound.show_value(_whole(reading.sound_latency_ms))
        parts = "\n".join(["From the microphone to the loudspeaker", *_part_lines(reading.latency_parts_ms)])
        self._sound.setToolTip(theme.plain_tip(parts))
        apart = reading.skew_ms is not None and abs(reading.skew_ms) > SKEW_MS
        self._skew.show_value(_signed(reading.skew_ms), theme.STANDBY if apart else theme.TEXT)
        waits = f"the picture waits {_ms(reading.picture_waits_ms)}, the sound {_ms(reading.sound_waits_ms)}"
        self._skew.setToolTip(f"How much later than the voice the lips are; so that they agree, {waits}")
        self._drift.show_value(_signed(reading.drift_ppm))
        self._xruns.show_value(_count(reading.xruns), theme.FAULT if reading.xruns else theme.TEXT)
        self._misses.show_value(_count(reading.misses), theme.FAULT if reading.misses else theme.TEXT)
        work = "" if reading.rtf is None else f"\nA second of sound takes {reading.rtf:.2f} s to compute"
        place = f"; the sound's thread runs {reading.priority}" if reading.priority else ""
        self._misses.setToolTip(theme.plain_tip(f"Blocks of the voice that came too late{work}{place}"))


def _part_lines(parts: Mapping[str, float]) -> list[str]:
    return [f"{name}: {ms:.1f} ms" for name, ms in parts.items() if ms > 0]


def _ms(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.0f} ms"


def _whole(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def _signed(value: float | None) -> str:
    return "" if value is None else "0" if round(value) == 0 else f"{value:+.0f}"


def _count(value: int | None) -> str:
    return "" if value is None else str(value)
