"""The one error of frozen models: a line for the operator, without what could draw on a terminal."""

from __future__ import annotations

import os
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


class BadModel(Exception):
    """A file that is no frozen model we can perform; the message is one line: which file, what is wrong, what to do."""

    def __init__(self, path: str | os.PathLike[str], what: str) -> None:
        self.what = what
        super().__init__(one_line(f"{os.fspath(path)!s} {what}"))


def one_line(text: str) -> str:
    """`text` without control characters and line breaks, so that a hostile name cannot draw on a terminal."""
    return "".join(" " if c in "\n\r\t" else c if is_printable(c) else "?" for c in text)


def is_printable(character: str) -> bool:
    # Cf are the invisible ones that turn the direction of writing; Cs the halves of surrogate pairs.
    category = unicodedata.category(character)
    return category not in ("Cc", "Cf", "Cs", "Zl", "Zp")


def shortened(thing: object) -> str:
    text = thing if isinstance(thing, str) else repr(thing)
    return f"{text[:60]}..." if len(text) > 60 else text
