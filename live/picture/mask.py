"""Lays a look's picture into the frame by its mask, and sees to it that the performer's face is painted over.

Runs on the picture engine's loop. What is judged are the weights that the picture is laid in with, in pixels of the
frame: whatever a model gives, nothing bare gets through.
"""

from __future__ import annotations

import cv2
import numpy as np

from models.features.geometry import AffineMatrix
from models.features.types import Picture, Points

PAINTED = 250
"""A mask of this much, of 255, paints over what lies below."""
MOST_OCCLUDED = 0.4
"""The largest share of the face that may be left to what lies over it."""
FAR_PX = 30_000
"""Points beyond are as good as here: they only bound what is drawn."""


class FaceShown(RuntimeError):
    """The look would show the performer's own face, or what its cue does not allow. One sentence."""


def lay_over(
    frame: Picture, picture: Picture, mask: Picture, occluded: Picture | None, placement: AffineMatrix, points: Points
) -> Picture:
    """A copy of `frame` with `picture` placed by `placement` and weighted by `mask`, where nothing is `occluded`.

    `picture` is (side, side, 3), `mask` and `occluded` (side, side, 1); `points` (68, 2) are the performer's, in pixels
    of the frame. Raises FaceShown when their hull is not painted over.
    """
    size = frame.shape[1], frame.shape[0]
    weight = _warped(mask if occluded is None else _without(mask, occluded), placement, size)
    covered = weight if occluded is None else _warped(_either(mask, occluded), placement, size)
    _check_painted(weight, covered, points)
    warped = cv2.warpAffine(picture, placement, size, flags=cv2.INTER_LINEAR)
    weights = cv2.cvtColor(weight, cv2.COLOR_GRAY2RGB)
    kept = cv2.multiply(frame, cv2.bitwise_not(weights), scale=1 / 255)
    return np.asarray(cv2.add(cv2.multiply(warped, weights, scale=1 / 255), kept), np.uint8)


def _check_painted(weight: Picture, covered: Picture, points: Points) -> None:
    """Raises FaceShown when the face's hull shows something that is neither painted nor, in `covered`, something that
    lies over the face; or more of the latter than half a face."""
    hull, rows, columns = _hull(points, weight.shape[0], weight.shape[1])
    face = cv2.countNonZero(hull)
    if face == 0:
        raise FaceShown("its mask is asked for a face that is not in the picture")
    if bare := _below(covered[rows, columns], hull):
        raise FaceShown(f"its mask leaves {bare / face:.2%} of the face bare")
    if (seen := _below(weight[rows, columns], hull)) > MOST_OCCLUDED * face:
        raise FaceShown(f"it takes {seen / face:.0%} of the face for occluded, and at most {MOST_OCCLUDED:.0%} may be")


def _hull(points: Points, height: int, width: int) -> tuple[Picture, slice, slice]:
    """255 inside the hull of `points`, but for a pixel at its edge; with the rows and columns of the frame that it
    covers."""
    if not np.isfinite(points).all():
        raise FaceShown("its mask is asked for a face that is nowhere")
    corners = np.rint(np.clip(points, -FAR_PX, FAR_PX)).astype(np.int32)
    left, top = np.clip(corners.min(0), 0, (width, height)).tolist()
    right, bottom = np.clip(corners.max(0) + 1, 0, (width, height)).tolist()
    hull = np.zeros((bottom - top, right - left), np.uint8)
    if hull.size:
        outline = cv2.convexHull(corners - np.array((left, top), np.int32))
        cv2.fillConvexPoly(hull, outline, 255)
        cv2.polylines(hull, [outline], True, 0, thickness=3)
    return hull, slice(top, bottom), slice(left, right)


def _below(weight: Picture, hull: Picture) -> int:
    """How many pixels of the hull have less weight than what is painted."""
    _, bare = cv2.threshold(weight, PAINTED - 1, 255, cv2.THRESH_BINARY_INV)
    return cv2.countNonZero(cv2.bitwise_and(bare, hull))


def _warped(mask: Picture, placement: AffineMatrix, size: tuple[int, int]) -> Picture:
    """A mask (side, side, 1) in pixels of the frame, (height, width)."""
    flat = np.ascontiguousarray(mask[..., 0])
    return np.asarray(cv2.warpAffine(flat, placement, size, flags=cv2.INTER_LINEAR), np.uint8)


def _without(mask: Picture, occluded: Picture) -> Picture:
    """`mask` where nothing lies over the face: what is `occluded` keeps the frame's pixels."""
    seen = cv2.multiply(mask[..., 0], cv2.bitwise_not(occluded[..., 0]), scale=1 / 255)
    return np.asarray(seen, np.uint8)[..., None]


def _either(mask: Picture, occluded: Picture) -> Picture:
    """What is painted, or lies over the face."""
    return np.asarray(cv2.max(mask[..., 0], occluded[..., 0]), np.uint8)[..., None]
