"""Files from before manifest version 2: read as before, and only what version 1 could hold."""

from __future__ import annotations

import json
from typing import Any

import pytest

from export.artifact.fields import Subject
from export.artifact.manifest import Manifest
from export.artifact.model_file import check_model, replace_manifest
from export.artifact.version1 import from_version_1
from tests.export.artifact.refusal import Forge, refusal
from tests.export.tiny_look import look_fields, look_fields_of_version_1, look_model
from tests.export.voice_fields import voice_fields


def test_a_look_is_read_as_one_of_today(forged: Forge) -> None:
    path = forged(look_model(), json.dumps(look_fields_of_version_1()))
    manifest = check_model(path, "look")
    assert manifest == Manifest(**look_fields())
    assert (manifest.version, manifest.subject, manifest.set) == (2, Subject(statement="fictional"), None)


def test_it_becomes_a_file_of_today_when_its_manifest_is_replaced(forged: Forge) -> None:
    path = forged(look_model(), json.dumps(look_fields_of_version_1()))
    replace_manifest(path, check_model(path))
    assert b'"version": 2' in path.read_bytes()
    assert check_model(path) == Manifest(**look_fields())


@pytest.mark.parametrize(
    ("reads", "gives", "form"),
    [
        (["voiced", "lf0", "mcep"], ["converted_lf0", "converted_mcep", "converted_voiced"], "features"),
        (
            ["mcep", "lf0", "voiced"],
            ["converted_mcep", "converted_lf0", "converted_voiced", "converted_aperiodicity"],
            "features",
        ),
        (["sound"], ["converted_sound"], "sound"),
        (["lf0", "sound"], ["mcep_change", "converted_lf0"], "filter"),
        (["sound"], ["mcep_change"], None),
        ("sound", {"converted_sound": 1}, None),
    ],
)
def test_the_form_of_a_voice_follows_from_its_ports(reads: Any, gives: Any, form: str | None) -> None:
    fields = from_version_1({"kind": "voice", "reads": reads, "gives": gives, "subject": "self"})
    assert fields.get("form") == form


def test_a_voice_is_read() -> None:
    old = voice_fields() | {"version": 1, "subject": "fictional"}
    del old["form"]
    assert Manifest.model_validate(from_version_1(old)) == Manifest(**voice_fields())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"form": "features"}, "form is an unknown key"),
        ({"set": None}, "set is an unknown key"),
        ({"subject": {"statement": "self"}}, "subject must be a text"),
        ({"subject": 7}, "subject must be a text"),
        ({"reads": ["lines", "points"]}, "reads points is of version 2"),
        ({"gives": ["picture", "mask", "occluded"]}, "gives occluded is of version 2"),
        ({"kind": "reading"}, "kind reading is of version 2"),
        ({"colour": "red"}, "colour is an unknown key"),
        ({"reads": {"lines": 1}}, "reads"),
        ({"kind": []}, "kind"),
        ({"size": 16.5}, "size"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_version_1_could_not_hold_is_refused(forged: Forge, changes: dict[str, Any], said: str) -> None:
    assert said in refusal(forged(look_model(), json.dumps(look_fields_of_version_1() | changes)))


@pytest.mark.parametrize("depth", [250, 900, 5000])
def test_a_manifest_that_nests_without_end(forged: Forge, depth: int) -> None:
    text = json.dumps(look_fields_of_version_1() | {"conditioning": {"deep": "HERE"}})
    assert "manifest" in refusal(forged(look_model(), text.replace('"HERE"', "[" * depth + "]" * depth)))
