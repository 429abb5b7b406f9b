"""A safe picture that takes long to decode holds up no window."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from live.stage_window.safe_picture_reader import WindowSafePicture
from models.features.types import Picture


def test_the_one_before_stays_until_the_newest_is_decoded(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    may_end = {name: threading.Event() for name in "abc"}

    def decode(path: Path) -> Picture:
        assert may_end[path.name].wait(30)
        return np.full((2, 2, 3), ord(path.name), np.uint8)

    monkeypatch.setattr("live.stage_window.safe_picture_reader.read_safe_picture", decode)
    reader = WindowSafePicture()
    reader.read(Path("a"))
    assert reader.picture is None
    with qtbot.waitSignal(reader.ready):
        may_end["a"].set()
    reader.read(Path("b"))
    reader.read(Path("c"))
    assert reader.picture is not None
    assert reader.picture[0, 0, 0] == ord("a")
    with qtbot.waitSignal(reader.ready):
        may_end["c"].set()
    may_end["b"].set()
    qtbot.wait(50)
    assert reader.picture[0, 0, 0] == ord("c"), "an older one that was decoded later is shown"


def test_what_cannot_be_read_is_black(qtbot: QtBot, tmp_path: Path) -> None:
    reader = WindowSafePicture()
    with qtbot.waitSignal(reader.ready):
        reader.read(tmp_path / "missing.png")
    assert reader.picture is None
