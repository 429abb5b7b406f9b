"""A reading, the kind of model that speaks text: its rules, and that it is taken for nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from onnx import ModelProto, TensorProto, helper

import guise
from export.artifact.model_file import check_model
from export.runtime.frozen_voice import open_frozen_voice
from live.picture.look import open_look
from tests.export.artifact.refusal import Forge, refusal
from tests.export.tiny_look import look_fields

TEXT = {"shape": [1, 40], "dtype": "int64"}
SPOKEN = {"shape": [1, 40], "dtype": "float32"}


def _fields() -> dict[str, Any]:
    fields = look_fields() | {
        "kind": "reading",
        "family": "text2mel",
        "name": "linda",
        "reads": ["text"],
        "gives": ["spoken_sound"],
        "inputs": {"text": TEXT},
        "outputs": {"spoken_sound": SPOKEN},
        "sample_rate": 16000,
    }
    for key in ("size", "lines", "target"):
        del fields[key]
    return fields


def _model() -> ModelProto:
    graph = helper.make_graph(
        [helper.make_node("Cast", ["text"], ["spoken_sound"], to=TensorProto.FLOAT)],
        "reading",
        [helper.make_tensor_value_info("text", TensorProto.INT64, TEXT["shape"])],
        [helper.make_tensor_value_info("spoken_sound", TensorProto.FLOAT, SPOKEN["shape"])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def test_a_reading_holds_and_is_shown(forged: Forge, capfd: pytest.CaptureFixture[str]) -> None:
    path = forged(_model(), json.dumps(_fields()))
    assert check_model(path, "reading").sample_rate == 16000
    assert guise.main(["inspect", str(path)]) == 0
    said = capfd.readouterr().out
    assert "linda: a reading" in said
    assert "16000 Hz" in said
    assert guise.main(["inspect", str(path), "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["kind"] == "reading"


def test_it_is_neither_look_nor_voice(forged: Forge) -> None:
    path = forged(_model(), json.dumps(_fields()))
    for open_it, wanted in ((open_look, "look"), (open_frozen_voice, "voice")):
        with pytest.raises(Exception, match=f"is a reading, where a {wanted} is wanted: choose another file") as caught:
            open_it(Path(path))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sample_rate": None}, "a reading needs sample_rate"),
        ({"hop": 80}, "a reading has no size"),
        ({"form": "sound"}, "a reading has no size"),
        ({"reads": ["sound"]}, "a reading reads text and gives spoken_sound"),
        ({"inputs": {"text": SPOKEN}}, "text must be int64"),
        ({"inputs": {"text": {"shape": [2, 40], "dtype": "int64"}}}, "text must be int64 (1, 40)"),
        ({"outputs": {"spoken_sound": TEXT}}, "spoken_sound must be float32"),
        ({"inputs": {"text": TEXT, "more": SPOKEN}}, "inputs"),
        ({"states": {"text": "spoken_sound"}}, "inputs"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_reading_that_breaks_a_rule_is_refused(forged: Forge, changes: dict[str, Any], said: str) -> None:
    assert said in refusal(forged(_model(), json.dumps(_fields() | changes)))
