"""TOML files that people write: read with one line about what is wrong, and text for them. Any thread."""

from __future__ import annotations

from pathlib import Path


class BadTomlFile(Exception):
    """The file is none, or is no text; the message is one line."""


def read_toml_text(file: Path, what: str, max_bytes: int, advice: str = "") -> str:
    """The file's text with line feeds alone.

    Args:
        what: "show" or "profile".
        advice: where a missing one comes from.

    Raises:
        BadTomlFile: it is not there, cannot be read, is too large or not UTF-8.
    """
    try:
        with open(file, "rb") as opened:
            raw = opened.read(max_bytes + 1)
    except FileNotFoundError:
        raise BadTomlFile(f"{file}: there is no such file{advice}") from None
    except IsADirectoryError:
        raise BadTomlFile(f"{file}: a folder; expected a {what}'s .toml file") from None
    except OSError as error:
        raise BadTomlFile(f"{file}: cannot be read: {error.strerror}") from None
    if len(raw) > max_bytes:
        raise BadTomlFile(f"{file}: larger than {_size(max_bytes)}, so not a {what}")
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise BadTomlFile(f"{file}, line {line}: not UTF-8 text") from None


def quoted(text: str) -> str:
    """A TOML basic string."""
    escaped = "".join(
        {"\\": "\\\\", '"': '\\"'}.get(c, c) if c.isprintable() else f"\\u{min(ord(c), 0xFFFD):04x}" for c in text
    )
    return f'"{escaped}"'


def _size(count: int) -> str:
    return f"{count // 1_000_000} MB" if count >= 1_000_000 else f"{count // 1000} kB"
