"""The code names that the documentation states, and whether they exist.

A code name follows its file after a space, both in backticks, and more of the same file follow after commas:

    `live/picture/transition.py` `Transition.perform`, `Blender`

A name is that of a module's function, class or constant, or CLASS.NAME for a method, a property, or an attribute that
the class's body or one of its methods assigns. Files are read as text; nothing of them is imported.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

_NAME = r"`[A-Za-z_][\w]*(?:\.[A-Za-z_]\w*)?`"
_STATED = re.compile(rf"`([\w./-]+\.py)`((?:,?\s{_NAME}(?!\())+)")


class CodeName(NamedTuple):
    """One name as a page states it. file: as it is written there."""

    file: str
    name: str


def code_names(text: str) -> Iterator[CodeName]:
    """All code names that a page states after their files."""
    for file, names in _STATED.findall(text):
        first, *others = re.findall(r"(,?)\s`([\w.]+)`", names)
        if first[0]:
            continue  # a list of which a file is one entry
        yield CodeName(file, first[1])
        for comma, name in others:
            if not comma or name.endswith(".py"):
                break
            yield CodeName(file, name)


def exists(file: Path, name: str) -> bool:
    """Whether the module at `file` defines this name."""
    return name in defined_names(file)


@cache
def defined_names(file: Path) -> frozenset[str]:
    """Functions, classes, constants and CLASS.NAME of a module."""
    names: set[str] = set()
    for statement in ast.parse(file.read_text("utf-8")).body:
        names |= set(_bound(statement))
        if isinstance(statement, ast.ClassDef):
            names |= {f"{statement.name}.{member}" for member in _members(statement)}
    return frozenset(names)


def _bound(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    if isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    for target in targets:
        yield from (node.id for node in ast.walk(target) if isinstance(node, ast.Name))


def _members(definition: ast.ClassDef) -> Iterator[str]:
    for statement in definition.body:
        yield from _bound(statement)
        for node in ast.walk(statement):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _is_self(node.value):
                yield node.attr


def _is_self(value: ast.expr) -> bool:
    return isinstance(value, ast.Name) and value.id == "self"
