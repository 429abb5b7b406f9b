"""The name a new file gets where one of that name may be there already: nothing a show wrote is written over.

Any process, any thread; asks the disk.
"""

from __future__ import annotations

import os
import stat
from itertools import count
from pathlib import Path


def unused_path(path: Path) -> Path:
    """`path` where nothing has that name, else NAME-2.SUFFIX, NAME-3.SUFFIX and so on.

    Raises OSError where the name is that of a folder, a pipe, a device or anything else but a file.
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        mode = None
    if mode is not None and not stat.S_ISREG(mode):
        found = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
        raise OSError(f"{path}: is {found}; expected a file's name")
    if not os.path.lexists(path):
        return path
    return next(each for number in count(2) if not os.path.lexists(each := _numbered(path, number)))


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}-{number}{path.suffix}")
