"""The output folder of the three `guise prepare` commands: refused if taken, written whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from models.prepare.data_error import DataError
from models.prepare.data_facts import FactsT
from models.prepare.whole import whole_folder


def refuse_taken(out: Path) -> None:
    """Raises DataError unless `out` is missing or an empty folder."""
    if out.exists() and any(out.iterdir() if out.is_dir() else [out]):
        raise DataError(f"{out} is there already: name an empty folder, or remove it first")


def write_data(out: Path, write: Callable[[Path], FactsT]) -> FactsT:
    """Calls `write` with a path beside `out`, where it makes and fills a folder, and renames that to `out`.

    Returns what `write` does, the data's facts. After an exception nothing is left; an OSError becomes a DataError.
    """
    try:
        with whole_folder(out) as work:
            return write(work)
    except OSError as error:
        raise DataError(f"{out} cannot be written: {error.strerror or error}") from error
