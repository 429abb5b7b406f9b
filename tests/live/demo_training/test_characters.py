"""The fictional performers: they must be detected and tracked like a person, and be the same every time."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import av
import cv2
import dlib
import numpy as np
import pytest
from numpy.typing import NDArray

from live.demo_training.characters import CHARACTERS, character
from live.demo_training.characters.figure import Figure
from live.demo_training.characters.footage import write_footage
from live.demo_training.characters.head import Expression
from live.demo_training.characters.motion import Performance
from live.demo_training.characters.shading import HeadPose

Picture = NDArray[np.uint8]
NAMES = sorted(CHARACTERS)
POSES = (
    HeadPose(),
    HeadPose(yaw=0.30, pitch=0.08),
    HeadPose(yaw=-0.30, roll=0.10, right=0.05),
    HeadPose(pitch=-0.18, scale=1.08),
    HeadPose(yaw=0.15, roll=-0.15, scale=0.92),
)


@cache
def figure(name: str) -> Figure:
    return character(name)


@pytest.fixture(scope="module")
def points() -> Callable[[Picture], NDArray[np.float64]]:
    """A picture -> its 68 points; fails unless exactly one face is found."""
    found = importlib.util.find_spec("face_recognition_models")
    if found is None or found.origin is None:
        pytest.skip("face_recognition_models is not installed")
    file = Path(found.origin).parent / "models" / "shape_predictor_68_face_landmarks.dat"
    predictor: Any = dlib.shape_predictor(str(file))
    detector: Any = dlib.get_frontal_face_detector()

    def find(picture: Picture) -> NDArray[np.float64]:
        faces = detector(picture, 0)
        assert len(faces) == 1
        shape = predictor(picture, faces[0])
        return np.array([(shape.part(i).x, shape.part(i).y) for i in range(68)], np.float64)

    return find


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("pose", POSES)
def test_one_face_is_found_at_both_sizes(
    name: str, pose: HeadPose, points: Callable[[Picture], NDArray[np.float64]]
) -> None:
    picture = figure(name).picture(pose, Expression(jaw=0.2), 512)
    assert picture.shape == (512, 512, 3)
    assert picture.dtype == np.uint8
    points(picture)
    points(np.asarray(cv2.resize(picture, (256, 256), interpolation=cv2.INTER_AREA), np.uint8))


@pytest.mark.parametrize("name", NAMES)
def test_the_mouth_that_is_found_follows_the_jaw(name: str, points: Callable[[Picture], NDArray[np.float64]]) -> None:
    jaws = (0.0, 0.25, 0.5, 0.75, 1.0)
    openings = []
    for jaw in jaws:
        seen = [points(figure(name).picture(HeadPose(yaw=yaw), Expression(jaw=jaw), 512)) for yaw in (-0.1, 0.1)]
        openings.append(float(np.mean([np.linalg.norm(p[62] - p[66]) for p in seen])))
    assert np.corrcoef(jaws, openings)[0, 1] > 0.93
    assert openings[-1] > openings[0] + 15


@pytest.mark.parametrize("name", NAMES)
def test_closed_eyes_are_found_closed(name: str, points: Callable[[Picture], NDArray[np.float64]]) -> None:
    def opening(blink: float) -> float:
        p = points(figure(name).picture(HeadPose(), Expression(blink_left=blink, blink_right=blink), 512))
        return float(sum(np.linalg.norm(p[a] - p[b]) for a, b in ((37, 41), (38, 40), (43, 47), (44, 46))))

    assert opening(1.0) < 0.80 * opening(0.0)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_moment_gives_the_same_picture(name: str) -> None:
    moment = Performance(CHARACTERS[name].seed).at(7.0)
    again = Performance(CHARACTERS[name].seed).at(7.0)
    assert moment == again
    assert np.array_equal(figure(name).picture(*moment, 128), character(name).picture(*again, 128))


def test_the_performance_reaches_its_ends() -> None:
    for name in NAMES:
        performance = Performance(CHARACTERS[name].seed)
        moments = [performance.at(t) for t in np.arange(0, 60, 0.2)]
        yaws = [pose.yaw for pose, _ in moments]
        assert min(yaws) < -0.25
        assert max(yaws) > 0.25
        assert max(e.jaw for _, e in moments) > 0.85
        assert min(e.jaw for _, e in moments) < 0.02
        assert max(e.rounded for _, e in moments) > 0.5
        assert max(e.smile for _, e in moments) > 0.7
        assert max(e.blink_left for _, e in moments) > 0.95


def test_footage_is_a_film(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    write_footage("porcelain", tmp_path / "film.mp4", seconds=0.2, size=128, progress=lambda *done: seen.append(done))
    assert seen[-1] == (5, 5)
    with av.open(str(tmp_path / "film.mp4")) as film:
        pictures = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert len(pictures) == 5
    assert pictures[0].shape == (128, 128, 3)
    assert [p.name for p in tmp_path.iterdir()] == ["film.mp4"]
