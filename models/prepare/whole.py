"""Folders and files that are there whole or not at all: written beside their place, then renamed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_folder(out: Path, *, replace: bool = False) -> Iterator[Path]:
    """Gives a path beside `out`, where a folder is to be made and filled; it is then renamed to `out`.

    `out` may be an empty folder; with `replace` any folder, which is removed. After an exception nothing is left.
    Raises OSError.
    """
    work = _beside(out)
    shutil.rmtree(work, ignore_errors=True)
    try:
        yield work
        if replace:
            shutil.rmtree(out, ignore_errors=True)
        elif out.is_dir():
            out.rmdir()
        work.rename(out)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def write_text_whole(path: Path, text: str) -> None:
    """A file that a stop at any moment leaves as it was, or has written. Raises OSError."""
    work = _beside(path)
    work.write_text(text, "utf-8")
    work.rename(path)


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".part")
