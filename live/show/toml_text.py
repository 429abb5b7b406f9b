"""Text of TOML files that people read: written here, because tomllib only reads. Any thread."""

from __future__ import annotations


def quoted(text: str) -> str:
    """A TOML basic string."""
    escaped = "".join(
        {"\\": "\\\\", '"': '\\"'}.get(c, c) if c.isprintable() else f"\\u{min(ord(c), 0xFFFD):04x}" for c in text
    )
    return f'"{escaped}"'
