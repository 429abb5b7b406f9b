"""Real looks: where they draw, what they read, how they are laid into the frame."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.artifact.fields import Port, Subject, Training
from export.artifact.manifest import Manifest
from export.artifact.model_file import check_model, write_model
from export.runtime.cuda import CudaSession
from export.runtime.session import open_session
from export.runtime.session_options import build_session, session_options
from live.picture.look import FACE_EYES_APART, FACE_EYES_DOWN, ModelLook, face_square, open_look
from live.picture.mask import FaceShown

from .conftest import SIZE, drawn_points, target_of


@pytest.mark.parametrize("style", ["smooth", "face2face"])
@pytest.mark.parametrize("retarget", [True, False])
def test_lines_are_drawn_in_the_target_s_place(make_look: Callable[..., Path], style: str, retarget: bool) -> None:
    look = open_look(make_look(style=style, tint=0), "cpu", retarget)
    assert look.size == (SIZE, SIZE)
    assert look.provider == "CPU"
    assert look.needs_face
    frame = np.zeros((480, 640, 3), np.uint8)
    points = drawn_points((450, 180), 160)
    picture = look.perform(frame, points, points)
    rows, columns = np.nonzero(picture[..., 1] > 100)
    if retarget:  # At rest the performer is the target at rest.
        assert (columns.min(), columns.max()) == pytest.approx((SIZE * 0.2, SIZE * 0.8), abs=3)
        assert rows.max() == pytest.approx(SIZE * (0.42 + 0.62 * 0.6), abs=3)
    else:
        scale = SIZE / 480
        assert (columns.min(), columns.max()) == pytest.approx((290 * scale, 450 * scale), abs=3)
    look.close()


def test_an_aligned_face_has_its_eyes_in_place() -> None:
    for turn in (0.0, 0.4):
        points = drawn_points((0, 0), 100)
        spin = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        points = (points @ spin + [300, 200]).astype(np.float32)
        placed = face_square(points, 64)
        inverse = np.linalg.inv(placed[:, :2])
        eyes = [(points[s].mean(0) - placed[:, 2]) @ inverse.T for s in (slice(36, 42), slice(42, 48))]
        assert eyes[1][0] - eyes[0][0] == pytest.approx(FACE_EYES_APART * 64, abs=0.1)
        assert eyes[0][1] == pytest.approx(eyes[1][1], abs=0.01)
        assert eyes[0][1] == pytest.approx(FACE_EYES_DOWN * 64, abs=0.1)


@pytest.mark.parametrize("reads", ["face", "frame"])
def test_a_look_with_a_mask_is_laid_into_the_frame(make_look: Callable[..., Path], reads: str) -> None:
    look = open_look(make_look(reads=reads, tint=60, mask=True), "cpu")
    frame = np.full((120, 160, 3), 90, np.uint8)
    points = drawn_points((80, 60), 40)
    picture = look.perform(frame, points, points)
    assert picture.shape == frame.shape
    assert look.size is None
    assert look.shows_frame
    assert picture[60, 80].tolist() == pytest.approx([150, 90, 90], abs=2)
    assert picture[2, 2].tolist() == [90, 90, 90]
    assert frame.max() == 90
    if reads == "frame":
        with pytest.raises(FaceShown, match="bare"):
            look.perform(frame, drawn_points((20, 60), 40), points)
    look.close()


def test_a_look_that_gives_back_the_face_it_reads_is_refused(make_look: Callable[..., Path]) -> None:
    """It may be one that has learned nothing; nobody may see that face in a cue that does not say bypass."""
    with pytest.raises(ValueError, match="gives back the face that it reads"):
        open_look(make_look(reads="face", tint=0), "cpu")


def test_a_look_that_reads_points_gets_those_its_lines_are_drawn_from(
    make_look: Callable[..., Path], tmp_path: Path
) -> None:
    points = drawn_points((450, 180), 160)
    frame = np.zeros((480, 640, 3), np.uint8)
    for retarget in (True, False):
        look = open_look(_look_of_points(tmp_path), "cpu", retarget)
        assert look.needs_face
        assert look.size == (SIZE, SIZE)
        drawn = open_look(make_look(tint=0), "cpu", retarget)
        _, wanted = drawn.lines(frame, points, points)
        picture = look.perform(frame, points, points)
        # It paints where the tip of the nose is, x in red and y in green.
        assert picture[0, 0, :2].tolist() == wanted[30].astype(np.uint8).tolist()
        look.close()
        drawn.close()


def test_what_lies_over_the_face_stays(make_look: Callable[..., Path]) -> None:
    look = open_look(make_look(reads="frame", tint=60, mask=True, occluded=True), "cpu")
    assert look.needs_face, "what is to be painted over must be known"
    points = drawn_points((70, 64), 30)
    picture = look.perform(np.full((128, 128, 3), 90, np.uint8), points, points)
    # The left half of the mask is occluded.
    assert picture[64, 40].tolist() == [90, 90, 90]
    assert picture[64, 88].tolist() == pytest.approx([150, 90, 90], abs=2)
    assert picture[2, 2].tolist() == [90, 90, 90]
    look.close()


def test_a_look_that_is_too_slow_by_far_is_refused(make_look: Callable[..., Path]) -> None:
    path = make_look()
    open_look(path, "cpu", slowest_s=10.0).close()
    with pytest.raises(ValueError, match=rf"{path.name} takes 0\.\d s a picture on CPU, and a look may take 0\.0 s"):
        open_look(path, "cpu", slowest_s=0.0)


@pytest.mark.parametrize("value", [[1.0, 2.0], ["old"], [[1.0], [2.0, 3.0]], [float("nan")], [1e300]])
def test_a_conditioning_that_does_not_fit_is_refused(make_look: Callable[..., Path], value: list[Any]) -> None:
    with open_session(make_look(), "cpu") as session:
        conditioned = session.manifest.model_copy(update={"conditioning": {"style": value}})
        session.manifest = conditioned
        session.manifest.inputs["style"] = Port(shape=(1,), dtype="float32")
        with pytest.raises(ValueError, match=r"^its style does not fit the input of that name, float32 \(1,\)$"):
            ModelLook("look.onnx", session)
        del session.manifest.inputs["style"]


def test_a_look_on_a_thread_of_its_own_gives_the_same(
    make_look: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    # As on a graphics card, with the CPU in its place.
    def on_its_thread(path: str, provider: str, **wanted: Any) -> CudaSession:
        model = Path(path)
        return CudaSession(
            model,
            check_model(model),
            "CUDA",
            lambda graph: build_session(model, "CPU", {}, session_options(1)),
            "fp32",
            device="cpu",
        )

    path = make_look()
    points = drawn_points((80, 60), 60)
    frame = np.zeros((120, 160, 3), np.uint8)
    with open_session(path, "cpu") as session:
        plain = ModelLook(str(path), session).perform(frame, points, points).copy()
    monkeypatch.setattr("live.picture.look.open_session", on_its_thread)
    look = open_look(str(path), "auto")
    assert look.provider == "CUDA"
    np.testing.assert_array_equal(look.perform(frame, points, points), plain)
    # What the slot forgets is freed by nobody's hand.
    del look
    gc.collect()


def _look_of_points(folder: Path) -> Path:
    """A look that reads points and paints where the tip of the nose is, x in red and y in green."""
    nodes = [
        helper.make_node("Gather", ["points", "nose"], ["tip"], axis=1),
        helper.make_node("Concat", ["tip", "no_blue"], ["colour"], axis=1),
        helper.make_node("Reshape", ["colour", "pixel"], ["one"]),
        helper.make_node("Expand", ["one", "all"], ["many"]),
        helper.make_node("Cast", ["many"], ["picture"], to=TensorProto.UINT8),
    ]
    constants = {
        "nose": np.array(30),
        "no_blue": np.zeros((1, 1), np.float32),
        "pixel": np.array([1, 1, 1, 3]),
        "all": np.array([1, SIZE, SIZE, 3]),
    }
    graph = helper.make_graph(
        nodes,
        "points",
        [helper.make_tensor_value_info("points", TensorProto.FLOAT, [1, 68, 2])],
        [helper.make_tensor_value_info("picture", TensorProto.UINT8, [1, SIZE, SIZE, 3])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    manifest = Manifest(
        kind="look",
        family="warp",
        name="points",
        subject=Subject(statement="fictional"),
        licence="CC0",
        reads=("points",),
        gives=("picture",),
        inputs={"points": Port(shape=(1, 68, 2), dtype="float32")},
        outputs={"picture": Port(shape=(1, SIZE, SIZE, 3), dtype="uint8")},
        size=SIZE,
        target=target_of(),
        precision="fp32",
        training=Training(data_digest="none", steps=0, samples_seen=0, minutes=0.0),
    )
    path = folder / "points.onnx"
    write_model(path, helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), manifest)
    return path
