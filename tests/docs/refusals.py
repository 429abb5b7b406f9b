"""The sentences with which the program refuses, read from its source as text.

A refusal is a text handed to `refuse`, or to an exception that is raised for the operator: one of REFUSING, or what
show_file's checker and the show's reader make of one. Texts that name programming errors are not among them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from tests.bench.structure import PACKAGES, relative, sources

REFUSING = re.compile(
    r"(Bad(Footage|Input|ListeningTest|Look|Media|Model|Output|Profile|Recording|Run|Show|Sound|Source|TomlFile)|DataError|"
    r"LandmarkFileMissing|MetricUnavailable|Malformed|No(Device|PortAudio|Stream)|Not(Built|Faithful|Faster|Frozen)|"
    r"RankFailed|RenderFailed|RunTooLong|TooMuchMemory|SourceGone|UnknownFamily|WrongTarget|_?refuse|error)$"
)
VALUE_ERRORS_OF = (
    "live/show/profile.py",
    "live/sound/voice_loader.py",
    "live/sound/voices.py",
    "live/sound/waveform_voice.py",
)
"""Files whose ValueErrors are sentences for the operator. A manifest's rules are told in docs/frozen-model.md."""
HOLE = "…"
"""Stands for what a sentence's program fills in."""


class Refusal(NamedTuple):
    """file: as the project writes it; sentence: with HOLE for each part that is not fixed."""

    file: str
    sentence: str


@cache
def refusals() -> tuple[Refusal, ...]:
    """All of them, in the order of the files."""
    return tuple(dict.fromkeys(_all_refusals()))


@cache
def texts() -> frozenset[str]:
    """Every text of the source, with HOLE for what is filled in; for sentences that are no refusals."""
    found = []
    for path in sources(*PACKAGES):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
                found.append(_text(node))
    return frozenset(found)


def _all_refusals() -> Iterator[Refusal]:
    for path in sources(*PACKAGES):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and _refuses(_name(node.func), relative(path)):
                for sentence in (text for argument in node.args for text in _variants(argument)):
                    if re.search(r"[a-z]{3,} [a-z]+|[a-z]{3,}: ", sentence):
                        yield Refusal(relative(path), sentence)


def _refuses(name: str, file: str) -> bool:
    return REFUSING.fullmatch(name) is not None or (name == "ValueError" and file in VALUE_ERRORS_OF)


def _name(called: ast.expr) -> str:
    if isinstance(called, ast.Attribute):
        return called.attr if isinstance(called.value, ast.Name) and called.value.id == "self" else ""
    return called.id if isinstance(called, ast.Name) else ""


def _variants(value: ast.expr) -> list[str]:
    """The texts that an argument may be."""
    if isinstance(value, ast.IfExp):
        return [*_variants(value.body), *_variants(value.orelse)]
    return [_text(value)]


def _text(value: ast.expr) -> str:
    if isinstance(value, ast.Constant):
        return value.value if isinstance(value.value, str) else HOLE
    if isinstance(value, ast.JoinedStr):
        return "".join(_text(part) for part in value.values)
    return HOLE
