"""An exception as one line for the operator. Any thread."""

from __future__ import annotations

import traceback
from pathlib import Path

from models.command_line import one_line


def error_text(error: BaseException) -> str:
    """What it says, or its type where it says nothing."""
    return one_line(error) or type(error).__name__


def typed_error_text(error: BaseException) -> str:
    """Its type and what it says: for what should not have happened."""
    text = one_line(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def placed_error_text(error: BaseException) -> str:
    """Its type, what it says, and the file and line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{typed_error_text(error)}{place}"
