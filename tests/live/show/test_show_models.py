"""What a show asks of its frozen models is checked when it is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from export.artifact.manifest import Manifest
from export.artifact.model_file import write_model
from live.show.show_file import BadShow, Cue, Show
from live.show.show_models import check_models
from tests.export.tiny_look import SIZE, look_fields, look_model
from tests.live.show.masked_look import masked_fields, masked_model


@pytest.fixture
def look(tmp_path: Path) -> Path:
    write_model(tmp_path / "lines.onnx", look_model(), Manifest.model_validate(look_fields()))
    return tmp_path / "lines.onnx"


@pytest.fixture
def masked(tmp_path: Path) -> Path:
    write_model(tmp_path / "masked.onnx", masked_model(SIZE), Manifest.model_validate(masked_fields()))
    return tmp_path / "masked.onnx"


def test_a_look_with_a_mask_needs_the_cue_to_say_so(masked: Path) -> None:
    with pytest.raises(BadShow, match=r'cue "swap": masked\.onnx shows what the camera sees.*frame = true'):
        check_models(Show("x", (Cue("swap", masked),)))
    check_models(Show("x", (Cue("swap", masked, frame=True),)))


def test_a_look_of_the_face_alone_needs_nothing(look: Path) -> None:
    check_models(Show("x", (Cue("porcelain", look), Cue("safe", "safe", frame=True))))


def test_a_misspelt_parameter_is_refused(look: Path) -> None:
    with pytest.raises(BadShow, match=r'cue "a": no parameter "sound/pich": did you mean "sound/pitch"\?'):
        check_models(Show("x", (Cue("a", look, set={"sound/pich": 1.0}),)))
    with pytest.raises(BadShow, match="neither Guise nor the cue's models have it"):
        check_models(Show("x", (Cue("a", look, set={"picture/glow": 1.0}),)))
    check_models(Show("x", (Cue("a", look, set={"sound/pitch": 1.0}),)))


def test_a_bad_model_is_refused_with_its_cue(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_text("no model")
    with pytest.raises(BadShow, match=r'cue "a": .*bad\.onnx'):
        check_models(Show("x", (Cue("a", tmp_path / "bad.onnx"),)))
    with pytest.raises(BadShow, match=r'cue "a": .*bad\.onnx'):
        check_models(Show("x", (Cue("a", "safe", tmp_path / "bad.onnx"),)))
