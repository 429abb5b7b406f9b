"""Portraits of looks: made once, in a process of their own, and never at the window's expense."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import pytest
from pytestqt.qtbot import QtBot

from export.artifact import Manifest, write
from live.operator.library import Library, Portraits, looks_at_hand
from live.operator.thumbnails import THUMBNAIL_PX, portray
from tests.export.tiny_look import look_fields, look_model
from tests.machine import Machine


@pytest.fixture
def look(tmp_path: Path) -> Path:
    file = tmp_path / "looks" / "porcelain.onnx"
    file.parent.mkdir()
    write(file, look_model(), Manifest.model_validate(look_fields()))
    return file


def test_a_look_performs_its_own_neutral_face_once(look: Path, tmp_path: Path) -> None:
    told = portray(look, tmp_path / "cache")
    assert (told["kind"], told["name"], told["why"]) == ("look", "porcelain", "")
    assert told["thumbnail"] is not None
    made = cv2.imread(told["thumbnail"])
    assert made is not None
    assert made.shape == (THUMBNAIL_PX, THUMBNAIL_PX, 3)
    assert made.std() > 5, "the neutral's lines are in it"
    stamp = Path(told["thumbnail"]).stat().st_mtime_ns
    assert portray(look, tmp_path / "cache") == told
    assert Path(told["thumbnail"]).stat().st_mtime_ns == stamp


def test_a_bad_file_is_told_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    told = portray(tmp_path / "bad.onnx", tmp_path / "cache")
    assert told["thumbnail"] is None
    assert told["why"]


def test_the_process_tells_about_each_file_and_ends(qtbot: QtBot, look: Path, tmp_path: Path) -> None:
    bad = tmp_path / "looks" / "bad.onnx"
    bad.write_bytes(b"no model")
    portraits = Portraits(tmp_path / "cache")
    told = []
    portraits.told.connect(told.append)
    with Machine() as machine:
        began = time.perf_counter()
        portraits.ask([look, bad])
        took_s = time.perf_counter() - began
    assert took_s < 0.2 + machine.lost_s, "asking waited"
    try:
        qtbot.waitUntil(lambda: len(told) == 2, timeout=120_000)  # on a busy machine it comes last of all
    finally:
        portraits.stop()
    assert [portrait["file"] for portrait in told] == [str(look), str(bad)]


def test_stopping_ends_a_process_at_work(qtbot: QtBot, look: Path, tmp_path: Path) -> None:
    portraits = Portraits(tmp_path / "cache")
    portraits.ask([look])
    portraits.stop()


def test_the_library_lists_each_look_once_and_no_voices(qtbot: QtBot, look: Path, tmp_path: Path) -> None:
    assert looks_at_hand([tmp_path, tmp_path / "looks", tmp_path / "nowhere"], [look]) == [look.resolve()]
    library = Library(tmp_path / "cache")
    qtbot.addWidget(library)
    voice = tmp_path / "voice.onnx"
    library.show_looks([look, voice])
    library._learn({"file": str(voice), "kind": "voice", "name": "v", "thumbnail": None, "why": ""})
    assert library.looks.files == [look]
    library.stop()
