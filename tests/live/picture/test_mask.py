"""What a look with a mask may leave of the camera's picture: nothing of the performer's face."""

from __future__ import annotations

import numpy as np
import pytest

from live.picture.mask import FaceShown, lay_over
from models.features.types import Picture, Points

from .conftest import drawn_points

SIDE = 64
WIDTH, HEIGHT = 320, 240
RAW, PAINT = 90, 200
PLACEMENT = np.array([[4.0, 0, 32], [0, 3.5, 8]])
"""The look's picture covers x from 32 to 284, y from 8 to 228."""


def points(x: float = 160, y: float = 100, width: float = 110) -> Points:
    return drawn_points((x, y), width)


def flat(value: int) -> Picture:
    return np.full((SIDE, SIDE, 1), value, np.uint8)


def laid(mask: Picture, occluded: Picture | None = None, at: Points | None = None) -> Picture:
    frame = np.full((HEIGHT, WIDTH, 3), RAW, np.uint8)
    picture = np.full((SIDE, SIDE, 3), PAINT, np.uint8)
    return lay_over(frame, picture, mask, occluded, PLACEMENT, points() if at is None else at)


def test_a_face_that_is_painted_over_is_shown_in_its_frame() -> None:
    picture = laid(flat(255))
    assert picture[100, 160].tolist() == [PAINT] * 3
    assert picture[2, 2].tolist() == [RAW] * 3


def test_what_lies_outside_of_the_face_may_be_soft() -> None:
    mask = flat(255)
    for step in range(8):
        mask[step], mask[-1 - step] = 30 * step, 30 * step
        mask[:, step], mask[:, -1 - step] = (
            np.minimum(mask[:, step], 30 * step),
            np.minimum(mask[:, -1 - step], 30 * step),
        )
    assert laid(mask)[100, 160, 0] == PAINT


@pytest.mark.parametrize("value", [0, 1, 128, 240])
def test_a_mask_that_does_not_cover_shows_nothing(value: int) -> None:
    """NaN cast to uint8 is 0."""
    with pytest.raises(FaceShown, match="bare"):
        laid(flat(value))


def test_one_hole_is_enough() -> None:
    mask = flat(255)
    mask[30, 32] = 0
    with pytest.raises(FaceShown, match="bare"):
        laid(mask)


def test_a_face_beyond_the_look_s_picture_is_bare() -> None:
    with pytest.raises(FaceShown, match="bare"):
        laid(flat(255), at=points(x=60))


def test_what_of_a_face_lies_outside_of_the_frame_needs_no_paint() -> None:
    frame = np.full((HEIGHT, WIDTH, 3), RAW, np.uint8)
    picture = np.full((SIDE, SIDE, 3), PAINT, np.uint8)
    everywhere = np.array([[8.0, 0, -40], [0, 8.0, -40]])
    assert lay_over(frame, picture, flat(255), None, everywhere, points(x=10))[100, 5, 0] == PAINT
    for gone in (points(x=-500), points(x=1e9), points(y=5000)):
        with pytest.raises(FaceShown, match="not in the picture"):
            lay_over(frame, picture, flat(255), None, everywhere, gone)


def test_what_lies_over_the_face_stays_up_to_two_fifths() -> None:
    occluded = flat(0)
    occluded[40:] = 255  # from the mouth down
    picture = laid(flat(255), occluded)
    assert picture[160, 160].tolist() == [RAW] * 3
    assert picture[90, 160].tolist() == [PAINT] * 3
    occluded[20:] = 255
    with pytest.raises(FaceShown, match="at most 40%"):
        laid(flat(255), occluded)


def test_a_veil_over_all_of_the_face_is_no_occlusion() -> None:
    with pytest.raises(FaceShown, match="100% of the face"):
        laid(flat(255), flat(60))
    with pytest.raises(FaceShown, match="bare"):
        laid(flat(120), flat(120))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_points_that_are_none_show_nothing(bad: float) -> None:
    at = points()
    at[30] = bad
    with pytest.raises(FaceShown):
        laid(flat(255), at=at)
