"""Another manifest in a file that is there: nothing else of it changes."""

from __future__ import annotations

import copy
from pathlib import Path

import onnx
import pytest

from export.artifact.bad_model import BadModel
from export.artifact.fields import Subject
from export.artifact.model_file import check_model, replace_manifest
from tests.export.artifact.refusal import Forge, manifest_text
from tests.export.tiny_look import look_model


def test_only_the_manifest_changes(look: Path) -> None:
    before = onnx.load(look)
    manifest = check_model(look).model_copy(update={"subject": Subject(statement="self", date="2026-05-03")})
    replace_manifest(look, manifest)
    assert check_model(look) == manifest
    after = onnx.load(look)
    assert [entry.key for entry in after.metadata_props] == ["guise"]
    for model in (before, after):
        del model.metadata_props[:]
    assert after == before
    assert list(look.parent.iterdir()) == [look]


def test_every_other_byte_stays_wherever_the_manifest_was(forged: Forge) -> None:
    model = look_model()
    model.metadata_props.add(key="author", value="somebody else")
    kept = copy.deepcopy(model).SerializeToString()
    path = forged(model, manifest_text())
    # Not the last field: other tools write in another order, or add to the file.
    path.write_bytes(path.read_bytes() + b"\x2a\x05later")
    replace_manifest(path, check_model(path))
    assert path.read_bytes().startswith(kept + b"\x2a\x05later\x72")
    assert path.read_bytes().count(b"\x0a\x05guise\x12") == 1


def test_a_manifest_of_another_graph_is_refused_and_the_file_stays(look: Path) -> None:
    before, manifest = look.read_bytes(), check_model(look)
    wrong = manifest.model_copy(update={"outputs": {"painting": manifest.outputs["picture"]}})
    with pytest.raises(BadModel, match="its outputs must be what it gives"):
        replace_manifest(look, wrong)
    assert look.read_bytes() == before
    assert list(look.parent.iterdir()) == [look]


def test_a_file_that_is_no_model_is_left_alone(tmp_path: Path, look: Path) -> None:
    path = tmp_path / "text.onnx"
    path.write_text("hello")
    with pytest.raises(BadModel, match="not an ONNX file"):
        replace_manifest(path, check_model(look))
    assert path.read_text() == "hello"
