"""A look chosen in the library: the cue it gets, and that cue's voice."""

from __future__ import annotations

import tomllib
from pathlib import Path

from PyQt5.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot

from live.operator.presenter import cue_for_look, cue_toml
from live.show.show_file import VOICE_PRESETS, Cue
from tests.live.operator.fake_stage_manager import cue
from tests.live.operator.ui import Ui, log_lines


def test_a_look_without_a_cue_is_added_and_stands_by(ui: Ui, tmp_path: Path) -> None:
    stone = (tmp_path / "stone.onnx").resolve()
    ui.manager.become(standby=None)
    ui.window.choose_look(stone)
    wanted = Cue("stone", stone, voice="bypass", transition_s=0.5)
    assert ui.manager.calls == [("add_cue", wanted), ("standby", 3)]
    assert ui.window.cue_list.selected == 3
    assert ui.window.cue_list.cues.rows[3].standby
    clipboard = QGuiApplication.clipboard()
    assert clipboard is not None
    (entry,) = tomllib.loads(clipboard.text())["cue"]
    assert (entry["name"], entry["look"]) == ("stone", stone.as_posix())
    assert "on the clipboard" in log_lines(ui.window.log)[0]
    ui.window.choose_look(stone)
    assert ui.manager.calls[2:] == [("standby", 3)], "the second time it has its cue"


def test_a_cue_for_a_look_keeps_the_voice_and_going_on_by_itself(ui: Ui, tmp_path: Path) -> None:
    voice = tmp_path / "voices" / 'the "low" one.onnx'
    ui.manager.become(cues=(cue(0, "a", voice=voice, follow_s=8.0),), on_stage=0)
    made = cue_for_look(tmp_path / "looks" / "stone.onnx", ui.manager.state)
    assert (made.voice, made.follow_s) == (voice, 8.0)
    (entry,) = tomllib.loads(cue_toml(made, tmp_path))["cue"]
    assert entry == {
        "name": "stone",
        "look": "looks/stone.onnx",
        "voice": 'voices/the "low" one.onnx',
        "transition_s": 0.5,
        "follow_s": 8,
    }
    ui.manager.become(on_stage=None)
    assert cue_for_look(tmp_path / "stone.onnx", ui.manager.state).voice == "bypass"


def test_a_chosen_voice_makes_the_look_another_cue(qtbot: QtBot, ui: Ui, tmp_path: Path) -> None:
    stone, low = (tmp_path / "stone.onnx").resolve(), (tmp_path / "voices" / "low.onnx").resolve()
    low.parent.mkdir()
    low.touch()
    ui.manager.become(show_path=tmp_path / "show.toml")
    ui.window.refresh()
    voices = ui.window.voices
    qtbot.waitUntil(lambda: voices.findText("low") >= 0)
    listed = [voices.itemText(row) for row in range(voices.count()) if voices.itemText(row)]
    assert listed[:3] == ["as on stage", "own voice", "silence"]
    assert listed[3:-1] == list(VOICE_PRESETS[2:]), "presets in the show's order, the quick ones together"
    assert listed[-1] == "low"
    ui.window.choose_look(stone)
    for voice, row in (("whisper", 4), (low, 5)):
        voices.setCurrentIndex(voices.findText("low" if voice is low else str(voice)))
        ui.manager.calls.clear()
        ui.window.choose_look(stone)
        name = "stone, low" if voice is low else f"stone, {voice}"
        assert ui.manager.calls == [("add_cue", Cue(name, stone, voice, 0.5)), ("standby", row)]
        ui.manager.calls.clear()
        ui.window.choose_look(stone)
        assert ui.manager.calls == [("standby", row)], "the second time it has its cue"
    assert ui.window.cue_list.cues.rows[4].summary.startswith("stone · whisper")
    ui.manager.become(show_name="Read again")
    ui.window.refresh()
    assert voices.chosen == low, "what was chosen is lost when the list is made anew"
