"""TOML files that people write: read within bounds, with one line about what is wrong, and text for them. Any thread.

A show is read again while it performs, and may be anybody's: no text may take long to read, or hold Python's lock.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from pathlib import Path
from typing import NamedTuple

from models.command_line import one_line

MAX_LINE = 10_000
"""Characters of a line."""
MAX_KEY_PARTS = 50
"""Parts of a dotted key: tomllib takes a time that grows with their square."""
_KEY_PART = r"""(?:"[^"\n]*+"|'[^'\n]*+'|[A-Za-z0-9_-]++)[ \t]*+\.[ \t]*+"""
_LONG_KEY = re.compile(rf"(?<![A-Za-z0-9_-])(?:{_KEY_PART}){{{MAX_KEY_PARTS}}}")


class BadTomlFile(Exception):
    """The file is none, or is no TOML; the message is one line."""


class TomlFile(NamedTuple):
    """document: the tables. text: the file's, with line feeds alone."""

    document: dict[str, object]
    text: str


def read_toml_file(file: Path, what: str, max_bytes: int, advice: str = "") -> TomlFile:
    """Reads and parses a file.

    Args:
        what: "show" or "profile".
        advice: where a missing one comes from.

    Raises:
        BadTomlFile: it is not there, cannot be read, is too large, not UTF-8, or not TOML.
    """
    text = _read_text(file, what, max_bytes, advice)
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > MAX_LINE:
            raise BadTomlFile(f"{file}, line {number}: longer than {MAX_LINE} characters, so not a {what}'s")
        if _LONG_KEY.search(line):
            raise BadTomlFile(f"{file}, line {number}: a key of {MAX_KEY_PARTS} parts or more")
    try:
        return TomlFile(tomllib.loads(text), text)
    except RecursionError:
        raise BadTomlFile(f"{file}: not TOML that can be read: lists or tables within each other too often") from None
    except (ValueError, OverflowError) as error:  # tomllib's own among them, and Python's limit of a number's digits
        raise BadTomlFile(f"{file}: not TOML: {one_line(error)}") from None


def _read_text(file: Path, what: str, max_bytes: int, advice: str) -> str:
    try:
        raw = _read_bytes(file, what, max_bytes + 1)
    except FileNotFoundError:
        raise BadTomlFile(f"{file}: there is no such file{advice}") from None
    except IsADirectoryError:
        raise BadTomlFile(f"{file}: a folder; expected a {what}'s .toml file") from None
    except OSError as error:
        raise BadTomlFile(f"{file}: cannot be read: {error.strerror}") from None
    except ValueError:
        raise BadTomlFile(f"{file}: no file can have that name") from None
    if len(raw) > max_bytes:
        raise BadTomlFile(f"{file}: larger than {_size(max_bytes)}, so not a {what}")
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise BadTomlFile(f"{file}, line {line}: not UTF-8 text") from None


def _read_bytes(file: Path, what: str, count: int) -> bytes:
    """Without waiting for the other end of a pipe, which is refused as folders and devices are."""
    with open(file, "rb", opener=lambda path, flags: os.open(path, flags | getattr(os, "O_NONBLOCK", 0))) as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            raise BadTomlFile(f"{file}: a pipe or a device; expected a {what}'s .toml file")
        return opened.read(count)


def quoted(text: str) -> str:
    """A TOML basic string."""
    escaped = "".join(
        {"\\": "\\\\", '"': '\\"'}.get(c, c) if c.isprintable() else f"\\u{min(ord(c), 0xFFFD):04x}" for c in text
    )
    return f'"{escaped}"'


def _size(count: int) -> str:
    return f"{count // 1_000_000} MB" if count >= 1_000_000 else f"{count // 1000} kB"
