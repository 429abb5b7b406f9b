"""What a performer's face looks like, to know it again and to see what covers it.

A descriptor is the directions of the edges in the upright face, 8 x 8 cells of 8 directions: light, colour and camera
noise hardly change it, and it costs 0.2 ms. It tells people apart under one camera in one evening, no more.
Runs in the caller's thread.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.features.face_points import LEFT_EYE, RIGHT_EYE
from models.features.types import Picture, Points

Descriptor = NDArray[np.float32]
"""float32 (8, 8, 8): rows, columns, directions. The upper rows are brows, eyes and nose, the lower mouth and chin."""

CELLS, DIRECTIONS, FACE_PX = 8, 8, 64
EYES_AT_Y, EYES_APART = 0.28, 0.4
"""Where the eyes lie in the upright face, in widths of it."""
FLAT = 50.0
"""The edges of a plain cell, so that noise there does not count as edges."""
_MIDDLE, _ALL, _HALF = CELLS // 2, CELLS * CELLS * DIRECTIONS, CELLS * CELLS * DIRECTIONS // 2
_ROW_OF, _COLUMN_OF = np.indices((FACE_PX, FACE_PX)) * CELLS // FACE_PX
_CELL_OF = (_ROW_OF * CELLS + _COLUMN_OF) * DIRECTIONS
EXEMPLARS = 24
LEARN_FROM, LEARN_BELOW = 0.6, 0.92
"""A view is learned that is surely the performer's and not yet known: likenesses."""


def describe(picture: Picture, points: Points) -> Descriptor:
    """The descriptor of the face at `points` in an RGB or grey picture."""
    face = _upright(picture, points)
    grey = face if face.ndim == 2 else cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)
    smooth = cv2.GaussianBlur(grey, (5, 5), 0).astype(np.float32)
    across, down = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    strength, angle = cv2.cartToPolar(across, down)
    direction = angle * (DIRECTIONS / np.pi)
    below = np.floor(direction)
    share = (direction - below).ravel()
    first = below.astype(np.intp) % DIRECTIONS
    summed = np.bincount((_CELL_OF + first).ravel(), strength.ravel() * (1 - share), CELLS * CELLS * DIRECTIONS)
    second = (first + 1) % DIRECTIONS
    summed += np.bincount((_CELL_OF + second).ravel(), strength.ravel() * share, CELLS * CELLS * DIRECTIONS)
    cells = summed.astype(np.float32).reshape(CELLS, CELLS, DIRECTIONS)
    around = np.sqrt(cv2.blur(np.square(cells).sum(-1), (3, 3)) * 9)
    return np.asarray(np.sqrt(cells / (around[..., None] + FLAT)), np.float32)


def likeness(a: Descriptor, b: Descriptor) -> float:
    """-1 to 1: 1 for the same picture; see `performer_lock.SAME`."""
    return float(_plain(a) @ _plain(b))


class Appearance:
    """The views of one face that were seen so far."""

    def __init__(self, first: Descriptor) -> None:
        self._count = 0
        self._replaced = 0
        self._whole, self._upper, self._lower = (np.zeros((EXEMPLARS, n), np.float32) for n in (_ALL, _HALF, _HALF))
        self._keep(0, first)
        self._count = 1

    def likeness(self, face: Descriptor) -> float:
        """Of `face` to the most alike view."""
        return float((self._whole[: self._count] @ _plain(face)).max())

    def halves(self, face: Descriptor) -> tuple[float, float]:
        """The likenesses of the upper and of the lower half of `face`, each to its most alike view."""
        upper = self._upper[: self._count] @ _plain(face[:_MIDDLE])
        return float(upper.max()), float((self._lower[: self._count] @ _plain(face[_MIDDLE:])).max())

    def learn(self, face: Descriptor) -> None:
        """Keeps `face` as another view, if it is the performer's and not known; the first view stays for ever."""
        if not LEARN_FROM <= self.likeness(face) < LEARN_BELOW:
            return
        if self._count < EXEMPLARS:
            self._keep(self._count, face)
            self._count += 1
        else:
            self._keep(1 + self._replaced % (EXEMPLARS - 1), face)
            self._replaced += 1

    def _keep(self, index: int, face: Descriptor) -> None:
        self._whole[index] = _plain(face)
        self._upper[index], self._lower[index] = _plain(face[:_MIDDLE]), _plain(face[_MIDDLE:])


def _plain(cells: Descriptor) -> NDArray[np.float32]:
    """Without its mean, of length 1."""
    flat = cells.ravel() - cells.mean()
    return np.asarray(flat / max(float(np.linalg.norm(flat)), 1e-9), np.float32)


def _upright(picture: Picture, points: Points) -> Picture:
    first, second = points[LEFT_EYE].mean(0), points[RIGHT_EYE].mean(0)
    across = complex(*(second - first)) or 1 + 0j
    turn = FACE_PX * EYES_APART / across
    linear = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    eye_at = FACE_PX * np.array([(1 - EYES_APART) / 2, EYES_AT_Y])
    matrix = np.column_stack([linear, eye_at - linear @ first])
    return np.asarray(cv2.warpAffine(picture, matrix, (FACE_PX, FACE_PX), flags=cv2.INTER_LINEAR), np.uint8)
