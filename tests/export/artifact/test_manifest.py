"""The manifest in the file: one that is missing, damaged or contradictory is refused in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from onnx import TensorProto, helper

from export.artifact.manifest import Manifest
from export.artifact.model_file import check_model
from tests.export.artifact.refusal import Forge, manifest_text, refusal
from tests.export.tiny_look import look_fields, look_model


def test_reading_imports_no_heavy_library() -> None:
    heavy = "torch onnx onnxruntime numpy cv2"
    code = f"import sys, export.artifact.manifest; sys.exit(any(m in sys.modules for m in {heavy.split()!r}))"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], check=False).returncode == 0


def test_a_voice_is_read_too(forged: Forge) -> None:
    port = {"shape": [1, 320], "dtype": "float32"}
    fields = look_fields() | {
        "kind": "voice",
        "form": "sound",
        "family": "stargan_vc",
        "inputs": {"sound": port},
        "outputs": {"converted_sound": port},
        "reads": ["sound"],
        "gives": ["converted_sound"],
    }
    fields |= {"sample_rate": 16000, "hop": 320, "lookahead": 160, "context": 3200}
    for key in ("size", "lines", "target"):
        del fields[key]
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 320]) for name in fields["reads"] + fields["gives"]
    ]
    graph = helper.make_graph(
        [helper.make_node("Neg", ["sound"], ["converted_sound"])], "voice", values[:1], values[1:]
    )
    path = forged(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), json.dumps(fields))
    assert check_model(path, "voice").hop == 320
    assert "is a voice, where a look is wanted" in refusal(path, "look")


def test_no_manifest(forged: Forge) -> None:
    assert "has no manifest" in refusal(forged(look_model(), None))


def test_two_manifests(forged: Forge) -> None:
    model = look_model()
    model.metadata_props.add(key="guise", value=manifest_text())
    assert "two manifests" in refusal(forged(model, manifest_text(name="other")))


@pytest.mark.parametrize(
    "text", ["", "porcelain", "[1]", "{", "null", "[" * 100_000, '{"version": 1' + "1" * 5000 + "}"]
)
def test_a_manifest_that_is_not_json(forged: Forge, text: str) -> None:
    assert "damaged manifest" in refusal(forged(look_model(), text))


def test_a_manifest_of_megabytes(forged: Forge) -> None:
    refusal(forged(look_model(), manifest_text(name="x" * 2_000_000)))


def test_a_newer_manifest_says_update(forged: Forge) -> None:
    line = refusal(forged(look_model(), json.dumps({"version": 3, "everything": "is different"})))
    assert line.endswith("was made by a newer Guise (manifest version 3, this one reads 2): update Guise")


@pytest.mark.parametrize("version", [None, 0, -1, "1", 1.5, True, [1]])
def test_a_version_that_is_none(forged: Forge, version: object) -> None:
    refusal(forged(look_model(), manifest_text(version=version)))


@pytest.mark.parametrize("subject", [None, "", "   "])
def test_no_subject(forged: Forge, subject: object) -> None:
    assert "subject" in refusal(forged(look_model(), manifest_text(subject=subject)))
    fields = look_fields()
    del fields["subject"]
    assert "whose likeness" in refusal(forged(look_model(), json.dumps(fields)))


LINES = look_fields()["inputs"]["lines"]
COVER = {"shape": [1, 16, 16, 1], "dtype": "uint8"}
LAID_IN: dict[str, Any] = {
    "gives": ["picture", "mask", "occluded"],
    "outputs": {"picture": LINES, "mask": COVER, "occluded": COVER},
}
SET = {"id": "0123456789abcdef", "ngf": 32, "size": 16, "precision": "fp32"}
SUBJECT = {
    "statement": "signed",
    "who": "Anna Lind",
    "date": "2026-05-03",
    "purpose": "one exhibition",
    "place": "Berlin",
    "until": "2027-12-31",
}


def _read(**changes: Any) -> Manifest:
    return Manifest.model_validate_json(manifest_text(**changes), strict=True)


def test_a_look_may_read_points_and_say_what_lies_over_the_face() -> None:
    points = {"shape": [1, 68, 2], "dtype": "float32"}
    manifest = _read(reads=["points"], inputs={"points": points}, lines=None, set=SET, subject=SUBJECT, **LAID_IN)
    assert manifest.outputs["occluded"].shape == (1, 16, 16, 1)
    assert manifest.set is not None
    assert manifest.set.id == SET["id"]
    assert manifest.subject.model_dump() == SUBJECT


def test_a_subject_of_its_statement_alone_may_be_a_text() -> None:
    assert _read(subject="fictional") == _read(subject={"statement": "fictional"})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"colour": "red"}, "colour is an unknown key"),
        ({"training": look_fields()["training"] | {"mood": "good"}}, "training.mood is an unknown key"),
        ({"kind": "smell"}, "kind"),
        ({"kind": "voice"}, "a voice needs"),
        ({"family": "Pix 2 Pix"}, "family"),
        ({"family": 7}, "family"),
        ({"precision": "fp8"}, "precision"),
        ({"name": "porce\x1b[2Jlain"}, "control characters"),
        ({"name": "porce\u202elain"}, "control characters"),
        ({"name": "two\nlines"}, "control characters"),
        ({"name": "\ud800"}, "manifest"),
        ({"name": ""}, "name"),
        ({"name": "x" * 300}, "name"),
        ({"subject": "self\x07"}, "control characters"),
        ({"licence": None}, "licence"),
        ({"size": 0}, "size"),
        ({"size": 16.5}, "size"),
        ({"size": "16"}, "size"),
        ({"size": 32}, "lines must be uint8"),
        ({"size": 100_000}, "size"),
        ({"reads": []}, "reads"),
        ({"reads": ["face"]}, "inputs"),
        ({"reads": ["lines", "lines"]}, "twice"),
        ({"reads": ["mind"]}, "reads"),
        ({"gives": ["mask"]}, "picture"),
        ({"gives": ["picture", "occluded"]}, "must give a mask"),
        ({"reads": ["points"], "target": None}, "needs target"),
        ({"reads": ["points"], "inputs": {"points": LINES}}, "points must be float32 (1, 68, 2)"),
        (LAID_IN | {"outputs": LAID_IN["outputs"] | {"occluded": LINES}}, "occluded must be uint8 (1, 16, 16, 1)"),
        ({"form": "features"}, "a look has no form"),
        ({"set": SET | {"id": "short"}}, "set.id"),
        ({"set": SET | {"size": 32}}, "its set says size 32, fp32, and it is 16, fp32"),
        ({"set": SET | {"precision": "fp16"}}, "its set says size 16, fp16"),
        ({"set": SET | {"colour": "red"}}, "set.colour is an unknown key"),
        ({"subject": {"who": "Anna"}}, "subject.statement field required"),
        ({"subject": SUBJECT | {"mood": "good"}}, "subject.mood is an unknown key"),
        ({"subject": SUBJECT | {"date": "3 May"}}, "subject.date must be a day of the calendar, as 2026-05-03"),
        ({"subject": SUBJECT | {"date": "2026-02-30"}}, "subject.date must be a day"),
        ({"subject": SUBJECT | {"until": "20270503"}}, "subject.until must be a day"),
        ({"subject": SUBJECT | {"until": 1}}, "subject.until"),
        ({"subject": SUBJECT | {"until": "2026-05-02"}}, "subject until 2026-05-02 is before date 2026-05-03"),
        ({"subject": ["self"]}, "subject"),
        ({"gives": ["picture", "mask"]}, "outputs"),
        ({"lines": None}, "lines"),
        ({"target": None}, "target"),
        ({"sample_rate": 16000}, "sample_rate"),
        ({"states": {"lines": "picture"}}, "states"),
        ({"reads": ["mcep"]}, "a look reads"),
        ({"inputs": {}}, "inputs"),
        ({"inputs": {"lines": {"shape": [1, 16, 16, 3], "dtype": "complex64"}}}, "dtype"),
        ({"inputs": {"lines": {"shape": [1, 16, 16, -3], "dtype": "uint8"}}}, "shape"),
        ({"inputs": {"lines": {"shape": [2**40, 2**40], "dtype": "uint8"}}}, "bytes"),
        ({"parameters": {"pitch": {"low": 1, "high": 0, "default": 0}}}, "default"),
        ({"parameters": {"pitch": {"low": 0, "high": 1, "default": 0}}}, "parameters must be among its inputs"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_manifest_that_does_not_hold(forged: Forge, changes: dict[str, Any], said: str) -> None:
    assert said in refusal(forged(look_model(), manifest_text(**changes)))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("neutral", [[0.0, 0.0]] * 67),
        ("neutral", [[0.0, float("nan")]] * 68),
        ("neutral", [[0.0, 0.0, 0.0]] * 68),
        ("residual_low", [[float("-inf"), 0.0]] * 68),
        ("roll", [1.0, -1.0]),
        ("openings", {"mouth": [0, 1, 2]}),
    ],
)
def test_a_target_that_does_not_hold(forged: Forge, key: str, value: object) -> None:
    target = look_fields()["target"] | {key: value}
    assert f"target.{key}" in refusal(forged(look_model(), manifest_text(target=target)))
