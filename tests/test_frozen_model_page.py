"""docs/frozen-model.md against the code: every field is named, none that does not exist, and the examples hold."""

from __future__ import annotations

import json
import re
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from export.artifact import fields
from export.artifact.fields import DType, Form, Gives, Kind, ManifestFields, ManifestPart, Precision, Reads
from export.artifact.manifest import MANIFEST_VERSION, Manifest
from export.artifact.model_file import MANIFEST_KEY
from export.artifact.outline import MAX_FILE_BYTES
from tests.bench.structure import ROOT
from tests.export.tiny_look import target_facts

PAGE = (ROOT / "docs" / "frozen-model.md").read_text("utf-8")
PARTS: list[type[BaseModel]] = [
    part for part in vars(fields).values() if isinstance(part, type) and issubclass(part, ManifestPart)
]
FIELDS = {name for part in PARTS for name in part.model_fields}
CHOICES = {choice for kind in (Kind, Form, Precision, Reads, Gives, DType) for choice in get_args(kind)}
STYLES = set(get_args(fields.LandmarkLines.model_fields["style"].annotation))
TOLD = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
"""The page without its examples."""
NAMED = set(re.findall(r'[`"]([a-z][a-z0-9_]*)[`"]', TOLD))
OTHER_WORDS = {
    *("fictional", "self", "source", "parity"),  # values that mean something
    *("null", "metadata_props", MANIFEST_KEY, "replace_manifest"),
}


@pytest.mark.parametrize("name", sorted(FIELDS | CHOICES | STYLES))
def test_every_field_and_every_choice_is_named(name: str) -> None:
    assert name in NAMED


def test_nothing_is_named_that_does_not_exist() -> None:
    assert set() == NAMED - FIELDS - CHOICES - STYLES - OTHER_WORDS


def test_required_is_what_the_code_requires() -> None:
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|.*\brequired \|$", TOLD, re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    required = {name for name, field in ManifestFields.model_fields.items() if field.is_required()}
    # Which of the others a kind needs, its rules say.
    assert told - {"version", "size", "statement", "reads", "gives"} == required


def test_numbers_are_those_of_the_code() -> None:
    assert f"| {MANIFEST_VERSION} | this page" in PAGE
    assert f"(manifest version {MANIFEST_VERSION + 1}, this one reads {MANIFEST_VERSION})" in PAGE
    assert fields.MAX_PORT_BYTES == 64 * 2**20
    assert MAX_FILE_BYTES == 2**31 - 1
    assert f"16 to {fields.MAX_PICTURE_SIDE}" in PAGE


def test_the_examples_are_manifests() -> None:
    look, voice = map(json.loads, re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))
    whole: dict[str, Any] = target_facts(256)
    assert look["target"].keys() == whole.keys()
    look["target"] |= {key: whole[key] for key in ("neutral", "residual_low", "residual_high")}
    for example in (look, voice):
        assert Manifest.model_validate_json(json.dumps(example), strict=True).kind == example["kind"]
