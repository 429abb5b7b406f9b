"""dlib's points as training and the stage use them, on real pictures."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import cv2
import dlib
import numpy as np
import pytest

from models.features.face_points import Box, FacePoints, LandmarkFileMissing, eye_distance, landmark_file, openings
from models.features.types import Picture


@pytest.fixture(scope="module")
def finder() -> FacePoints:
    return FacePoints()


def _boxes(data: Path) -> list[tuple[Picture, Box, np.ndarray]]:
    folder = data / "faces" / "dlib_landmarks"
    found = []
    for image in ElementTree.parse(folder / "training_with_face_landmarks.xml").iter("image"):
        path = folder / str(image.get("file"))
        if not path.is_file():
            continue
        picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        for box in image.iter("box"):
            left, top, width, height = (int(box.get(key, "0")) for key in ("left", "top", "width", "height"))
            parts = sorted(box.iter("part"), key=lambda part: int(part.get("name", "0")))
            points = np.array([(float(p.get("x", "0")), float(p.get("y", "0"))) for p in parts])
            found.append((picture, Box(left, top, left + width - 1, top + height - 1), points))
    return found


def test_points_are_those_of_a_direct_dlib_call_and_fine_points_round_to_them(data: Path, finder: FacePoints) -> None:
    predictor = dlib.shape_predictor(str(landmark_file()))
    boxes = _boxes(data)
    assert len(boxes) >= 8
    for picture, box, _ in boxes:
        direct = np.array([(p.x, p.y) for p in predictor(picture, dlib.rectangle(*box)).parts()])
        assert np.array_equal(finder.points(picture, box), direct)
        assert np.array_equal(np.round(finder.fine_points(picture, box)), direct)


def test_points_lie_within_a_pixel_of_those_dlib_ships(data: Path, finder: FacePoints) -> None:
    distances = [
        np.linalg.norm(finder.points(picture, box) - points, axis=1).mean() for picture, box, points in _boxes(data)
    ]
    assert np.mean(distances) <= 1.0


def test_a_smaller_or_larger_copy_finds_the_same_face(footage: Path, finder: FacePoints) -> None:
    _, frame = cv2.VideoCapture(str(footage / "talkerF_man_glasses_8s.mp4")).read()
    picture = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
    whole = finder.detect(picture)[0].box
    for scale in (0.5, 1.5):
        other = finder.detect(picture, scale)[0].box
        assert np.allclose(whole, other, atol=0.2 * whole.width)


def test_dogs_have_no_face(data: Path, finder: FacePoints) -> None:
    picture = cv2.cvtColor(cv2.imread(str(data / "faces" / "dlib_landmarks" / "dogs.jpg")), cv2.COLOR_BGR2RGB)
    assert finder.detect(picture) == []


def test_a_box_at_the_border_has_points_all_the_same(finder: FacePoints) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    for box in (Box(-40, -40, 60, 60), Box(100, 60, 220, 180), Box(300, 300, 400, 400)):
        assert np.isfinite(finder.fine_points(noise, box)).all()


def test_a_missing_or_wrong_landmark_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUISE_LANDMARKS", str(tmp_path / "none.dat"))
    with pytest.raises(LandmarkFileMissing, match="GUISE_LANDMARKS"):
        FacePoints()
    wrong = tmp_path / "wrong.dat"
    wrong.write_bytes(b"no predictor")
    monkeypatch.setenv("GUISE_LANDMARKS", str(wrong))
    with pytest.raises(LandmarkFileMissing, match="not a dlib shape predictor"):
        FacePoints()


def test_openings_grow_with_the_mouth() -> None:
    points = np.zeros((68, 2), np.float32)
    points[42:48, 0] = 100
    points[[65, 66, 67], 1] = 30
    assert eye_distance(points) == pytest.approx(100)
    assert openings(points)[0] == pytest.approx(0.3)
