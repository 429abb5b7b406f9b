"""The output folder of the three `guise prepare` commands: refused if taken, written beside its place, then renamed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from models.prepare.data_error import DataError


def refuse_taken(out: Path) -> None:
    """Raises DataError unless `out` is missing or an empty folder."""
    if out.exists() and any(out.iterdir() if out.is_dir() else [out]):
        raise DataError(f"{out} is there already: name an empty folder, or remove it first")


def write_whole(out: Path, write: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """Calls `write` with a path beside `out`, where it creates and fills a folder, and renames that to `out`.

    Returns what `write` does, the data's facts. After an exception nothing is left; an OSError becomes a DataError.
    """
    work = out.with_name(out.name + ".part")
    shutil.rmtree(work, ignore_errors=True)
    try:
        facts = write(work)
        if out.is_dir():
            out.rmdir()
        work.rename(out)
    except OSError as error:
        raise DataError(f"{out} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return facts
