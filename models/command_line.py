"""How every verb says that it cannot do what it was asked to: one line on standard error, and exit code 2.

And what one line is: names, files and addresses that others chose are shown on terminals, in logs and windows.
"""

from __future__ import annotations

import contextlib
import os
import sys
import unicodedata
from typing import NoReturn

_UNSHOWABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode's categories of control characters, halves of characters, and ends of lines and paragraphs."""
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""They have what follows read from the other side."""


def is_one_line(text: str) -> bool:
    """Whether `text` can be shown as it is: no line's end, no control character, nothing that turns the text."""
    return not any(_is_unshowable(character) for character in text)


def one_line(text: object) -> str:
    """`text` with a blank for every run of blanks, line ends and control characters, and \ufffd for what is no
    character: a terminal obeys none of it."""
    shown = (_shown(character) if _is_unshowable(character) else character for character in str(text))
    return " ".join("".join(shown).split())


def say(text: str) -> None:
    """Prints a line; where nobody can read it any more, nothing is lost but the line."""
    try:
        print(text, flush=True)
    except (OSError, ValueError):
        give_up_output()


def give_up_output() -> None:
    """Standard output cannot be written: a pipe without a reader, a full disk. What is still to come goes nowhere:
    Python, and whatever starts a process, would try again with what is left, and fail again."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def refuse(why: object) -> NoReturn:
    """Ends the verb. `why` is one sentence: what was wrong, and what to do."""
    from typer import Exit

    print(f"guise: {one_line(why)}", file=sys.stderr)
    raise Exit(2)


def _is_unshowable(character: str) -> bool:
    return not character.isprintable() and (character in _TURNING or unicodedata.category(character) in _UNSHOWABLE)


def _shown(character: str) -> str:
    return "\ufffd" if unicodedata.category(character) == "Cs" else " "
