"""The stage window: what the audience sees, pixel by pixel, and what it never sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PyQt5.QtCore import QCoreApplication, QEvent, QRect, QSize, Qt
from PyQt5.QtGui import QGuiApplication, QImage, QKeyEvent
from PyQt5.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from live.stage_window.painting import fitted_rect
from live.stage_window.presentation import ROTATIONS, Fit, Presentation
from live.stage_window.window import StageWindow
from tests.live.operator.fake_stage_manager import picture

NOISE = np.random.default_rng(1).integers(0, 255, (240, 320, 3), np.uint8)


class Clock:
    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


class Screen:
    """A screen as the slots see it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def name(self) -> str:
        return self._name


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def presented() -> list[tuple[int, float]]:
    return []


@pytest.fixture
def stage(qtbot: QtBot, qapp: QApplication, clock: Clock, presented: list[tuple[int, float]]) -> Iterator[StageWindow]:
    made = StageWindow(clock)
    made.presented.connect(lambda shown, at: presented.append((shown.index, at)))
    made.resize(320, 240)
    made.show_as_window()
    qtbot.waitExposed(made)
    yield made
    made.close_for_good()
    made.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def pixels(stage: StageWindow) -> NDArray[np.uint8]:
    """What is on the window, RGB."""
    image = stage.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    bits = image.constBits()
    assert bits is not None
    bits.setsize(image.sizeInBytes())
    rows: NDArray[np.uint8] = np.frombuffer(bits, np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : image.width() * 3].reshape(image.height(), image.width(), 3).copy()


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("rotation", ROTATIONS)
def test_mirrored_and_rotated_to_the_pixel(stage: StageWindow, mirror: bool, rotation: int) -> None:
    stage.set_presentation(Presentation(mirror=mirror, rotation=rotation))
    wanted = np.rot90(NOISE[:, ::-1] if mirror else NOISE, -(rotation // 90))
    stage.resize(wanted.shape[1], wanted.shape[0])
    stage.show_picture(picture(0, pixels=NOISE))
    np.testing.assert_array_equal(pixels(stage), wanted)


def test_contain_leaves_black_cover_leaves_none_stretch_fills(stage: StageWindow) -> None:
    white = np.full((100, 100, 3), 255, np.uint8)
    stage.resize(400, 200)
    stage.show_picture(picture(0, pixels=white))
    shown = pixels(stage)
    assert shown[:, :100].max() == 0
    assert shown[:, 300:].max() == 0
    assert shown[:, 102:298].min() == 255
    for fit in (Fit.COVER, Fit.STRETCH):
        stage.set_presentation(Presentation(fit=fit))
        assert pixels(stage).min() == 255


def test_cover_keeps_the_proportions() -> None:
    assert fitted_rect(QSize(4, 3), QRect(0, 0, 160, 90), Fit.COVER) == QRect(0, -15, 160, 120)
    assert fitted_rect(QSize(4, 3), QRect(0, 0, 160, 90), Fit.CONTAIN) == QRect(20, 0, 120, 90)


def test_enlarged_smoothly(stage: StageWindow) -> None:
    steps = np.zeros((2, 2, 3), np.uint8)
    steps[:, 1] = 255
    stage.resize(200, 200)
    stage.show_picture(picture(0, pixels=steps))
    assert len(np.unique(pixels(stage)[100, :, 0])) > 20


def test_each_picture_drawn_is_told_once(stage: StageWindow, presented: list[tuple[int, float]], clock: Clock) -> None:
    for index in range(3):
        clock.time += 0.03
        stage.show_picture(picture(index, pixels=NOISE))
    assert presented == [(0, 100.03), (1, 100.06), (2, 100.09)]
    stage.hide()
    stage.show_picture(picture(3, pixels=NOISE))
    assert len(presented) == 3, "a hidden window presents nothing"


def test_stale_pictures_give_way_to_the_safe_picture(
    qtbot: QtBot, stage: StageWindow, clock: Clock, tmp_path: Path
) -> None:
    safe = np.full((240, 320, 3), (10, 20, 30), np.uint8)
    file = tmp_path / "säfe.png"
    file.write_bytes(cv2.imencode(".png", cv2.cvtColor(safe, cv2.COLOR_RGB2BGR))[1].tobytes())
    stage.set_safe_picture(file)
    stage.show_picture(picture(0, pixels=NOISE))
    clock.time += 0.45
    qtbot.wait(120)
    assert not stage.stale
    with qtbot.waitSignal(stage.staleness_changed, timeout=2000):
        clock.time += 0.1
    np.testing.assert_array_equal(pixels(stage), safe)
    stage.show_picture(picture(1, pixels=NOISE))
    np.testing.assert_array_equal(pixels(stage), NOISE)


@pytest.mark.parametrize("hide", [StageWindow.set_panic, StageWindow.set_unattended])
def test_a_panic_and_no_operator_hide_whatever_pictures_come(
    stage: StageWindow, presented: list[tuple[int, float]], hide: Callable[[StageWindow, bool], None]
) -> None:
    stage.show_picture(picture(0, pixels=NOISE))
    hide(stage, True)
    stage.show_picture(picture(1, pixels=NOISE))
    assert pixels(stage).max() == 0
    assert [index for index, _ in presented] == [0]
    hide(stage, False)
    np.testing.assert_array_equal(pixels(stage), NOISE)


def test_a_picture_that_was_forgotten_does_not_return(stage: StageWindow) -> None:
    stage.show_picture(picture(0, pixels=NOISE))
    stage.forget_picture()
    assert stage.stale
    assert pixels(stage).max() == 0


def test_keys_are_passed_on_and_a_held_one_once(qtbot: QtBot, stage: StageWindow) -> None:
    keys: list[tuple[int, int]] = []
    stage.key_pressed.connect(lambda key, modifiers: keys.append((key, modifiers)))
    qtbot.keyClick(stage, Qt.Key.Key_Space)
    qtbot.keyClick(stage, Qt.Key.Key_F11, Qt.KeyboardModifier.ShiftModifier)
    held = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_Space, Qt.KeyboardModifier.NoModifier, " ", True, 1)
    QApplication.sendEvent(stage, held)
    keys = [pressed for pressed in keys if pressed[0] != Qt.Key.Key_Shift]
    assert keys == [(Qt.Key.Key_Space, 0), (Qt.Key.Key_F11, int(Qt.KeyboardModifier.ShiftModifier))]


def test_before_the_first_picture_the_stage_is_safe(stage: StageWindow) -> None:
    assert pixels(stage).max() == 0


def test_a_safe_picture_that_cannot_be_read_is_black_and_told(qtbot: QtBot, stage: StageWindow, tmp_path: Path) -> None:
    (tmp_path / "safe.png").write_bytes(b"not a picture")
    with qtbot.waitSignal(stage.notice) as notice:
        stage.set_safe_picture(tmp_path / "safe.png")
    assert "safe.png" in notice.args[0]
    assert pixels(stage).max() == 0


def test_the_stage_hides_when_its_screen_goes_and_returns_with_it(
    qtbot: QtBot, stage: StageWindow, presented: list[tuple[int, float]]
) -> None:
    screen = QGuiApplication.primaryScreen()
    assert screen is not None
    stage.fill_screen(screen.name())
    assert stage.isFullScreen()
    stage._screen_removed(Screen("another"))  # type: ignore[arg-type]
    assert stage.isVisible()
    with qtbot.waitSignal(stage.notice):
        stage._screen_removed(screen)
    assert stage.unplugged
    assert not stage.isVisible()
    stage.show_picture(picture(0, pixels=NOISE))
    stage._screen_added(Screen("another"))  # type: ignore[arg-type]
    assert not stage.isVisible()
    assert presented == []
    stage._screen_added(screen)
    assert stage.isVisible()
    assert stage.isFullScreen()
    assert not stage.unplugged


def test_a_screen_that_is_not_there_is_waited_for(qtbot: QtBot, stage: StageWindow) -> None:
    with qtbot.waitSignal(stage.notice):
        stage.fill_screen("HDMI-7")
    assert stage.unplugged
    assert not stage.isVisible()
    assert stage.on_screen == "HDMI-7"


def test_nothing_done_to_the_window_takes_the_picture_away(qtbot: QtBot, stage: StageWindow) -> None:
    screen = QGuiApplication.primaryScreen()
    assert screen is not None
    stage.fill_screen(screen.name())
    assert stage.cursor().shape() == Qt.CursorShape.BlankCursor
    qtbot.mouseDClick(stage, Qt.MouseButton.LeftButton)
    for key in (Qt.Key.Key_F11, Qt.Key.Key_Escape, Qt.Key.Key_Q):
        qtbot.keyClick(stage, key)
    stage.close()
    assert stage.isVisible()
    assert stage.isFullScreen()
