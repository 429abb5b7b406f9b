"""Numbers and texts of a manifest keep within what a show can do with them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from export.artifact.manifest import Manifest
from tests.export.tiny_look import look_fields
from tests.export.voice_fields import voice_fields


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hop": 17_600}, "hop is longer than 1 s"),
        ({"lookahead": 40_000}, "lookahead is longer than 2 s"),
        ({"lookahead": 2**62}, "lookahead is longer than 2 s"),
        ({"context": 2**62}, "context is longer than 60 s"),
        ({"sample_rate": 10**9}, "sample_rate"),
        ({"speakers": [{"name": str(n), "lf0_mean": 5, "lf0_std": 1} for n in range(1001)]}, "speakers"),
    ],
)
def test_a_voice_no_show_could_wait_for(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Manifest(**voice_fields() | changes)


def test_all_ports_together() -> None:
    frame = {"shape": [1, 4096, 4096, 3], "dtype": "uint8"}
    mask = {"shape": [1, 4096, 4096, 1], "dtype": "uint8"}
    fields = look_fields() | {"size": 4096, "reads": ["face", "frame"], "gives": ["picture", "mask", "occluded"]}
    fields |= {"inputs": {"face": frame, "frame": frame}, "outputs": {"picture": frame, "mask": mask, "occluded": mask}}
    Manifest(**fields)
    extra = {f"extra{n}": {"shape": [2**24], "dtype": "float32"} for n in range(2)}
    fields |= {"inputs": {**fields["inputs"], **extra}, "conditioning": dict.fromkeys(extra, 0)}
    with pytest.raises(ValidationError, match="take more than 268435456 bytes together"):
        Manifest(**fields)


@pytest.mark.parametrize("note", ["\x1b[2J", "a\nb", {"\u202e": 1}, [["\x07"]], [float("nan")], {"a": float("inf")}])
def test_texts_and_numbers_in_notes(note: object) -> None:
    for field in ("conditioning", "metrics"):
        fields = look_fields()
        if field == "conditioning":
            fields["conditioning"] = {"note": note}
        else:
            fields["training"] = fields["training"] | {"metrics": {"note": note}}
        with pytest.raises(ValidationError, match=r"control characters|finite numbers"):
            Manifest(**fields)
