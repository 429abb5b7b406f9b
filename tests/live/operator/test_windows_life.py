"""The windows from opening to closing: what closes them, which errors they survive, what they leave behind."""

from __future__ import annotations

import logging
import os
import signal
import threading
from pathlib import Path

import pytest
from PyQt5.QtCore import QTimer
from PyQt5.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from live.operator.application import WindowOptions, run_windows
from live.operator.window import OperatorWindow
from live.stage_window.messages import BecomeWindow, Drawn, FillScreen, Placed, TakenOver
from tests.live.operator.fake_stage_manager import FakeStageManager, picture
from tests.live.operator.fake_stage_process import FakeStageProcess
from tests.live.operator.ui import Ui, log_lines


def options(folder: Path, seconds: float | None = None, fullscreen: str | None = None) -> WindowOptions:
    return WindowOptions(
        settings_file=folder / "settings.ini",
        thumbnail_cache=folder / "thumbnails",
        seconds=seconds,
        fullscreen=fullscreen,
    )


def open_windows(kind: type) -> list[object]:
    return [window for window in QApplication.topLevelWidgets() if isinstance(window, kind)]


def test_they_perform_and_end_by_themselves(qapp: QApplication, tmp_path: Path) -> None:
    manager, process = FakeStageManager(), FakeStageProcess()
    process.answers.append(Drawn((0.02,)))
    manager.audience.perform(picture, 60)
    try:
        assert run_windows(manager, process, options(tmp_path, 0.6)) == 0
    finally:
        manager.audience.stop()
    assert process.ticks > 0
    assert process.stopped
    assert manager.audience.drawn_s == [0.02]
    assert manager.audience.subscribers == []
    assert manager.listeners == []
    assert open_windows(OperatorWindow) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_them_without_a_question(qapp: QApplication, tmp_path: Path, number: signal.Signals) -> None:
    before = signal.getsignal(number)
    screen = qapp.primaryScreen()
    assert screen is not None
    killer = threading.Timer(0.2, os.kill, (os.getpid(), number))
    QTimer.singleShot(0, killer.start)  # not before the loop runs: the signal would end the tests
    try:
        assert run_windows(FakeStageManager(), FakeStageProcess(), options(tmp_path, 20.0, "1")) == 0
    finally:
        killer.cancel()
        killer.join()
    assert signal.getsignal(number) is before


def test_an_error_in_a_slot_does_not_end_the_show(
    qapp: QApplication, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manager = FakeStageManager()

    def fail() -> None:
        raise RuntimeError("a bad slot")

    QTimer.singleShot(50, fail)
    with caplog.at_level(logging.ERROR):
        assert run_windows(manager, FakeStageProcess(), options(tmp_path, 0.4)) == 0
    assert "a bad slot" in caplog.text


def test_the_place_of_the_window_is_remembered(qapp: QApplication, tmp_path: Path) -> None:
    def move() -> None:
        for window in open_windows(OperatorWindow):
            assert isinstance(window, OperatorWindow)
            window.resize(1201, 703)

    QTimer.singleShot(100, move)
    run_windows(FakeStageManager(), FakeStageProcess(), options(tmp_path, 0.3))
    sizes = []
    QTimer.singleShot(100, lambda: sizes.extend(window.size() for window in open_windows(OperatorWindow)))
    run_windows(FakeStageManager(), FakeStageProcess(), options(tmp_path, 0.3))
    assert [(size.width(), size.height()) for size in sizes] == [(1201, 703)]


def test_a_bad_screen_is_told_and_the_stage_is_a_window(qapp: QApplication, tmp_path: Path) -> None:
    shown: list[str] = []

    def look() -> None:
        for window in open_windows(OperatorWindow):
            assert isinstance(window, OperatorWindow)
            shown.extend(log_lines(window.log))

    QTimer.singleShot(100, look)
    process = FakeStageProcess()
    run_windows(FakeStageManager(), process, options(tmp_path, 0.3, "HDMI-9"))
    assert any("no screen HDMI-9" in line for line in shown)
    assert any(isinstance(command, BecomeWindow) for command in process.commands)


def test_two_runs_one_after_the_other(qtbot: QtBot, tmp_path: Path) -> None:
    for _ in range(2):
        assert run_windows(FakeStageManager(), FakeStageProcess(), options(tmp_path, 0.1)) == 0


def test_a_stage_window_that_was_taken_over_stays_where_it_is(qtbot: QtBot, tmp_path: Path) -> None:
    process = FakeStageProcess(taken_over=True, on_screen="HDMI-1")
    process.answers.append(Placed("HDMI-1", False, True, True, 1920, 1080))
    assert run_windows(FakeStageManager(), process, options(tmp_path, 0.1)) == 0
    assert not [command for command in process.commands if isinstance(command, BecomeWindow | FillScreen)]


def test_a_stage_window_that_dies_is_a_fault_and_one_that_was_taken_is_said(qtbot: QtBot, tmp_path: Path) -> None:
    manager, process = FakeStageManager(), FakeStageProcess()
    shown: list[str] = []

    def lose() -> None:
        process.lost = True
        process.answers.append(TakenOver())

    def look_and_close() -> None:
        (window,) = open_windows(OperatorWindow)
        assert isinstance(window, OperatorWindow)
        shown.extend(log_lines(window.log))
        shown.append(window.stage_controls.describe())
        window.close_without_asking()

    steps = [
        lambda: setattr(process, "trouble", "died"),
        lambda: setattr(process, "trouble", None),
        lose,
        look_and_close,
    ]

    def go_on() -> None:
        """The next step as soon as the one before has had its effect."""
        done = 4 - len(steps)
        if steps and len(manager.calls) >= done:
            steps.pop(0)()

    timer = QTimer()
    timer.timeout.connect(go_on)
    timer.start(20)
    assert run_windows(manager, process, options(tmp_path, 30.0)) == 0
    timer.stop()
    assert manager.calls == [
        ("add_fault", "stage window", "died; it is started anew"),
        ("end_fault", "stage window"),
        ("add_fault", "stage window", "was taken over by another Guise"),
    ]
    assert any("taken over by another Guise" in line for line in shown)
    assert shown[-1] == "Stage window taken over"


def test_a_thread_of_this_process_that_hangs_is_on_screen(ui: Ui) -> None:
    ui.manager.become(hanging=("audience",))
    ui.window.refresh()
    assert "Audience hangs" in ui.window.menu_bar._health.text()
    ui.manager.become(hanging=())
    ui.window.refresh()
    assert "hangs" not in ui.window.menu_bar._health.text()
