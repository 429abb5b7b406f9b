"""The rules for the manifest of a voice; each violation is refused in one line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from export.artifact.manifest import Manifest
from export.artifact.model_file import first_error
from tests.export.voice_fields import voice_fields


def _read(fields: dict[str, Any]) -> Manifest:
    """As reading a file does."""
    return Manifest.model_validate_json(json.dumps(fields), strict=True)


def test_a_voice_of_features_holds() -> None:
    manifest = _read(voice_fields())
    assert manifest.states == {"heard": "next_heard"}
    assert [speaker.name for speaker in manifest.speakers if speaker.target] == ["anna"]
    assert _read(json.loads(manifest.model_dump_json())) == manifest


def test_a_voice_may_have_no_speakers() -> None:
    fields = voice_fields() | {"conditioning": {}, "speakers": []}
    del fields["inputs"]["source"]
    assert _read(fields).speakers == ()


ROW = {"shape": [1, 2], "dtype": "float32"}
ANNA, BEN = voice_fields()["speakers"]


def _ports(side: str, **changes: Any) -> dict[str, Any]:
    ports = voice_fields()[side] | changes
    return {side: {name: port for name, port in ports.items() if port is not None}}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hop": None}, "a voice needs"),
        ({"size": 256}, "a voice has no size"),
        ({"set": {"id": "0123456789abcdef", "size": 16, "precision": "fp32"}}, "a voice has no set"),
        ({"form": None}, "a voice of the form features reads"),
        ({"form": "sound"}, "a voice of the form features reads"),
        ({"form": "filter"}, "a voice of the form features reads"),
        ({"form": "spell"}, "form input should be 'features', 'sound' or 'filter'"),
        ({"reads": ["mcep", "lf0"]}, "inputs"),
        ({"reads": ["lines"]}, "inputs"),
        ({"reads": ["mcep", "lf0", "voiced", "voiced"]}, "twice"),
        ({"gives": ["converted_mcep"]}, "outputs"),
        ({"gives": ["picture"]}, "outputs"),
        ({"states": {}}, "inputs"),
        ({"states": {"heard": "converted_lf0"}}, "outputs"),
        ({"states": {"heard": "gone"}}, "outputs"),
        ({"states": {"lf0": "next_heard"}}, "inputs"),
        ({"hop": 100}, "frames of 5 ms"),
        ({"hop": 240}, "mcep must be float32 (1, 3, 36)"),
        ({"lookahead": 8}, "frames of 5 ms"),
        ({"sample_rate": 11025}, "frames of 5 ms"),
        (_ports("inputs", lf0={"shape": [1, 4], "dtype": "float32"}), "lf0 must be"),
        (_ports("inputs", voiced={"shape": [1, 2], "dtype": "bool"}), "voiced must be"),
        (_ports("inputs", source={"shape": [1], "dtype": "int32"}), "source must be int64"),
        (_ports("inputs", source=None), "conditioning"),
        (_ports("inputs", more=ROW), "inputs"),
        (_ports("outputs", next_heard=ROW), "the state heard"),
        (_ports("outputs", converted_mcep=ROW), "converted_mcep must be"),
        ({"conditioning": {"source": ["whoever speaks", "ben", "anna"]}}, "then the speakers"),
        ({"conditioning": {"source": 3}}, "then the speakers"),
        ({"speakers": [ANNA, ANNA]}, "twice"),
        ({"speakers": [ANNA, BEN | {"target": True}]}, "target"),
        ({"speakers": [ANNA, BEN | {"lf0_std": 0.0}]}, "lf0_std"),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_a_manifest_that_breaks_a_rule_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        _read(voice_fields() | changes)
    line = first_error(refused.value)
    assert said in line
    assert "\n" not in line


def test_sound_in_and_sound_out() -> None:
    port = {"shape": [1, 160], "dtype": "float32"}
    fields = voice_fields() | {
        "form": "sound",
        "reads": ["sound"],
        "gives": ["converted_sound"],
        "states": {},
        "inputs": {"sound": port},
        "outputs": {"converted_sound": port},
        "conditioning": {},
        "speakers": [],
        "lookahead": 33,
    }
    assert _read(fields).hop == 160
    for changes, said in (
        ({"hop": 80}, "sound must be float32 (1, 80)"),
        ({"reads": ["mcep", "lf0", "voiced"]}, "inputs"),
    ):
        with pytest.raises(ValidationError, match=said.replace("(", r"\(").replace(")", r"\)")):
            _read(fields | changes)


def _filter_fields() -> dict[str, Any]:
    """The manifest of a voice of a filter."""
    one = {"shape": [1, 1], "dtype": "float32"}
    inputs = voice_fields()["inputs"]
    return voice_fields() | {
        "form": "filter",
        "reads": ["sound", "lf0"],
        "gives": ["mcep_change", "converted_lf0"],
        "inputs": {
            "sound": {"shape": [1, 80], "dtype": "float32"},
            "lf0": one,
            "heard": inputs["heard"],
            "source": inputs["source"],
        },
        "outputs": {
            "mcep_change": {"shape": [1, 1, 36], "dtype": "float32"},
            "converted_lf0": one,
            "next_heard": inputs["heard"],
        },
        "hop": 80,
        "lookahead": 240,
        "context": 800,
    }


def test_sound_in_and_a_filter_out() -> None:
    manifest = _read(_filter_fields())
    assert (manifest.hop, manifest.lookahead) == (80, 240)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hop": 160}, "every 5 ms, at 16000 Hz"),
        ({"sample_rate": 48000, "hop": 240}, "every 5 ms, at 16000 Hz"),
        ({"lookahead": 0}, "a lookahead of 10 to 40 ms"),
        ({"lookahead": 16000}, "a lookahead of 10 to 40 ms"),
        ({"gives": ["mcep_change"]}, "outputs"),
        ({"reads": ["sound"]}, "inputs"),
        ({"inputs": _filter_fields()["inputs"] | {"sound": ROW}}, "sound must be float32 (1, 80)"),
        ({"inputs": _filter_fields()["inputs"] | {"lf0": ROW}}, "lf0 must be float32 (1, 1)"),
        ({"outputs": _filter_fields()["outputs"] | {"mcep_change": ROW}}, "mcep_change must be float32 (1, 1, 36)"),
        ({"outputs": _filter_fields()["outputs"] | {"converted_lf0": ROW}}, "converted_lf0 must be float32 (1, 1)"),
        ({"outputs": _filter_fields()["outputs"] | {"next_heard": ROW}}, "the state heard"),
        ({"conditioning": {"source": 3}}, "then the speakers"),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_a_filter_manifest_that_breaks_a_rule_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        _read(_filter_fields() | changes)
    line = first_error(refused.value)
    assert said in line
    assert "\n" not in line
