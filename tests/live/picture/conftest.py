"""What the picture engine's tests share: an engine, dlib, a drawn face, a small frozen look, a clock set by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from export.artifact.fields import LandmarkLines, Port, Subject, Target, Training
from export.artifact.manifest import Manifest
from export.artifact.model_file import write_model
from live.picture.sources.movie_frames import FileFrames
from models.features.face_points import FacePoints, LandmarkFileMissing
from models.features.retarget import target_facts
from models.features.types import Picture, Points

from .engine_rig import ManualClock, Rig, Shown

SIZE = 64


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def shown() -> Shown:
    return Shown()


@pytest.fixture(scope="session")
def face_points() -> FacePoints:
    try:
        return FacePoints()
    except LandmarkFileMissing as error:
        pytest.skip(str(error))


def drawn_points(centre: tuple[float, float], width: float) -> Points:
    """68 points of a plain face, `width` from jaw to jaw."""
    turn = np.linspace(np.pi, 0, 17)
    jaw = np.stack([np.cos(turn) * 0.5, np.sin(turn) * 0.62], 1)

    def arc(x: float, y: float, w: float, h: float, n: int) -> NDArray[np.float64]:
        t = np.linspace(0, np.pi, n)
        return np.stack([x - w * np.cos(t), y - h * np.sin(t)], 1)

    def ring(x: float, y: float, w: float, h: float, n: int) -> NDArray[np.float64]:
        t = np.arange(n) * 2 * np.pi / n
        return np.stack([x - w * np.cos(t), y - h * np.sin(t)], 1)

    bridge = np.stack([np.zeros(4), np.linspace(-0.05, 0.18, 4)], 1)
    nose = np.stack([np.linspace(-0.1, 0.1, 5), np.full(5, 0.23)], 1)
    parts = [jaw, arc(-0.22, -0.12, 0.14, 0.04, 5), arc(0.22, -0.12, 0.14, 0.04, 5), bridge, nose]
    parts += [ring(-0.2, 0, 0.08, 0.03, 6), ring(0.2, 0, 0.08, 0.03, 6)]
    parts += [ring(0, 0.4, 0.18, 0.07, 12), ring(0, 0.4, 0.13, 0.03, 8)]
    return (np.concatenate(parts) * width + centre).astype(np.float32)


def target_of(size: int = SIZE) -> Target:
    moved = [drawn_points((size / 2 + x, size * 0.42 + y), size * 0.6) for x in (-2, 0, 2) for y in (-2, 0, 2)]
    return Target.model_validate_json(json.dumps(target_facts(np.array(moved))))


@pytest.fixture(scope="session")
def make_look(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes a frozen look: its picture is what it reads, tinted; with a mask if wanted, 0 at an edge of
    some pixels, and its left half occluded."""
    folder = tmp_path_factory.mktemp("looks")

    def make(
        name: str = "plain",
        reads: str = "lines",
        size: int = SIZE,
        tint: int = 40,
        mask: bool = False,
        style: str = "smooth",
        occluded: bool = False,
        edge: int = 4,
    ) -> Path:
        from onnx import TensorProto, helper, numpy_helper

        path = folder / f"{name}-{reads}-{size}-{tint}-{mask}-{style}-{occluded}-{edge}.onnx"
        if path.exists():
            return path
        shape = [1, size, size, 3]
        nodes = [
            helper.make_node("Cast", [reads], ["wide"], to=TensorProto.FLOAT),
            helper.make_node("Add", ["wide", "tint"], ["more"]),
            helper.make_node("Clip", ["more", "", "most"], ["clipped"]),
            helper.make_node("Cast", ["clipped"], ["picture"], to=TensorProto.UINT8),
        ]
        constants = [
            numpy_helper.from_array(np.array([tint, 0, 0], np.float32), "tint"),
            numpy_helper.from_array(np.float32(255), "most"),
        ]
        outputs = [helper.make_tensor_value_info("picture", TensorProto.UINT8, shape)]
        ports = {"picture": Port(shape=tuple(shape), dtype="uint8")}
        if mask:
            full = np.zeros((1, size, size, 1), np.uint8)
            full[:, edge : size - edge, edge : size - edge] = 255
            nodes.append(helper.make_node("Identity", ["whole"], ["mask"]))
            constants.append(numpy_helper.from_array(full, "whole"))
            outputs.append(helper.make_tensor_value_info("mask", TensorProto.UINT8, [1, size, size, 1]))
            ports["mask"] = Port(shape=(1, size, size, 1), dtype="uint8")
        if occluded:
            left = np.zeros((1, size, size, 1), np.uint8)
            left[:, :, : size // 2] = 255
            nodes.append(helper.make_node("Identity", ["left"], ["occluded"]))
            constants.append(numpy_helper.from_array(left, "left"))
            outputs.append(helper.make_tensor_value_info("occluded", TensorProto.UINT8, [1, size, size, 1]))
            ports["occluded"] = ports["mask"]
        graph = helper.make_graph(
            nodes, name, [helper.make_tensor_value_info(reads, TensorProto.UINT8, shape)], outputs, constants
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        manifest = Manifest(
            kind="look",
            family="pix2pix",
            name=name,
            subject=Subject(statement="fictional"),
            licence="CC0",
            reads=(reads,),  # type: ignore[arg-type]
            gives=tuple(ports),  # type: ignore[arg-type]
            inputs={reads: Port(shape=tuple(shape), dtype="uint8")},
            outputs=ports,
            size=size,
            lines=LandmarkLines(style=style) if reads == "lines" else None,  # type: ignore[arg-type]
            target=target_of(size) if reads == "lines" else None,
            precision="fp32",
            training=Training(data_digest="none", steps=0, samples_seen=0, minutes=0.0),
        )
        write_model(path, model, manifest)
        return path

    return make


@pytest.fixture(scope="module")
def still(footage: Path) -> Picture:
    return next(iter(FileFrames(footage / "talkerA_webcam_53s.mp4"))).picture


@pytest.fixture
def make_rig(face_points: FacePoints, still: Picture, shown: Shown, clock: ManualClock) -> Iterator[Callable[..., Rig]]:
    rigs: list[Rig] = []

    def make(**settings: Any) -> Rig:
        rigs.append(Rig(face_points, still, shown, clock, **settings))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.gate.set()
        rig.engine.close()


@pytest.fixture
def rig(make_rig: Callable[..., Rig]) -> Rig:
    return make_rig()
