"""Geometry of points and pictures: similarity transforms, squares, letterboxes.

The numbers feed training data and pictures: a change of the arithmetic changes both in the last bit. Points are (n, 2),
x before y, in pixels; pixel i of a picture is at i, its edges at i - 0.5 and i + 0.5. Pure functions, in any thread.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from models.features.types import Picture, Points

AffineMatrix = NDArray[np.float64]
"""(2, 3), as cv2.warpAffine takes it."""


class Similarity(NamedTuple):
    """Rotation, scale and shift, in the complex plane: p -> (p - centre) * turn + new_centre.

    The absolute value of `turn` is the scale, its angle the rotation, clockwise as seen in a picture.
    """

    turn: complex
    centre: complex
    new_centre: complex

    @classmethod
    def fitted(cls, source: Points, target: Points) -> Similarity:
        """The one that maps `source` to `target` with the least sum of squared distances (Umeyama 1991, in two
        dimensions)."""
        a, b = to_complex(source), to_complex(target)
        return cls(fitted_turn(a - a.mean(), b - b.mean()), complex(a.mean()), complex(b.mean()))

    @property
    def inverse(self) -> Similarity:
        return Similarity(1 / self.turn, self.new_centre, self.centre)

    @property
    def matrix(self) -> AffineMatrix:
        turn, shift = self.turn, self._shift
        return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])

    def moved(self, points: Points) -> Points:
        return to_points(to_complex(points) * self.turn + self._shift).astype(np.float32)

    @property
    def _shift(self) -> complex:
        return self.new_centre - self.centre * self.turn


def fitted_turn(source: NDArray[np.complex128], target: NDArray[np.complex128]) -> complex:
    """The turn that maps `source` to `target`, both (n,) and centred, by least squares: in the complex plane it has a
    closed form. 0 where the points of either are one."""
    return complex(np.vdot(source, target) / max(float(np.vdot(source, source).real), 1e-9))


def to_complex(points: NDArray[np.floating]) -> NDArray[np.complex128]:
    """(n, 2) -> (n,), x + iy."""
    exact = points.astype(np.float64)
    return exact[:, 0] + 1j * exact[:, 1]


def to_points(numbers: NDArray[np.complex128]) -> NDArray[np.float64]:
    """(n,) -> (n, 2), the inverse of `to_complex`."""
    return np.stack([numbers.real, numbers.imag], 1)


def centre_square(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Left, top and side of the largest square in the middle of a picture of this shape."""
    height, width = shape[:2]
    side = min(height, width)
    return (width - side) // 2, (height - side) // 2, side


def to_square(points: Points, square: NDArray[np.float64], size: int) -> Points:
    """Points of a frame in the pixels of a `size` picture cut from it; `square` is left, top, side in frame pixels."""
    left, top, side = square
    scale = size / side
    return np.asarray((points + 0.5 - [left, top]) * scale - 0.5, np.float32)


def letterbox(picture: Picture, canvas: Picture, interpolation: int = cv2.INTER_LINEAR) -> None:
    """Copies `picture` into the middle of `canvas`, as large as it fits, keeping its proportions, and at least one
    pixel wide and high; the border is not changed. `interpolation` is OpenCV's, used for enlarging."""
    height, width = canvas.shape[:2]
    scale = min(height / picture.shape[0], width / picture.shape[1])
    size = (
        min(max(round(picture.shape[1] * scale), 1), width),
        min(max(round(picture.shape[0] * scale), 1), height),
    )
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    part = canvas[top : top + size[1], left : left + size[0]]
    if size == (picture.shape[1], picture.shape[0]):
        part[:] = picture
    else:
        part[:] = cv2.resize(picture, size, interpolation=interpolation if scale >= 1 else cv2.INTER_AREA)
