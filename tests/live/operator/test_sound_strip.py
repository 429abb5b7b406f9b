"""The sound strip: what it shows of the sound, what it sets, and what it must not do by accident."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PyQt5.QtCore import QEvent, QPoint, QPointF, Qt, QTimer
from PyQt5.QtGui import QMouseEvent, QWheelEvent
from PyQt5.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from live.operator.fader import SEND_EVERY_MS, Fader, FaderRange
from live.operator.level_meter import CLIP_S, FLOOR_DB, HOLD_S, LevelMeter
from live.operator.presenter import sound_reading
from live.operator.sound_strip import INPUT, OUTPUT, VOICE, SoundReading, SoundStrip
from tests.live.operator.fake_stage_manager import sound
from tests.live.operator.ui import Ui, press

Sent = tuple[str, float]


@pytest.fixture
def fader(qtbot: QtBot) -> Fader:
    made = Fader(OUTPUT[0])
    qtbot.addWidget(made)
    made.resize(200, 34)
    made.show()
    return made


def record(fader: Fader) -> list[Sent]:
    sent: list[Sent] = []
    fader.moved.connect(lambda name, value: sent.append((name, value)))
    return sent


class Clock:
    def __init__(self) -> None:
        self.s = 100.0

    def __call__(self) -> float:
        return self.s


# ---- levels


def shown_db(meter: LevelMeter) -> float:
    """How far the bar reaches."""
    return meter._shown[0]


def test_the_bar_falls_and_the_peak_is_held(qtbot: QtBot) -> None:
    clock = Clock()
    meter = LevelMeter("Microphone level", clock)
    qtbot.addWidget(meter)
    meter.show_level(0.5, 0.1)
    assert shown_db(meter) == pytest.approx(-6.02, abs=0.01)
    meter.show_level(0.0, 0.0)
    clock.s += 0.5
    meter.tick()
    assert shown_db(meter) == pytest.approx(-21.0, abs=0.1)
    assert meter.held_db == pytest.approx(-6.02, abs=0.01)
    clock.s += HOLD_S
    meter.tick()
    assert meter.held_db == shown_db(meter) == FLOOR_DB


def test_a_clip_is_seen_for_a_while(qtbot: QtBot) -> None:
    clock = Clock()
    meter = LevelMeter("Microphone level", clock)
    qtbot.addWidget(meter)
    meter.resize(200, 12)
    meter.show_level(0.99, 0.5)
    assert not meter.clipped
    calm = meter.grab().toImage().pixelColor(195, 6)
    meter.show_level(32767 / 32768, 0.5)
    meter.show_level(0.1, 0.05)
    assert meter.clipped
    assert meter.grab().toImage().pixelColor(195, 6).red() > calm.red() + 100
    clock.s += CLIP_S + 0.01
    assert not meter.clipped


@pytest.mark.parametrize("level", [None, 0.0, 1e-9, 4.0])
def test_any_level_is_drawn(qtbot: QtBot, level: float | None) -> None:
    meter = LevelMeter("Loudspeaker level")
    qtbot.addWidget(meter)
    meter.show_level(level, level)
    meter.grab()
    assert shown_db(meter) == (pytest.approx(12.04, abs=0.01) if level == 4.0 else FLOOR_DB)


# ---- faders


def test_a_moving_fader_sends_twenty_times_a_second_and_where_it_ends(qtbot: QtBot, fader: Fader) -> None:
    sent = record(fader)
    for value in range(1, 21):
        fader.setValue(value)
    assert sent == [("sound/gain", 1.0)]
    qtbot.wait(3 * SEND_EVERY_MS)
    assert sent == [("sound/gain", 1.0), ("sound/gain", 20.0)]


def test_a_click_jumps_nowhere_and_a_drag_moves(qtbot: QtBot, fader: Fader) -> None:
    sent = record(fader)
    qtbot.mouseClick(fader, Qt.MouseButton.LeftButton, pos=QPoint(195, 10))
    assert (fader.value(), sent) == (0, [])
    qtbot.mousePress(fader, Qt.MouseButton.LeftButton, pos=QPoint(100, 10))
    held, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    to = QMouseEvent(QEvent.Type.MouseMove, QPointF(80, 10), none, held, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(fader, to)
    qtbot.mouseRelease(fader, Qt.MouseButton.LeftButton, pos=QPoint(80, 10))
    assert fader.value() == round(-20 * 84 / 200)
    qtbot.mouseDClick(fader, Qt.MouseButton.LeftButton, pos=QPoint(10, 10))
    assert fader.value() == 0


def test_the_wheel_changes_no_sound(fader: Fader) -> None:
    at = QPointF(50, 10)
    turned = QWheelEvent(
        at,
        at,
        QPoint(),
        QPoint(0, 120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(fader, turned)
    assert fader.value() == 0


def test_keys_move_a_fader_and_delete_rests_it(qtbot: QtBot, fader: Fader) -> None:
    fader.setFocus()
    for key, value in (
        (Qt.Key.Key_Right, 1),
        (Qt.Key.Key_PageUp, 7),
        (Qt.Key.Key_Left, 6),
        (Qt.Key.Key_End, 6),
        (Qt.Key.Key_Up, 6),
        (Qt.Key.Key_Delete, 0),
    ):
        qtbot.keyClick(fader, key)
        assert fader.value() == value


@pytest.mark.parametrize(
    ("value_range", "position", "text", "value"),
    [
        (INPUT[0], 9, "+9 dB", 9.0),
        (INPUT[1], -48, "-48 dB", -48.0),
        (INPUT[1], -80, "off", -120.0),
        (OUTPUT[1], -60, "off", -60.0),
        (OUTPUT[1], 0, "0 dB", 0.0),
        (VOICE[0], -3, "-3", -3.0),
    ],
)
def test_a_fader_sends_what_it_shows(
    qtbot: QtBot, value_range: FaderRange, position: int, text: str, value: float
) -> None:
    made = Fader(value_range)
    qtbot.addWidget(made)
    made.setValue(made.minimum() + made.maximum() - position)
    qtbot.wait(2 * SEND_EVERY_MS)
    sent = record(made)
    made.setValue(position)
    assert made.value_text == text
    assert sent == [(made.range.parameter, value)]
    made.grab()


def test_what_is_set_elsewhere_is_shown_and_not_sent_back(fader: Fader) -> None:
    sent = record(fader)
    fader.show_value(-3.5)
    assert (fader.value_text, sent) == ("-3.5 dB", [])
    fader.show_value(99.0)
    assert (fader.value_text, sent) == ("+24 dB", [])


# ---- the strip in the window


def until(qtbot: QtBot, ui: Ui, true: Callable[[], bool], **metrics: object) -> None:
    ui.manager.become(sound=sound(**metrics))
    qtbot.waitUntil(true)


def test_it_shows_the_sound_at_a_glance(qtbot: QtBot, ui: Ui) -> None:
    strip = ui.window.sound
    until(qtbot, ui, strip.isEnabled, voice="/show/voices/lj.onnx", limited=0.5, in_peak=0.5)
    assert strip.voice.name.toolTip() == "lj"
    assert strip.microphone.name.toolTip() == "USB microphone"
    assert strip.speaker.name.toolTip() == "Stage left"
    assert strip.microphone.peak.text() == "-6 dB"
    assert strip.limiter.on
    until(qtbot, ui, lambda: not strip.limiter.on, voice="bypass")
    assert strip.voice.name.toolTip() == "own voice"


def test_without_a_microphone_it_is_grey(qtbot: QtBot, ui: Ui) -> None:
    strip = ui.window.sound
    until(qtbot, ui, strip.isEnabled)
    until(qtbot, ui, lambda: not strip.isEnabled(), microphone="none", in_peak=0.0)
    assert strip.microphone.name.toolTip() == "no microphone"
    assert not any(fader.isEnabled() for fader in strip.faders.values())
    press(qtbot, Qt.Key.Key_S)
    assert ui.manager.calls == []
    ui.window.grab()
    assert not sound_reading(ui.manager.state).performing


def test_s_and_the_button_mute_at_once(qtbot: QtBot, ui: Ui) -> None:
    strip = ui.window.sound
    until(qtbot, ui, strip.isEnabled)
    press(qtbot, Qt.Key.Key_S)
    assert ui.manager.calls == [("toggle_mute",)]
    assert strip.mute_button.text() == "Muted"
    ui.window.refresh()
    assert strip.mute_button.isChecked(), "the engine's old figures took the mute back"
    ui.manager.become(sound=sound(mute=True))
    qtbot.mouseClick(strip.mute_button, Qt.MouseButton.LeftButton)
    assert ui.manager.calls[1:] == [("toggle_mute",)]
    assert not strip.mute_button.isChecked()
    ui.time += 1.0
    ui.window.refresh()
    assert strip.mute_button.isChecked(), "a mute from elsewhere is shown"


def test_a_fader_reaches_the_stage_and_go_still_goes(qtbot: QtBot, ui: Ui) -> None:
    until(qtbot, ui, ui.window.sound.isEnabled)
    fader = ui.window.sound.faders["sound/pitch"]
    qtbot.mouseClick(fader, Qt.MouseButton.LeftButton)
    assert ui.window.cue_list.hasFocus(), "the arrow keys are the cues'"
    fader.setFocus()
    press(qtbot, Qt.Key.Key_Left)
    press(qtbot, Qt.Key.Key_Space)
    assert ui.manager.calls == [("set_parameter", "sound/pitch", -1.0), ("go",)]


def test_a_cue_brings_its_own_pitch_and_leaves_the_gains(qtbot: QtBot, ui: Ui) -> None:
    ui.manager.sets = {1: {"sound/pitch": -3.5, "sound/monitor": -12.0}}
    until(qtbot, ui, ui.window.sound.isEnabled)
    faders = ui.window.sound.faders
    faders["sound/pitch"].setValue(5)
    faders["sound/formant"].setValue(2)
    faders["sound/gain"].setValue(-6)
    press(qtbot, Qt.Key.Key_Space)
    texts = [faders[f"sound/{name}"].value_text for name in ("pitch", "formant", "gain", "monitor")]
    assert texts == ["-3.5", "0", "-6 dB", "-12 dB"]
    press(qtbot, Qt.Key.Key_Space)
    texts = [faders[f"sound/{name}"].value_text for name in ("pitch", "formant", "gain", "monitor")]
    assert texts == ["0", "0", "-6 dB", "-12 dB"]


def test_tab_reaches_every_fader_and_all_have_names(qtbot: QtBot, ui: Ui) -> None:
    until(qtbot, ui, ui.window.sound.isEnabled)
    ui.window.library.setFocus()
    reached = []
    for _ in range(9):
        press(qtbot, Qt.Key.Key_Tab)
        reached.append(QApplication.focusWidget())
    faders = list(ui.window.sound.faders.values())
    assert reached == [ui.window.voices, *faders, ui.window.sound.mute_button, ui.window.log]
    assert all(widget is not None and widget.accessibleName() for widget in reached)


def test_it_ends_with_its_window(qtbot: QtBot) -> None:
    strip = SoundStrip()
    qtbot.addWidget(strip)
    strip.show_reading(SoundReading(performing=True, microphone="m" * 300, voice="v" * 300))
    strip.resize(900, 100)
    strip.show()
    assert strip.minimumSizeHint().width() < 1240, "a long name widens the window"
    assert strip.microphone.name.text().endswith("…")
    strip.stop()
    assert not any(timer.isActive() for timer in strip.findChildren(QTimer))
