"""On which line of a TOML text each of its tables and keys stands; tomllib itself does not tell. Any thread."""

from __future__ import annotations

import re
from collections.abc import Iterator

Place = tuple[str | int, ...]
"""A position in a TOML document: ("cue", 2, "look")."""

_HEADER = re.compile(r"(\[\[?)([^\]]*)\]")
_KEY_PART = re.compile(r'"((?:[^"\\]|\\.)*)"|\'([^\']*)\'|([A-Za-z0-9_-]+)')
_QUOTED = re.compile(r'"""(?:[^\\]|\\.)*?"""|\'\'\'.*?\'\'\'|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|#[^\n]*', re.DOTALL)


def lines_of(text: str) -> dict[Place, int]:
    """Line numbers, from 1, of the tables and keys of a text that tomllib has accepted; tomllib itself keeps none.

    A key within an inline table that spans several lines has the line of its table.
    """
    lines: dict[Place, int] = {}
    counts: dict[Place, int] = {}
    table: Place = ()
    for line, statement in _statements(text):
        if statement.startswith("#"):
            continue
        header = _HEADER.match(statement)
        if header is None:
            key, equals, _ = statement.partition("=")
            if equals:
                _record(lines, (*table, *_parts(key)), line)
            continue
        table = _resolve(_parts(header[2]), counts)
        if header[1] == "[[":
            counts[table] = counts.get(table, -1) + 1
            lines.setdefault(table, line)
            table = (*table, counts[table])
        _record(lines, table, line)
    return lines


def _record(lines: dict[Place, int], place: Place, line: int) -> None:
    for length in range(1, len(place) + 1):
        lines.setdefault(place[:length], line)


def _resolve(parts: Place, counts: dict[Place, int]) -> Place:
    """Insert the indices of arrays of tables: [cue.set] belongs to the newest [[cue]]. The last part gets no index."""
    place: Place = ()
    for part in parts:
        if place in counts:
            place = (*place, counts[place])
        place = (*place, part)
    return place


def _parts(key: str) -> Place:
    return tuple(match[1] or match[2] or match[3] or "" for match in _KEY_PART.finditer(key))


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each statement with the line on which it begins. A line break within quotes or brackets does not end one."""
    plain = _QUOTED.sub(_blank, text)
    depth, begin, line, began_on = 0, 0, 1, 1
    for at, character in enumerate(plain + "\n"):
        if character in "[{":
            depth += 1
        elif character in "]}":
            depth -= 1
        elif character == "\n":
            line += 1
            if depth <= 0:
                yield began_on, text[begin:at].strip(" \t")
                depth, begin, began_on = 0, at + 1, line


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match[0])
