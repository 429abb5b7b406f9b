"""Thumbnails of looks: made once, in a process of their own, without the window waiting."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import pytest
from pytestqt.qtbot import QtBot

from export.artifact.manifest import Manifest
from export.artifact.model_file import write_model
from live.operator.library import Library, ThumbnailMaker
from live.operator.model_finder import find_looks
from live.operator.thumbnails import THUMBNAIL_PX, Thumbnail, make_thumbnail
from tests.export import bad_models
from tests.export.tiny_look import look_fields, look_model
from tests.machine import Machine


@pytest.fixture
def look(tmp_path: Path) -> Path:
    file = tmp_path / "looks" / "porcelain.onnx"
    file.parent.mkdir()
    write_model(file, look_model(), Manifest.model_validate(look_fields()))
    return file


def test_a_look_performs_its_own_neutral_face_once(look: Path, tmp_path: Path) -> None:
    thumbnail = make_thumbnail(look, tmp_path / "cache")
    assert (thumbnail["kind"], thumbnail["name"], thumbnail["why"]) == ("look", "porcelain", "")
    assert thumbnail["thumbnail"] is not None
    image = cv2.imread(thumbnail["thumbnail"])
    assert image is not None
    assert image.shape == (THUMBNAIL_PX, THUMBNAIL_PX, 3)
    assert image.std() > 5, "the neutral's lines are in it"
    stamp = Path(thumbnail["thumbnail"]).stat().st_mtime_ns
    assert make_thumbnail(look, tmp_path / "cache") == thumbnail
    assert Path(thumbnail["thumbnail"]).stat().st_mtime_ns == stamp


def test_a_bad_file_is_thumbnail_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    thumbnail = make_thumbnail(tmp_path / "bad.onnx", tmp_path / "cache")
    assert thumbnail["thumbnail"] is None
    assert thumbnail["why"]


def test_the_process_tells_about_each_file_and_ends(qtbot: QtBot, look: Path, tmp_path: Path) -> None:
    bad = tmp_path / "looks" / "bad.onnx"
    bad.write_bytes(b"no model")
    thumbnails = ThumbnailMaker(tmp_path / "cache")
    made = []
    thumbnails.ready.connect(made.append)
    with Machine() as machine:
        began = time.perf_counter()
        thumbnails.request([look, bad])
        took_s = time.perf_counter() - began
    assert took_s < 0.2 + machine.lost_s, "asking waited"
    try:
        qtbot.waitUntil(lambda: len(made) == 2, timeout=120_000)  # on a busy machine it comes last of all
    finally:
        thumbnails.stop()
    assert [thumbnail["file"] for thumbnail in made] == [str(look), str(bad)]


def test_a_look_that_never_ends_has_no_thumbnail_and_the_next_goes_on(qtbot: QtBot, look: Path, tmp_path: Path) -> None:
    endless = look.with_name("endless.onnx")
    bad_models.endless_look(endless)
    thumbnails = ThumbnailMaker(tmp_path / "cache")
    thumbnails.seconds = 1
    made: list[Thumbnail] = []
    thumbnails.ready.connect(made.append)
    thumbnails.request([endless, look])
    try:
        qtbot.waitUntil(lambda: len(made) == 2, timeout=120_000)
    finally:
        thumbnails.stop()
    assert [bool(thumbnail["thumbnail"]) for thumbnail in made] == [False, True]
    assert made[0]["why"].startswith("has no thumbnail: it computes for more than 1 s")


def test_only_what_the_show_names_is_performed_until_it_is_selected(qtbot: QtBot, look: Path, tmp_path: Path) -> None:
    beside = look.with_name("beside.onnx")
    write_model(beside, look_model(), Manifest.model_validate(look_fields() | {"name": "another"}))
    library = Library(tmp_path / "cache")
    qtbot.addWidget(library)
    library._thumbnail_delay.setInterval(0)
    answers: list[Thumbnail] = []
    library._thumbnails.ready.connect(answers.append)
    library.show_looks([look, beside], [look])
    try:
        qtbot.waitUntil(lambda: len(answers) == 2, timeout=120_000)
        assert set(library.looks.pictures) == {look}
        assert library.looks.refusals == {}
        library.setCurrentIndex(library.looks.index(1))
        qtbot.waitUntil(lambda: len(answers) == 3, timeout=120_000)
        assert set(library.looks.pictures) == {look, beside}
    finally:
        library.stop()


def test_stopping_ends_a_process_at_work(qtbot: QtBot, look: Path, tmp_path: Path) -> None:
    thumbnails = ThumbnailMaker(tmp_path / "cache")
    thumbnails.request([look])
    thumbnails.stop()


def test_the_library_lists_each_look_once_and_no_voices(qtbot: QtBot, look: Path, tmp_path: Path) -> None:
    assert find_looks([tmp_path, tmp_path / "looks", tmp_path / "nowhere"], [look]) == [look.resolve()]
    library = Library(tmp_path / "cache")
    qtbot.addWidget(library)
    voice = tmp_path / "voice.onnx"
    library.show_looks([look, voice], [look])
    library._show_thumbnail({"file": str(voice), "kind": "voice", "name": "v", "thumbnail": None, "why": ""})
    assert library.looks.files == [look]
    library.stop()


def test_a_look_that_never_ends_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("live.operator.thumbnails.RUN_S", 0.3)
    bad_models.endless_look(tmp_path / "endless.onnx")
    thumbnail = make_thumbnail(tmp_path / "endless.onnx", tmp_path / "cache")
    assert thumbnail["thumbnail"] is None
    assert "takes longer than 0.3 s" in thumbnail["why"]
