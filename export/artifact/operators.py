"""Which operators ONNX has, and in which of its versions: the list in operators.json, which
tests/export/artifact/make_operators.py writes of the onnx package.

Thread: any. Free of onnx.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TypedDict

from export.artifact.bad_model import shortened

_ALIASES = {"ai.onnx": ""}


class _List(TypedDict):
    """operators.json. `versions`: domain -> the newest version that the list knows."""

    onnx: str
    versions: dict[str, int]
    operators: dict[str, dict[str, list[int]]]


def first_fault(operators: Iterable[tuple[str, str]], versions: Mapping[str, int]) -> str | None:
    """What is wrong with these (domain, operator) at these `versions` of their domains, as the end of the sentence
    "NAME.onnx ..."; None: nothing. Domains that ONNX does not have are not judged here."""
    known = known_operators()
    newest = known["versions"]
    given = {_bare(domain): version for domain, version in versions.items()}
    for domain, version in sorted(given.items()):
        if version > newest.get(domain, version) or version < 1:
            known_version = newest.get(domain)
            return (
                f"is of ONNX's version {shortened(version)}, and {known_version} is the newest known: export it again"
            )
    for domain, operator in sorted(operators):
        spans = known["operators"].get(_bare(domain))
        if spans is None:
            continue
        if _bare(domain) not in given:
            return "does not say which version of ONNX its operators are of: export it again"
        version = given[_bare(domain)]
        if not _lives(spans.get(operator, []), version):
            return f"uses the operator {shortened(operator)}, which ONNX {version} does not have: export it again"
    return None


@cache
def known_operators() -> _List:
    """The list."""
    found: _List = json.loads(Path(__file__).with_suffix(".json").read_text("utf-8"))
    return found


def _lives(span: list[int], version: int) -> bool:
    """Whether the span, of a first version and perhaps an end, has `version`."""
    return bool(span) and span[0] <= version and (len(span) == 1 or version < span[1])


def _bare(domain: str) -> str:
    return _ALIASES.get(domain, domain)
