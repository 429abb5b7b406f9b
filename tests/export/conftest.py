"""Frozen models as fixtures: a valid one, and whatever a test forges."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from onnx import ModelProto

from export.artifact import model_file
from export.artifact.manifest import Manifest
from export.artifact.model_file import MANIFEST_KEY
from tests.export.tiny_look import look_fields, look_model


@pytest.fixture
def look(tmp_path: Path) -> Path:
    """A valid frozen look."""
    path = tmp_path / "porcelain.onnx"
    model_file.write_model(path, look_model(), Manifest(**look_fields()))
    return path


@pytest.fixture
def forged(tmp_path: Path) -> Callable[[ModelProto, str | None], Path]:
    """Writes any model with any text as its manifest, without the checks of model_file.write_model."""

    def forge(model: ModelProto, manifest: str | None) -> Path:
        path = tmp_path / "forged.onnx"
        if manifest is not None:
            model.metadata_props.add(key=MANIFEST_KEY, value=manifest)
        path.write_bytes(model.SerializeToString())
        return path

    return forge
