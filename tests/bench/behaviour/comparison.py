"""Two pictures laid beside each other: what is different, in words."""

from __future__ import annotations

import difflib
import json
from collections import Counter
from typing import Any

MOST_LINES = 40


def compare(before: dict[str, Any], after: dict[str, Any], only: list[str] | None = None) -> int:
    """Prints every difference, of these parts or all; 1 if there is one. Names alone do not count."""
    if only:
        before, after = (
            {group: _of(only, picture[group]) for group in ("facts", "names")} for picture in (before, after)
        )
    facts = _differences(before["facts"], after["facts"])
    names = _differences(before["names"], after["names"])
    for place, lines in facts:
        _tell(place, lines)
    for place, lines in names:
        _tell(f"names only: {place}", lines)
    same = sum(map(len, before["facts"].values())) - len(facts)
    print(f"{same} facts agree, {len(facts)} differ; names only: {len(names)} differ")
    return 1 if facts else 0


def _of(parts: list[str], group: dict[str, Any]) -> dict[str, Any]:
    return {part: group[part] for part in parts if part in group}


def _differences(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """(where, what) for each key of each part that is not the same in both."""
    found = []
    for part in sorted(set(before) | set(after)):
        if part not in before or part not in after:
            found.append((part, [f"only {'before' if part in before else 'after'}"]))
            continue
        old, new = before[part], after[part]
        for key in sorted(set(old) | set(new)):
            if key not in old or key not in new:
                found.append((f"{part}: {key}", [f"only {'before' if key in old else 'after'}"]))
            elif old[key] != new[key]:
                found.append((f"{part}: {key}", list(_told(old[key], new[key]))))
    return found


def _told(old: Any, new: Any) -> list[str]:
    """What vanished (-) and what is new (+). Of lists of lines the order counts only if nothing else differs."""
    before, after = _lines(old), _lines(new)
    gone, come = Counter(before) - Counter(after), Counter(after) - Counter(before)
    if gone or come:
        return [*(f"- {line}" for line in gone.elements()), *(f"+ {line}" for line in come.elements())]
    return [
        line for line in difflib.unified_diff(before, after, n=1, lineterm="") if not line.startswith(("+++", "---"))
    ]


def _lines(value: Any, place: str = "") -> list[str]:
    """A value as lines, each with its place in it."""
    if isinstance(value, dict):
        return [line for key, part in sorted(value.items()) for line in _lines(part, f"{place}{key}: ")]
    if isinstance(value, list):
        return [line for part in value for line in _lines(part, place)]
    return [f"{place}{value if isinstance(value, str) else json.dumps(value)}"]


def _tell(place: str, lines: list[str]) -> None:
    print(place)
    for line in lines[:MOST_LINES]:
        print(f"    {line}")
    if len(lines) > MOST_LINES:
        print(f"    and {len(lines) - MOST_LINES} more")
