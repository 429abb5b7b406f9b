"""Geometry: fits against transforms that are known, squares and letterboxes against pixels counted by hand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from models.features.geometry import Similarity, centre_square, letterbox, to_square


def _points(count: int = 68) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 300, (count, 2)).astype(np.float32)


def test_fit_finds_a_known_similarity() -> None:
    known = Similarity(1.3 * np.exp(0.4j), 100 + 50j, 20 - 7j)
    points = _points()
    fitted = Similarity.fitted(points, known.moved(points))
    assert fitted.turn == pytest.approx(known.turn, abs=1e-5)
    np.testing.assert_allclose(fitted.matrix, known.matrix, atol=1e-3)
    np.testing.assert_allclose(fitted.inverse.moved(known.moved(points)), points, atol=1e-2)


def test_fit_is_the_least_squares_one() -> None:
    source, target = _points(), _points()[::-1] * np.float32(0.5)
    fitted = Similarity.fitted(source, target)

    def error(similarity: Similarity) -> float:
        return float(((similarity.moved(source) - target) ** 2).sum())

    for turn in (1.01, 0.99, np.exp(0.01j), np.exp(-0.01j)):
        assert error(fitted) < error(fitted._replace(turn=fitted.turn * turn))
    for shift in (1, -1, 1j, -1j):
        assert error(fitted) < error(fitted._replace(new_centre=fitted.new_centre + shift))


def test_matrix_moves_pictures_as_points_are_moved() -> None:
    similarity = Similarity(0.8 * np.exp(0.3j), 64 + 64j, 70 + 60j)
    picture = np.zeros((128, 128), np.uint8)
    cv2.circle(picture, (90, 50), 4, 255, -1)
    warped = cv2.warpAffine(picture, similarity.matrix, (128, 128))
    ys, xs = np.nonzero(warped > 127)
    (moved,) = similarity.moved(np.array([[90, 50]], np.float32))
    np.testing.assert_allclose([xs.mean(), ys.mean()], moved, atol=0.3)


def test_points_that_are_one_give_no_infinite_turn() -> None:
    one = np.ones((8, 2), np.float32)
    assert np.isfinite(Similarity.fitted(one, _points(8)).matrix).all()


@pytest.mark.parametrize(
    ("shape", "square"), [((480, 640, 3), (80, 0, 480)), ((908, 480), (0, 214, 480)), ((5, 8), (1, 0, 5))]
)
def test_centre_square(shape: tuple[int, ...], square: tuple[int, int, int]) -> None:
    assert centre_square(shape) == square


def test_to_square_keeps_pixel_centres() -> None:
    # The square's first pixel, halved: two of the frame's pixels become one, whose centre lies between theirs.
    corner = to_square(np.array([[10, 20], [11, 21]], np.float32), np.array([10.0, 20.0, 8.0]), 4)
    np.testing.assert_allclose(corner, [[-0.25, -0.25], [0.25, 0.25]])


def test_letterbox_fills_one_side_and_leaves_the_border() -> None:
    canvas = np.full((20, 20, 3), 7, np.uint8)
    letterbox(np.full((10, 5, 3), 200, np.uint8), canvas)
    assert (canvas[:, 5:15] == 200).all()
    assert (canvas[:, :5] == 7).all()
    assert (canvas[:, 15:] == 7).all()
