"""The sound strip, in the order of the signal: microphone, voice, loudspeaker; with levels, faders, limiter and mute.

Qt thread. Shows a SoundReading and emits what the operator moves. Knows neither engine nor StageManager.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from PyQt5.QtCore import Qt, QTimer, pyqtSignal
from PyQt5.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from live.control.actions import find_action
from live.control.keys import keys_of
from live.operator import theme
from live.operator.elided_label import ElidedLabel
from live.operator.fader import Fader, FaderRange
from live.operator.level_meter import FLOOR_DB, LevelMeter
from live.process.frames import now
from live.show.parameter_table import CUE_PARAMETERS

TICK_MS = 50
_RESPONSE_S = 0.6
"""For this long after a press the engine's metrics may still be older than the press."""
LIMITING_GAIN = 0.99
"""Below this gain, a tenth of a decibel, the limiter counts as limiting."""
NOTHING = "–"

INPUT = (
    FaderRange("sound/input_gain", "Input", "Gain of the microphone", -60, 24, unit=" dB"),
    FaderRange("sound/gate", "Gate", "What is softer than this is silence", -80, 0, -80, " dB", off=-120.0),
)
VOICE = (
    FaderRange("sound/pitch", "Pitch", "Semitones, until the next cue", -12, 12),
    FaderRange("sound/formant", "Formant", "Semitones: the size of the mouth, until the next cue", -12, 12),
)
OUTPUT = (
    FaderRange("sound/gain", "Output", "Gain of the loudspeaker", -60, 24, unit=" dB"),
    FaderRange("sound/monitor", "Monitor", "The performer's own voice mixed in", -60, 0, -60, " dB", off=-60.0),
)


@dataclass(frozen=True, slots=True)
class SoundReading:
    """What the strip shows. Levels and gain with full scale 1; None for what was not measured."""

    performing: bool = False
    """There is a microphone, and the engine performs."""
    microphone: str = ""
    speaker: str = ""
    voice: str = ""
    in_peak: float | None = None
    in_rms: float | None = None
    out_peak: float | None = None
    out_rms: float | None = None
    limited: float = 1.0
    mute: bool = False


class _Lamp(QLabel):
    """A word that lights up."""

    def __init__(self, word: str, meaning: str) -> None:
        super().__init__(word)
        self.setObjectName("lamp")
        self.setToolTip(meaning)
        self.setAccessibleName(meaning)
        self.setProperty("on", False)

    @property
    def on(self) -> bool:
        return bool(self.property("on"))

    def set_on(self, on: bool) -> None:
        if on != self.on:
            self.setProperty("on", on)
            style = self.style()
            assert style is not None
            style.unpolish(self)
            style.polish(self)


class _ChannelPanel(QFrame):
    """One of the three: a caption, the name of the device or voice, a level (not for the voice), and two faders."""

    def __init__(
        self, caption: str, ranges: tuple[FaderRange, ...], meter: LevelMeter | None, lamp: QWidget | None
    ) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.faders = [Fader(value_range) for value_range in ranges]
        self.name = ElidedLabel()
        self.name.setFont(theme.font(bold=True))
        self.name.setAccessibleName(caption)
        self.peak = theme.label(NOTHING)
        self.peak.setFont(theme.font(bold=True))
        self.peak.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)  # type: ignore[arg-type]
        self.peak.setMinimumWidth(self.peak.fontMetrics().horizontalAdvance("-60 dB"))
        self.peak.setVisible(meter is not None)
        self.meter = meter
        header = QHBoxLayout()
        header.setSpacing(theme.GAP)
        header.addWidget(theme.label(caption, "caption"))
        header.addWidget(self.name, 1)
        if lamp is not None:
            header.addWidget(lamp)
        header.addWidget(self.peak)
        across = QHBoxLayout()
        across.setSpacing(theme.SMALL_GAP)
        for fader in self.faders:
            across.addWidget(fader, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.GAP, 5, theme.GAP, 8)
        column.setSpacing(theme.SMALL_GAP)
        column.addLayout(header)
        column.addStretch(1)
        if meter is not None:
            column.addWidget(meter)
        column.addLayout(across)

    def show_peak(self) -> None:
        """Shows the held peak in dB."""
        assert self.meter is not None
        held = self.meter.held_db
        self.peak.setText(f"{held:.0f} dB" if held > FLOOR_DB and self.isEnabled() else NOTHING)


class SoundStrip(QWidget):
    """`show_reading` is called with every state; between them a timer lets the meters fall, until `stop`."""

    moved = pyqtSignal(str, float)
    """A parameter that the operator moves, and its value; at most 20 a second and fader."""
    mute_pressed = pyqtSignal()

    def __init__(self, clock: Callable[[], float] = now) -> None:
        super().__init__()
        self._clock = clock
        self._muted = False
        self._mute_changed_at = -1e9
        self.limiter = _Lamp("Limit", "The limiter holds the loudspeaker's level back")
        self.microphone = _ChannelPanel("Mic", INPUT, LevelMeter("Microphone level", clock), None)
        self.voice = _ChannelPanel("Voice", VOICE, None, None)
        self.voice.name.setFont(theme.font(theme.FIGURE_PX, bold=True))
        self.speaker = _ChannelPanel("Out", OUTPUT, LevelMeter("Loudspeaker level", clock), self.limiter)
        self.mute_button = self._create_mute_button()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SMALL_GAP)
        for panel in self._panels():
            row.addWidget(panel, 1)
        row.addWidget(self.mute_button)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.faders = {fader.range.parameter: fader for panel in self._panels() for fader in panel.faders}
        for fader in self.faders.values():
            fader.moved.connect(self.moved)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._tick)
        self._timer.start(TICK_MS)
        self.show_reading(SoundReading())

    def _create_mute_button(self) -> QPushButton:
        name = find_action("mute").text
        button = QPushButton("Mute")
        button.setObjectName("mute")
        button.setCheckable(True)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)
        button.setMinimumWidth(104)
        button.setAccessibleName(name)
        button.setToolTip(f"{name}: {keys_of('mute')[0]}")
        button.clicked.connect(lambda: self.mute_pressed.emit())
        return button

    def _panels(self) -> tuple[_ChannelPanel, ...]:
        return self.microphone, self.voice, self.speaker

    def show_reading(self, reading: SoundReading) -> None:
        """Shows it, disabled where there is no sound."""
        self.setEnabled(reading.performing)
        self.microphone.name.set_full_text(reading.microphone or NOTHING)
        self.voice.name.set_full_text(reading.voice or NOTHING)
        self.speaker.name.set_full_text(reading.speaker or NOTHING)
        levels = ((self.microphone, reading.in_peak, reading.in_rms), (self.speaker, reading.out_peak, reading.out_rms))
        for panel, peak, rms in levels:
            assert panel.meter is not None
            panel.meter.show_level(peak, rms)
            panel.show_peak()
        self.limiter.set_on(reading.performing and reading.limited < LIMITING_GAIN)
        if self._clock() - self._mute_changed_at > _RESPONSE_S:
            self._muted = reading.mute
        self._show_mute()

    def show_mute_pressed(self) -> bool:
        """Shows it muted or not at once, before the engine has answered. False without sound."""
        if self.isEnabled():
            self._muted, self._mute_changed_at = not self._muted, self._clock()
        self._show_mute()
        return self.isEnabled()

    def _show_mute(self) -> None:
        self.mute_button.setChecked(self._muted)
        self.mute_button.setText("Muted" if self._muted else "Mute")

    def show_cue(self, parameters: Mapping[str, float]) -> None:
        """Moves the faders of the parameters that the cue on stage sets, and of those that end with the cue before."""
        for name, fader in self.faders.items():
            if name in parameters:
                fader.show_value(parameters[name])
            elif name in CUE_PARAMETERS:
                fader.show_value(0.0)

    def stop(self) -> None:
        """Ends the timer."""
        self._timer.stop()

    def _tick(self) -> None:
        for panel in (self.microphone, self.speaker):
            assert panel.meter is not None
            panel.meter.tick()
            panel.show_peak()
