"""Folders are listed beside the Qt thread."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from live.operator.model_finder import FoundModels, ModelFinder
from tests.live.operator.ui import Ui


def test_real_paths_of_looks_and_voices(qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "looks").mkdir()
    (tmp_path / "voices").mkdir()
    for name in ("looks/stone.onnx", "voices/low.onnx", "named.onnx"):
        (tmp_path / name).touch()
    os.mkfifo(tmp_path / "looks" / "pipe.onnx")
    os.mkfifo(tmp_path / "voices" / "pipe.onnx")
    (tmp_path / "link.onnx").symlink_to(tmp_path / "named.onnx")
    link, gone = tmp_path / "link.onnx", tmp_path / "gone.onnx"
    finder = ModelFinder()
    with qtbot.waitSignal(finder.found) as answer:
        finder.find(tmp_path, [tmp_path / "nowhere"], [link, gone], [])
    (found,) = answer.args or [None]
    real = tmp_path.resolve()
    assert found == FoundModels(
        [real / "looks" / "stone.onnx", real / "named.onnx"],
        frozenset({real / "named.onnx", real / "gone.onnx"}),
        [real / "voices" / "low.onnx"],
        {link: real / "named.onnx", gone: real / "gone.onnx"},
        real,
    )


def test_a_folder_that_does_not_answer_holds_nothing_up(
    qtbot: QtBot, ui: Ui, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    standing, answers = tmp_path / "standing", threading.Event()

    def slowly(self: Path, *arguments: Any, **keywords: Any) -> Any:
        if standing in (self, *self.parents):
            assert threading.current_thread() is not threading.main_thread()
            answers.wait(20)
        return real_stat(self, *arguments, **keywords)

    real_stat = Path.stat
    monkeypatch.setattr(Path, "stat", slowly)
    (tmp_path / "looks").mkdir()
    (tmp_path / "looks" / "stone.onnx").touch()
    ui.manager.become(show_path=standing / "show.toml", cues=(_cue(ui, standing / "a.onnx"),))
    ui.window.refresh()
    ui.manager.become(show_path=tmp_path / "show.toml", cues=(_cue(ui, "bypass"),))
    ui.window.refresh()
    qtbot.waitUntil(lambda: [file.name for file in ui.window.library.looks.files] == ["stone.onnx"])
    answers.set()
    others = [thread for thread in threading.enumerate() if thread.name == "model-finder"]
    for thread in others:
        thread.join(20)
    qtbot.wait(20)
    assert [file.name for file in ui.window.library.looks.files] == ["stone.onnx"], "an old answer counts no more"


def _cue(ui: Ui, look: Path | str) -> Any:
    return replace(ui.manager.state.cues[0], look=look)
