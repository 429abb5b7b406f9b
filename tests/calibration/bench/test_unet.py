"""The random-weight U-Net is the one that training uses: its parameters are counted, and it performs."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from calibration.bench import unet
from export.artifact import model_file
from export.artifact.model_file import check_model
from export.runtime.session import open_session


@pytest.mark.parametrize(("ngf", "millions"), [(32, 13.608), (16, 3.404)])
def test_parameters_are_those_of_the_recipe(ngf: int, millions: float) -> None:
    weights = unet.build_unet(ngf).graph.initializer
    assert sum(math.prod(tensor.dims) for tensor in weights) == pytest.approx(millions * 1e6, abs=600)


@pytest.mark.parametrize("half", [False, True])
def test_it_performs_as_a_frozen_model(tmp_path: Path, half: bool) -> None:
    path = tmp_path / "orange.onnx"
    unet.write_look(path, 8, half=half, colour=(230, 120, 30))
    manifest = check_model(path, "look")
    assert manifest.subject.statement == "fictional"
    assert manifest.precision == ("fp16" if half else "fp32")
    lines = np.random.default_rng(0).integers(0, 256, (1, 256, 256, 3), np.uint8)
    with open_session(path, "cpu") as session:
        picture = session.run(lines=lines)["picture"].copy()
        again = session.run(lines=np.zeros_like(lines))["picture"]
    assert np.abs(picture.mean((0, 1, 2)) - [230, 120, 30]).max() < 8, "it paints noise over its colour"
    assert (picture != again).any(), "and reads its lines"


def test_a_size_that_is_no_power_of_two_is_refused() -> None:
    with pytest.raises(ValueError, match="power of two"):
        unet.build_unet(8, 100)


def test_the_plain_face_is_a_face_by_the_trackers_own_rule() -> None:
    from live.picture.tracker import shape_is_sane
    from models.features.face_points import Box

    points = unet.plain_face(256)
    low, high = points[17:].min(0), points[17:].max(0)
    assert shape_is_sane(points, Box(int(low[0]) - 20, int(low[1]) - 10, int(high[0]) + 20, int(high[1]) + 30))


def test_with_subpixel_convolutions_it_is_the_same_look_of_plain_convolutions(tmp_path: Path) -> None:
    path = tmp_path / "orange.onnx"
    manifest = unet.write_look(path, 8, 64, colour=(230, 120, 30))
    model = unet.build_unet(8, 64, colour=(230, 120, 30), subpixel=True)
    operators = [node.op_type for node in model.graph.node]
    assert (operators.count("Conv"), operators.count("ConvTranspose")) == (12, 0)
    model_file.write_model(path, model, manifest)
    lines = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8)
    with open_session(path, "cpu") as session:
        picture = session.run(lines=lines)["picture"]
    assert np.abs(picture.mean((0, 1, 2)) - [230, 120, 30]).max() < 8
