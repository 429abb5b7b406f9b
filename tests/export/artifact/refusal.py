"""Helpers of the tests that a file is refused as a frozen model, in one line that names it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from onnx import ModelProto

from export.artifact import bad_model
from export.artifact.bad_model import BadModel
from export.artifact.fields import Kind
from export.artifact.model_file import check_model
from tests.export.tiny_look import look_fields

Forge = Callable[[ModelProto, str | None], Path]


def refusal(path: str | os.PathLike[str], kind: Kind | None = None) -> str:
    """The line with which the file is refused; says the file, and is one line."""
    with pytest.raises(BadModel) as caught:
        check_model(path, kind)
    line = str(caught.value)
    assert line.startswith(bad_model.one_line(str(path)))
    assert line.isprintable()
    return line


def manifest_text(**changes: Any) -> str:
    return json.dumps(look_fields() | changes)
