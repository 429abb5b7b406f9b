"""The error that every reader of frozen models raises. Thread: any."""

from __future__ import annotations

import os

from models.command_line import one_line


class BadModel(Exception):
    """A file that is no usable frozen model; the message is one line: which file, what is wrong, what to do. `what` is
    that line without the file's name."""

    def __init__(self, path: str | os.PathLike[str], what: str) -> None:
        self.what = what
        super().__init__(one_line(f"{os.fspath(path)!s} {what}"))


def shortened(thing: object) -> str:
    """`thing` as text of at most 60 characters and an ellipsis, for a message."""
    text = thing if isinstance(thing, str) else repr(thing)
    return f"{text[:60]}..." if len(text) > 60 else text
