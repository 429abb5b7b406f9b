"""The sound strip: what it shows of the sound, what it steers, and what it must not do by accident."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PyQt5.QtCore import QEvent, QPoint, QPointF, Qt, QTimer
from PyQt5.QtGui import QMouseEvent, QWheelEvent
from PyQt5.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from live.operator.fader import EVERY_MS, Fader, Range
from live.operator.level_meter import CLIP_S, FLOOR_DB, HOLD_S, LevelMeter
from live.operator.presenter import sound_reading
from live.operator.sound_strip import INPUT, OUTPUT, VOICE, SoundReading, SoundStrip
from tests.live.operator.fake_stage import sound
from tests.live.operator.test_operator_window import Desk, desk, press

__all__ = ["desk"]

Say = tuple[str, float]


@pytest.fixture
def fader(qtbot: QtBot) -> Fader:
    made = Fader(OUTPUT[0])
    qtbot.addWidget(made)
    made.resize(200, 34)
    made.show()
    return made


def said_by(fader: Fader) -> list[Say]:
    said: list[Say] = []
    fader.moved.connect(lambda name, value: said.append((name, value)))
    return said


class Clock:
    def __init__(self) -> None:
        self.s = 100.0

    def __call__(self) -> float:
        return self.s


# ---- levels


def test_the_bar_falls_and_the_peak_is_held(qtbot: QtBot) -> None:
    clock = Clock()
    meter = LevelMeter("Microphone level", clock)
    qtbot.addWidget(meter)
    meter.show_level(0.5, 0.1)
    assert meter.shown_db == pytest.approx(-6.02, abs=0.01)
    meter.show_level(0.0, 0.0)
    clock.s += 0.5
    meter.tick()
    assert meter.shown_db == pytest.approx(-21.0, abs=0.1)
    assert meter.held_db == pytest.approx(-6.02, abs=0.01)
    clock.s += HOLD_S
    meter.tick()
    assert meter.held_db == meter.shown_db == FLOOR_DB


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
    assert meter.shown_db == (pytest.approx(12.04, abs=0.01) if level == 4.0 else FLOOR_DB)


# ---- faders


def test_a_moving_fader_tells_twenty_times_a_second_and_where_it_ends(qtbot: QtBot, fader: Fader) -> None:
    said = said_by(fader)
    for value in range(1, 21):
        fader.setValue(value)
    assert said == [("sound/gain", 1.0)]
    qtbot.wait(3 * EVERY_MS)
    assert said == [("sound/gain", 1.0), ("sound/gain", 20.0)]


def test_a_click_jumps_nowhere_and_a_drag_moves(qtbot: QtBot, fader: Fader) -> None:
    said = said_by(fader)
    qtbot.mouseClick(fader, Qt.MouseButton.LeftButton, pos=QPoint(195, 10))
    assert (fader.value(), said) == (0, [])
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
    ("over", "place", "words", "sent"),
    [
        (INPUT[0], 9, "+9 dB", 9.0),
        (INPUT[1], -48, "-48 dB", -48.0),
        (INPUT[1], -80, "off", -120.0),
        (OUTPUT[1], -60, "off", -60.0),
        (OUTPUT[1], 0, "0 dB", 0.0),
        (VOICE[0], -3, "-3", -3.0),
    ],
)
def test_a_fader_sends_what_it_shows(qtbot: QtBot, over: Range, place: int, words: str, sent: float) -> None:
    made = Fader(over)
    qtbot.addWidget(made)
    made.setValue(made.minimum() + made.maximum() - place)
    qtbot.wait(2 * EVERY_MS)
    said = said_by(made)
    made.setValue(place)
    assert made.words == words
    assert said == [(made.range.parameter, sent)]
    made.grab()


def test_what_is_set_elsewhere_is_shown_and_not_sent_back(fader: Fader) -> None:
    said = said_by(fader)
    fader.show_value(-3.5)
    assert (fader.words, said) == ("-3.5 dB", [])
    fader.show_value(99.0)
    assert (fader.words, said) == ("+24 dB", [])


# ---- the strip in the window


def until(qtbot: QtBot, desk: Desk, true: Callable[[], bool], **metrics: object) -> None:
    desk.manager.become(sound=sound(**metrics))
    qtbot.waitUntil(true)


def test_it_shows_the_sound_at_a_glance(qtbot: QtBot, desk: Desk) -> None:
    strip = desk.window.sound
    until(qtbot, desk, strip.isEnabled, voice="/show/voices/lj.onnx", limited=0.5, in_peak=0.5)
    assert strip.voice.name.whole == "lj"
    assert strip.microphone.name.whole == "USB microphone"
    assert strip.speaker.name.whole == "Stage left"
    assert strip.microphone.peak.text() == "-6 dB"
    assert strip.limiter.on
    until(qtbot, desk, lambda: not strip.limiter.on, voice="bypass")
    assert strip.voice.name.whole == "own voice"


def test_without_a_microphone_it_is_grey(qtbot: QtBot, desk: Desk) -> None:
    strip = desk.window.sound
    until(qtbot, desk, strip.isEnabled)
    until(qtbot, desk, lambda: not strip.isEnabled(), microphone="none", in_peak=0.0)
    assert strip.microphone.name.whole == "no microphone"
    assert not any(fader.isEnabled() for fader in strip.faders.values())
    press(qtbot, Qt.Key.Key_S)
    assert desk.manager.calls == []
    desk.window.grab()
    assert not sound_reading(desk.manager.state).performing


def test_s_and_the_button_mute_at_once(qtbot: QtBot, desk: Desk) -> None:
    strip = desk.window.sound
    until(qtbot, desk, strip.isEnabled)
    press(qtbot, Qt.Key.Key_S)
    assert desk.manager.calls == [("set_parameter", "sound/mute", 1.0)]
    assert strip.mute_button.text() == "Muted"
    desk.window.refresh()
    assert strip.mute_button.isChecked(), "the engine's old figures took the mute back"
    desk.manager.become(sound=sound(mute=True))
    qtbot.mouseClick(strip.mute_button, Qt.MouseButton.LeftButton)
    assert desk.manager.calls[1:] == [("set_parameter", "sound/mute", 0.0)]
    assert not strip.mute_button.isChecked()
    desk.time += 1.0
    desk.window.refresh()
    assert strip.mute_button.isChecked(), "who else muted it is shown"


def test_a_fader_reaches_the_stage_and_go_still_goes(qtbot: QtBot, desk: Desk) -> None:
    until(qtbot, desk, desk.window.sound.isEnabled)
    fader = desk.window.sound.faders["sound/pitch"]
    qtbot.mouseClick(fader, Qt.MouseButton.LeftButton)
    assert desk.window.cue_list.hasFocus(), "the arrow keys are the cues'"
    fader.setFocus()
    press(qtbot, Qt.Key.Key_Left)
    press(qtbot, Qt.Key.Key_Space)
    assert desk.manager.calls == [("set_parameter", "sound/pitch", -1.0), ("go",)]


def test_a_cue_brings_its_own_pitch_and_leaves_the_gains(qtbot: QtBot, desk: Desk) -> None:
    desk.manager.sets = {1: {"sound/pitch": -3.5, "sound/monitor": -12.0}}
    until(qtbot, desk, desk.window.sound.isEnabled)
    faders = desk.window.sound.faders
    faders["sound/pitch"].setValue(5)
    faders["sound/formant"].setValue(2)
    faders["sound/gain"].setValue(-6)
    press(qtbot, Qt.Key.Key_Space)
    words = [faders[f"sound/{name}"].words for name in ("pitch", "formant", "gain", "monitor")]
    assert words == ["-3.5", "0", "-6 dB", "-12 dB"]
    press(qtbot, Qt.Key.Key_Space)
    words = [faders[f"sound/{name}"].words for name in ("pitch", "formant", "gain", "monitor")]
    assert words == ["0", "0", "-6 dB", "-12 dB"]


def test_tab_reaches_every_fader_and_all_have_names(qtbot: QtBot, desk: Desk) -> None:
    until(qtbot, desk, desk.window.sound.isEnabled)
    desk.window.library.setFocus()
    reached = []
    for _ in range(9):
        press(qtbot, Qt.Key.Key_Tab)
        reached.append(QApplication.focusWidget())
    faders = list(desk.window.sound.faders.values())
    assert reached == [desk.window.voices, *faders, desk.window.sound.mute_button, desk.window.log]
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
