"""dataset.json: what is wrong or missing is refused in a line, what earlier versions wrote is read."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from models.datasets.voice_teacher import VoiceTeacher
from models.prepare import data_facts
from models.prepare.data_error import DataError
from models.prepare.face_facts import FaceFacts, read_face_facts
from models.prepare.phoneme_facts import read_phoneme_facts
from models.prepare.voice_data import VoiceData
from models.prepare.voice_facts import read_voice_facts

TARGET = {"neutral": [[1.0, 2.0]], "residual_low": [[0.0, 0.0]], "residual_high": [[0.1, 0.1]], "openings": {}} | {
    name: [0.0, 1.0] for name in ("roll", "scale", "shift_x", "shift_y")
}
FACE = {"kind": "face", "name": "anna", "size": 64, "target": TARGET, "digest": "0"}
VOICE = {"kind": "voice", "name": "anna", "sample_rate": 16000, "sentences": {"train": 3}, "digest": "0"}


def _written(folder: Path, facts: object) -> Path:
    (folder / "dataset.json").write_text(json.dumps(facts))
    return folder


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({**FACE, "size": "large"}, "dataset.json is damaged (size: Input should be a valid integer"),
        ({**FACE, "size": 0}, "dataset.json is damaged (size: Input should be greater than or equal to 16"),
        ({**FACE, "margin": -3}, "dataset.json is damaged (margin: Input should be greater than or equal to 0"),
        ({**FACE, "target": {}}, "dataset.json is damaged (target: Value error, lacks neutral, residual_low"),
        ({key: value for key, value in FACE.items() if key != "target"}, "damaged (target: Field required)"),
        ({**FACE, "version": 2}, "damaged (version: Input should be 1)"),
        ({**FACE, "kind": "voice"}, "is not a prepared face"),
        ([FACE], "is not a prepared face"),
    ],
    ids=[
        "wrong",
        "size of nothing",
        "negative margin",
        "target without facts",
        "missing",
        "a later version's",
        "another kind",
        "no facts",
    ],
)
def test_wrong_facts_are_refused_in_one_line(tmp_path: Path, facts: object, says: str) -> None:
    with pytest.raises(DataError) as refused:
        read_face_facts(_written(tmp_path, facts))
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_voice_without_a_name_is_refused_in_one_line(tmp_path: Path) -> None:
    nameless = {key: value for key, value in VOICE.items() if key != "name"}
    with pytest.raises(DataError, match=r"^[^\n]*damaged \(name: Field required\): prepare the data again$"):
        read_voice_facts(_written(tmp_path, nameless))


def test_a_folder_of_another_kind_holds_no_phonemes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no phonemes: make them with"):
        read_phoneme_facts(_written(tmp_path, VOICE))


def test_facts_of_earlier_versions_are_read(tmp_path: Path) -> None:
    """Without a margin and without a room."""
    assert read_face_facts(_written(tmp_path, FACE)).margin == 0
    facts = VoiceData([_written(tmp_path, VOICE)]).facts
    assert facts.speakers[0].room == ()


def test_facts_are_kept_as_they_were_read(tmp_path: Path) -> None:
    """Neither what was left out is added, nor what nobody knows is lost."""
    stored = {**FACE, "sources": ["anna.mp4"], "squares": [[0.0, 1.5, 64.0]]}
    assert read_face_facts(_written(tmp_path, stored)).as_dict() == stored
    assert FaceFacts.model_validate({**stored, "version": 1}).as_dict() == stored


def test_a_run_tells_of_one_voice_all_that_its_folder_does(tmp_path: Path) -> None:
    stored = {**VOICE, "denoised": True, "level_dbfs": -20.5}
    speaker = {key: VOICE[key] for key in ("name", "digest", "sentences")}
    assert VoiceData([_written(tmp_path, stored)]).facts.as_dict() == {**stored, "speakers": [speaker]}


def test_facts_nested_without_end_are_refused(tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text("[" * 100_000)
    with pytest.raises(DataError, match="is damaged"):
        read_face_facts(tmp_path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "dataset.json")
    with pytest.raises(DataError, match=r"dataset\.json is not a file"):
        read_face_facts(tmp_path)
    with pytest.raises(DataError, match="the teacher, is not a file"):
        VoiceTeacher(tmp_path / "dataset.json")


def test_facts_without_bounds_are_not_read(tmp_path: Path) -> None:
    with (tmp_path / "dataset.json").open("wb") as file:
        file.truncate(data_facts.MAX_BYTES + 1)
    with pytest.raises(DataError, match="is damaged \\(more than 64 MB\\)"):
        read_face_facts(tmp_path)
    with pytest.raises(DataError, match="no voice that can teach"):
        VoiceTeacher(tmp_path / "dataset.json")
