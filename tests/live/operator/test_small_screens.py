"""The window on small screens: nothing is cut, and the cues that matter are seen."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from tests.live.operator.fake_stage_manager import cue, sound
from tests.live.operator.ui import Ui


@pytest.mark.parametrize("size", [(1280, 720), (1280, 640), (1366, 768), (1920, 1080)])
def test_the_cue_on_stage_and_those_to_come_are_whole(qtbot: QtBot, ui: Ui, size: tuple[int, int]) -> None:
    ui.window.resize(*size)
    cues = tuple(cue(at, f"cue {at}") for at in range(12))
    ui.manager.become(cues=cues, on_stage=4, standby=5, sound=sound())
    ui.window.refresh()
    qtbot.wait(20)
    assert ui.window.height() == size[1], "it does not fit below a title bar and above a panel"
    shown = ui.window.cue_list.viewport()
    assert shown is not None
    model = ui.window.cue_list.cues
    for row in (4, 5, 6):
        assert shown.rect().contains(ui.window.cue_list.visualRect(model.index(row))), f"cue {row} is cut"
    bottom = ui.window.meters.mapTo(ui.window, ui.window.meters.rect().bottomLeft()).y()
    assert bottom < ui.window.height(), "the lowest line is cut"
    ui.window.grab()


def test_a_long_name_of_the_show_is_cut_with_dots_and_whole_in_its_tip(qtbot: QtBot, ui: Ui) -> None:
    ui.window.resize(1920, 1080)
    name = "The long winter of the clockmaker's daughter, and everything that came after it, " * 3
    ui.manager.become(show_name=name)
    ui.window.refresh()
    qtbot.wait(20)
    assert ui.window.title.text().endswith("…")
    assert ui.window.title.toolTip() == name
