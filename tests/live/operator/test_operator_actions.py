"""Keys, buttons, menus and clicks of the operator's window, by real key events, with a scripted StageManager."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from PyQt5.QtCore import QEvent, QPoint, Qt, QTimer
from PyQt5.QtGui import QGuiApplication, QKeyEvent, QKeySequence
from PyQt5.QtWidgets import QApplication, QMenu, QMessageBox, QShortcut
from pytestqt.qtbot import QtBot

from live.control.actions import ACTIONS, Actions, Answer, Argument, find_action
from live.control.keys import BINDINGS, keys_of
from live.operator.key_help import LIST_KEYS, key_rows
from live.process.stage_picture import FrameKind
from live.stage_window.messages import KeyPressed
from live.stage_window.presentation import Fit, Presentation
from tests.live.operator.fake_stage_manager import picture, sound
from tests.live.operator.ui import Ui, log_lines, press


def test_space_is_go_and_backspace_is_back(qtbot: QtBot, ui: Ui) -> None:
    press(qtbot, Qt.Key.Key_Space)
    assert ui.manager.calls == [("go",)]
    assert ui.window.go_panel.next_name.toolTip().endswith("ink")
    press(qtbot, Qt.Key.Key_Backspace)
    assert ui.manager.calls == [("go",), ("back",)]


def test_go_works_whatever_has_the_focus(qtbot: QtBot, ui: Ui) -> None:
    for widget in (ui.window.library, ui.window.log, ui.window.cue_list):
        widget.activateWindow()
        widget.setFocus()
        qtbot.wait(20)
        press(qtbot, Qt.Key.Key_Space)
    ui.process.answers.append(KeyPressed(Qt.Key.Key_Space, 0))
    qtbot.waitUntil(lambda: len(ui.manager.calls) == 4)
    assert ui.manager.calls == [("go",)] * 4


def test_the_keys_work_in_the_stage_window_but_not_past_a_question(qtbot: QtBot, ui: Ui) -> None:
    shift, keypad = int(Qt.KeyboardModifier.ShiftModifier), int(Qt.KeyboardModifier.KeypadModifier)
    ui.process.answers += [KeyPressed(Qt.Key.Key_2, keypad), KeyPressed(Qt.Key.Key_Question, shift)]
    ui.process.answers += [KeyPressed(Qt.Key.Key_M, 0), KeyPressed(Qt.Key.Key_Z, 0), KeyPressed(Qt.Key.Key_S, shift)]
    qtbot.waitUntil(lambda: ui.stage.presentation.mirror)
    assert ui.window.help.isVisible()
    assert ui.manager.calls == [("go_to", 1)]
    question = QMessageBox(ui.window)
    question.open()
    ui.window._keyboard.press(Qt.Key.Key_Space, 0)
    question.close()
    assert ui.manager.calls == [("go_to", 1)]


def test_a_click_on_go_leaves_space_to_go(qtbot: QtBot, ui: Ui) -> None:
    qtbot.mouseClick(ui.window.go_panel.go_button, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(ui.window.go_panel.back_button, Qt.MouseButton.LeftButton)
    press(qtbot, Qt.Key.Key_Space)
    assert ui.manager.calls == [("go",), ("back",), ("go",)]


def test_digits_fire_their_cue_and_no_other(qtbot: QtBot, ui: Ui) -> None:
    press(qtbot, Qt.Key.Key_3)
    press(qtbot, Qt.Key.Key_9)
    assert ui.manager.calls == [("go_to", 2)]


def test_the_selection_is_not_the_standby(qtbot: QtBot, ui: Ui) -> None:
    assert ui.window.cue_list.selected == 1
    press(qtbot, Qt.Key.Key_Down)
    assert ui.window.cue_list.selected == 2
    assert ui.manager.calls == []
    assert [row.standby for row in ui.window.cue_list.cues.rows] == [False, True, False]
    press(qtbot, Qt.Key.Key_Return)
    assert ui.manager.calls == [("standby", 2)]
    assert [row.standby for row in ui.window.cue_list.cues.rows] == [False, False, True]
    press(qtbot, Qt.Key.Key_Up)
    assert ui.window.cue_list.selected == 1
    assert ui.manager.state.standby == 2


def test_letters_do_not_search_the_list(qtbot: QtBot, ui: Ui) -> None:
    press(qtbot, Qt.Key.Key_I)
    assert ui.window.cue_list.selected == 1


def test_esc_and_the_button_panic_and_return(qtbot: QtBot, ui: Ui) -> None:
    press(qtbot, Qt.Key.Key_Escape)
    assert ui.manager.calls == [("toggle_panic",)]
    assert ui.window.banner.isVisible()
    assert ui.window.go_panel.panic_button.isChecked()
    assert "SAFE PICTURE" in ui.window.output.status
    qtbot.mouseClick(ui.window.go_panel.panic_button, Qt.MouseButton.LeftButton)
    assert ui.manager.calls == [("toggle_panic",)] * 2
    assert not ui.window.banner.isVisible()
    assert not ui.window.go_panel.panic_button.isChecked()


def test_the_button_shows_the_panic_also_when_returning_was_refused(qtbot: QtBot, ui: Ui) -> None:
    press(qtbot, Qt.Key.Key_Escape)
    ui.manager.toggle_panic = lambda: False  # type: ignore[method-assign]
    qtbot.mouseClick(ui.window.go_panel.panic_button, Qt.MouseButton.LeftButton)
    assert ui.window.banner.isVisible()
    assert ui.window.go_panel.panic_button.isChecked()


def test_panic_shows_the_safe_picture_without_the_engine(qtbot: QtBot, ui: Ui) -> None:
    press(qtbot, Qt.Key.Key_Escape)
    assert ui.process.safe
    press(qtbot, Qt.Key.Key_Escape)
    assert not ui.process.safe


def test_a_held_key_fires_once(qtbot: QtBot, ui: Ui) -> None:
    press(qtbot, Qt.Key.Key_Space)
    for _ in range(5):
        held = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_Space, Qt.KeyboardModifier.NoModifier, " ", True, 1)
        QApplication.sendEvent(ui.window.cue_list, held)
    assert ui.manager.calls == [("go",)]


@pytest.mark.parametrize(
    ("key", "calls"),
    [
        (Qt.Key.Key_Space, [("go",)]),
        (Qt.Key.Key_Backspace, []),
        (Qt.Key.Key_Escape, [("toggle_panic",)]),
        (Qt.Key.Key_3, [("go_to", 2)]),
        (Qt.Key.Key_F5, [("begin_reload", None)]),
    ],
)
def test_a_key_whose_repeats_nobody_marks_fires_once(
    qtbot: QtBot, ui: Ui, monkeypatch: pytest.MonkeyPatch, key: Qt.Key, calls: list[object]
) -> None:
    """As X11 sends it where Qt is busy: releases and presses back to back, none of them marked."""
    clock = [0.0]
    monkeypatch.setattr("live.operator.shortcuts.now", lambda: clock[0])

    def hold() -> None:
        for _ in range(30):
            press(qtbot, key)
            clock[0] += 0.033
        clock[0] += 0.5

    monkeypatch.setattr("live.operator.shortcuts.now", lambda: clock[0])
    ui.manager.become(on_stage=0, standby=1)
    hold()
    assert ui.manager.calls == (calls or [("back",)])
    hold()
    assert len(ui.manager.calls) == 2, "pressed again it fires again"


def test_a_held_key_of_a_menu_acts_once_and_arrows_repeat(
    qtbot: QtBot, ui: Ui, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("live.operator.shortcuts.now", lambda: 1.0)
    for _ in range(6):
        press(qtbot, Qt.Key.Key_M)
    assert ui.stage.presentation.mirror
    ui.window.cue_list.select(0)
    for _ in range(2):
        press(qtbot, Qt.Key.Key_Down)
    assert ui.window.cue_list.selected == 2


def test_f5_reads_the_show_again_and_so_does_the_menu(qtbot: QtBot, ui: Ui) -> None:
    press(qtbot, Qt.Key.Key_F5)
    assert ui.manager.calls == [("begin_reload", None)]
    texts = {action.text(): action for action in ui.window.menus.actions()[0].menu().actions()}
    texts["Read again\tF5"].trigger()
    assert ui.manager.calls == [("begin_reload", None)] * 2


def test_menu_entries_take_their_keys_and_leave_the_others_to_the_keyboard(ui: Ui) -> None:
    entries = ui.window.menus.entries
    for name, entry in entries.items():
        assert entry.shortcuts() == [QKeySequence(key) for key in keys_of(name)]
        assert not entry.autoRepeat()
    taken = [shortcut.key().toString() for shortcut in ui.window.findChildren(QShortcut)]
    taken += [key.toString() for entry in entries.values() for key in entry.shortcuts()]
    assert sorted(taken) == sorted(binding.key for binding in BINDINGS), "a key is taken twice, or by nobody"


def test_every_action_is_reachable(ui: Ui, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[str] = set()
    perform = Actions.perform

    def record(self: Actions, name: str, *arguments: Argument) -> Answer:
        asked.add(name)
        if name == "go" or name.startswith("stage_"):
            return Answer(True)
        return perform(self, name, *arguments)

    monkeypatch.setattr(Actions, "perform", record)
    monkeypatch.setattr(ui.window.sound, "show_mute_pressed", lambda: True)
    for menu in ui.window.menus.findChildren(QMenu):
        menu.aboutToShow.emit()
        for entry in menu.actions():
            if entry.text() not in (find_action("open_show").text, find_action("stop_show").text):
                entry.trigger()
    for binding in BINDINGS:
        if binding.action not in ("open_show", "stop_show"):
            ui.window._keys._press(binding.key)
    ui.window.standby(0)
    ui.window.input.face_chosen.emit(0.5, 0.5)
    ui.window.sound.moved.emit("sound/gain", 0.0)
    assert asked | {"open_show", "stop_show"} == {action.name for action in ACTIONS}


def test_buttons_ask_for_actions(qtbot: QtBot, ui: Ui, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(Actions, "perform", lambda self, name, *arguments: asked.append(name))
    ui.manager.become(sound=sound())
    qtbot.waitUntil(ui.window.sound.isEnabled)
    panel = ui.window.go_panel
    for button in (panel.go_button, panel.back_button, panel.panic_button, ui.window.sound.mute_button):
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert asked == ["go", "back", "panic", "mute"]


def test_choices_in_a_menu_set_what_they_name(ui: Ui) -> None:
    entries = {entry.text(): entry for menu in ui.window.menus.findChildren(QMenu) for entry in menu.actions()}
    entries["270°"].trigger()
    entries["Stretch"].trigger()
    assert ui.stage.presentation == Presentation(rotation=270, fit=Fit.STRETCH)
    assert entries["270°"].isChecked()
    assert "not 45" in ui.window.perform("stage_rotation", 45).why
    assert "sideways" in ui.window.perform("stage_fit", "sideways").why


def test_a_window_lacking_a_handler_is_found_when_it_is_made(ui: Ui, monkeypatch: pytest.MonkeyPatch) -> None:
    handlers = ui.window._handlers()
    del handlers["help"]
    monkeypatch.setattr(ui.window, "_handlers", lambda: handlers)
    with pytest.raises(ValueError, match="help"):
        ui.window._start_keys()


def test_another_thread_has_the_windows_actions_done_in_the_windows(qtbot: QtBot, ui: Ui) -> None:
    answers: list[Answer] = []
    window = ui.window

    def ask() -> None:
        answers.append(window._actions.perform("stage_rotation", 90))
        answers.append(window._actions.perform("stage_rotation", 45))

    asking = threading.Thread(target=ask)
    asking.start()
    asking.join()
    assert answers == [Answer(True), Answer(True)], "handed over, and nobody waited"
    assert ui.stage.presentation == Presentation()
    qtbot.waitUntil(lambda: ui.stage.presentation == Presentation(rotation=90))
    qtbot.waitUntil(lambda: any("not 45" in line for line in log_lines(window.log)))
    window.close_without_asking()
    assert window._actions.perform("help") == Answer(False, "help needs the operator's window")


def test_the_page_of_keys_names_every_key_and_the_cues_once() -> None:
    rows = dict(key_rows())
    assert rows["Space"].startswith("GO")
    assert rows["1 … 9"] == "This cue goes on stage now"
    assert rows["F1, ?"] == "This page"
    assert len(list(key_rows())) == len(rows) == len({binding.action for binding in BINDINGS}) + len(LIST_KEYS)


def test_a_click_on_a_face_locks_the_performer(qtbot: QtBot, ui: Ui) -> None:
    ui.manager.preview_frames.last = picture(0, FrameKind.PREVIEW, np.zeros((120, 160, 3), np.uint8))
    qtbot.waitUntil(lambda: not ui.window.input.gone)
    image_rect = ui.window.input._image_rect()
    at = QPoint(image_rect.x() + image_rect.width() // 4, image_rect.y() + image_rect.height() // 2)
    qtbot.mouseClick(ui.window.input, Qt.MouseButton.LeftButton, pos=at)
    qtbot.mouseClick(ui.window.input, Qt.MouseButton.LeftButton, pos=QPoint(1, 1))
    assert ui.manager.calls == [("lock_performer", 0.25, 0.5)]
    press(qtbot, Qt.Key.Key_L)
    press(qtbot, Qt.Key.Key_Left, Qt.KeyboardModifier.ControlModifier)
    assert ui.manager.calls[1:] == [("lock_performer", 0.5, 0.5), ("lock_performer", 0.0, 0.5)]


def test_keys_of_the_show_work_on_the_voices(qtbot: QtBot, ui: Ui) -> None:
    ui.window.voices.setFocus()
    press(qtbot, Qt.Key.Key_Down)
    assert ui.window.voices.chosen == "bypass"
    press(qtbot, Qt.Key.Key_Space)
    press(qtbot, Qt.Key.Key_Escape)
    assert ui.manager.calls == [("go",), ("toggle_panic",)]


def test_help_covers_the_window_and_go_still_goes(qtbot: QtBot, ui: Ui) -> None:
    press(qtbot, Qt.Key.Key_F1)
    assert ui.window.help.isVisible()
    ui.window.grab()
    press(qtbot, Qt.Key.Key_Space)
    assert not ui.window.help.isVisible()
    assert ui.manager.calls == [("go",)]


def test_a_question_mark_is_help_too(qtbot: QtBot, ui: Ui) -> None:
    press(qtbot, Qt.Key.Key_Question)
    assert ui.window.help.isVisible()
    press(qtbot, Qt.Key.Key_F1)
    assert not ui.window.help.isVisible()


def test_closing_asks_only_while_the_stage_fills_a_screen(qtbot: QtBot, ui: Ui) -> None:
    screen = QGuiApplication.primaryScreen()
    assert screen is not None
    ui.stage.fill_screen(screen.name())
    qtbot.waitUntil(lambda: ui.stage.full_screen)
    asked = []

    def answer() -> None:
        box = QApplication.activeModalWidget()
        if isinstance(box, QMessageBox):
            asked.append(box.text())
            qtbot.keyClick(box, Qt.Key.Key_Escape)

    QTimer.singleShot(50, answer)
    ui.window.close()
    assert len(asked) == 1
    assert ui.window.isVisible(), "Esc in the question closed the window"
    assert ("toggle_panic",) not in ui.manager.calls
    ui.stage.show_as_window()
    qtbot.waitUntil(lambda: not ui.stage.full_screen)
    ui.window.close()
    assert not ui.window.isVisible()
