"""A manifest of version 1, as files from before version 2 hold it, in the fields of today.

Version 1 gave the subject as a text, left a voice's form to be told from what it reads and gives, and knew neither
sets, points, occlusion nor readings. Thread: any.
"""

from __future__ import annotations

from pydantic import JsonValue

from export.artifact.rules import FORM_PORTS

_LATER_KEYS = ("form", "set")
_LATER_VALUES = {"kind": ("reading",), "reads": ("points", "text"), "gives": ("occluded", "spoken_sound")}


def from_version_1(fields: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """`fields` of version 1 in those of today; whatever they hold, only what version 1 could not hold is refused here.

    Raises ValueError, with a phrase that names the field.
    """
    for key in _LATER_KEYS:
        if key in fields:
            raise ValueError(f"{key} is an unknown key")
    for key, later in _LATER_VALUES.items():
        for value in _texts(fields.get(key)):
            if value in later:
                raise ValueError(f"{key} {value} is of version 2")
    if not isinstance(fields.get("subject"), str):
        raise ValueError("subject must be a text")
    return {**fields, "version": 2, **_form(fields)}


def _form(fields: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Nothing for a look, and for a voice of no form, which the rules refuse."""
    if fields.get("kind") != "voice":
        return {}
    reads, gives = _texts(fields.get("reads")), _texts(fields.get("gives"))
    return next(({"form": form} for form, ports in FORM_PORTS.items() if ports.hold(reads, gives)), {})


def _texts(value: JsonValue) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [text for text in values if isinstance(text, str)]
