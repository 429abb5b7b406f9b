"""Every sentence in the source: what is raised, printed, shown in windows or as help. Found by reading, not by running.

A bag of strings, without file and place: code may be moved, and what is called _fail here may be called otherwise
there, so no name is looked for. What counts is a string literal that is raised, or that has a space between words; not
docstrings, which `--help` shows where the program does. What an f-string fills in becomes {}.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

NOT_OURS = ("tests", "docs", "build", "shared")
SENTENCE = re.compile(r"\w\S* +\S*\w|\} \w|\w \{")


def sentences(source: Path) -> list[str]:
    """All of them, sorted; what stands in the source twice is there twice."""
    found: list[str] = []
    for path in source.rglob("*.py"):
        inner = path.relative_to(source).parts
        if inner[0] not in NOT_OURS and not any(part.startswith(".") for part in inner):
            found += _of(ast.parse(path.read_text("utf-8")))
    return sorted(found)


def _of(tree: ast.AST, raised: bool = False) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue  # a docstring
        text = _text(node)
        if text is not None and (raised or SENTENCE.search(text)):
            yield " ".join(text.split())
        if isinstance(node, ast.JoinedStr):
            for part in node.values:
                if isinstance(part, ast.FormattedValue):
                    yield from _of(part.value, False)
        elif not isinstance(node, ast.Constant):
            yield from _of(node, raised or isinstance(node, ast.Raise))


def _text(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    return "".join(map(_piece, node.values)) if isinstance(node, ast.JoinedStr) else None


def _piece(part: ast.expr) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    specified = _text(part.format_spec) if isinstance(part, ast.FormattedValue) and part.format_spec else None
    return "{}" if specified is None else f"{{:{specified}}}"
