"""The drawing a generator reads."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from models.features.face_lines import draw_face2face_lines, draw_lines
from models.features.geometry import to_square


@pytest.fixture
def face() -> np.ndarray:
    rng = np.random.default_rng(3)
    return rng.uniform(40, 210, (68, 2)).astype(np.float32)


def test_lines_are_as_wide_whatever_the_camera(face: np.ndarray) -> None:
    """The same face seen by two cameras gives the same drawing: it is drawn in output pixels."""
    square_a, square_b = np.array([0.0, 0.0, 256.0]), np.array([100.0, 50.0, 900.0])
    in_b = (face + 0.5) * 900 / 256 - 0.5 + [100, 50]
    a = draw_lines(to_square(face, square_a, 256), 256)
    b = draw_lines(to_square(in_b, square_b, 256), 256)
    assert np.abs(a.astype(int) - b).max() <= 4


def test_half_a_pixel_is_seen(face: np.ndarray) -> None:
    assert not np.array_equal(draw_lines(face, 256), draw_lines(face + np.float32(0.25), 256))


def test_points_outside_the_picture_do_no_harm(face: np.ndarray) -> None:
    assert draw_lines(face * 40 - 5000, 256).shape == (256, 256, 3)


def test_face2face_drawing_is_its_code_s(face: np.ndarray) -> None:
    """Drawn again here as face2face-demo's reshape_for_polyline and slices do, at 640x480."""
    points = face + np.array([150, 100], np.float32)
    black = np.zeros((480, 640, 3), np.uint8)
    whole = points.astype(np.int32)
    for first, last in ((0, 17), (17, 22), (22, 27), (27, 31)):
        cv2.polylines(black, [whole[first:last].reshape(-1, 1, 2)], False, (255, 255, 255), 3)
    for first, last in ((30, 35), (36, 42), (42, 48), (48, 60), (60, 68)):
        cv2.polylines(black, [whole[first:last].reshape(-1, 1, 2)], True, (255, 255, 255), 3)
    expected = cv2.resize(black[:, 80:560], (256, 256))
    assert np.array_equal(draw_face2face_lines(points, (480, 640), 256), expected)
