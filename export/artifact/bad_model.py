"""The error that every reader of frozen models raises, and how text from a file is made safe to print. Thread: any."""

from __future__ import annotations

import os
import unicodedata


class BadModel(Exception):
    """A file that is no usable frozen model; the message is one line: which file, what is wrong, what to do. `what` is
    that line without the file's name."""

    def __init__(self, path: str | os.PathLike[str], what: str) -> None:
        self.what = what
        super().__init__(one_line(f"{os.fspath(path)!s} {what}"))


def one_line(text: str) -> str:
    """`text` without control characters and line breaks, so that a hostile name cannot draw on a terminal."""
    return "".join(" " if c in "\n\r\t" else c if is_printable(c) else "?" for c in text)


def is_printable(character: str) -> bool:
    """Whether one character can be printed without moving the cursor or turning the direction of writing."""
    # Cf are the invisible characters that turn the direction of writing; Cs the halves of surrogate pairs.
    category = unicodedata.category(character)
    return category not in ("Cc", "Cf", "Cs", "Zl", "Zp")


def shortened(thing: object) -> str:
    """`thing` as text of at most 60 characters and an ellipsis, for a message."""
    text = thing if isinstance(thing, str) else repr(thing)
    return f"{text[:60]}..." if len(text) > 60 else text
