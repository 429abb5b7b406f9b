"""The .npz files of prepared folders."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from models.prepare.data_error import DataError


def read_arrays(path: Path, *names: str) -> list[np.ndarray]:
    """The arrays of these names. Raises DataError for a file that is damaged or lacks one."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return [stored[name] for name in names]
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} cannot be read ({error}): prepare the data again") from error
