"""Two fictional performers, drawn by code: the subjects of the looks in the demo show.

They are no real persons and resemble nobody, so their looks may be shown, changed and passed on by anyone.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from live.demo_training.characters.figure import Figure


@dataclass(frozen=True)
class CharacterEntry:
    """The module and class of a character, and the seed of its performance."""

    module: str
    figure: str
    seed: int


CHARACTERS: dict[str, CharacterEntry] = {
    "porcelain": CharacterEntry("live.demo_training.characters.porcelain", "Porcelain", 11),
    "verdigris": CharacterEntry("live.demo_training.characters.verdigris", "Verdigris", 23),
}


def character(name: str) -> Figure:
    """Builds a character; takes a fraction of a second. Raises KeyError if there is none of this name."""
    entry = CHARACTERS[name]
    return cast("Figure", getattr(import_module(entry.module), entry.figure)())


__all__ = ["CHARACTERS", "CharacterEntry", "character"]
