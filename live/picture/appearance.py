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
    cells = np.empty((CELLS, CELLS, DIRECTIONS), np.float32)
    for i in range(DIRECTIONS):
        away = np.abs((direction - i + DIRECTIONS / 2) % DIRECTIONS - DIRECTIONS / 2)
        share = strength * np.maximum(1 - away, 0)
        cells[..., i] = cv2.resize(share, (CELLS, CELLS), interpolation=cv2.INTER_AREA)
    cells *= (FACE_PX // CELLS) ** 2
    around = np.sqrt(cv2.blur(np.square(cells).sum(-1), (3, 3)) * 9)
    return np.asarray(np.sqrt(cells / (around[..., None] + FLAT)), np.float32)


def likeness(a: Descriptor, b: Descriptor) -> float:
    """-1 to 1: 1 for the same picture; see `performer_lock.SAME`."""
    one, other = a.ravel() - a.mean(), b.ravel() - b.mean()
    return float(one @ other / max(float(np.linalg.norm(one) * np.linalg.norm(other)), 1e-9))


class Appearance:
    """The views of one face that were seen so far."""

    def __init__(self, first: Descriptor) -> None:
        self._views = [first]
        self._replaced = 0

    def likeness(self, face: Descriptor) -> float:
        """Of `face` to the most alike view."""
        return max(likeness(face, view) for view in self._views)

    def halves(self, face: Descriptor) -> tuple[float, float]:
        """The likenesses of the upper and of the lower half of `face`, each to its most alike view."""
        middle = CELLS // 2
        upper = max(likeness(face[:middle], view[:middle]) for view in self._views)
        return upper, max(likeness(face[middle:], view[middle:]) for view in self._views)

    def learn(self, face: Descriptor) -> None:
        """Keeps `face` as another view, if it is the performer's and not known; the first view stays for ever."""
        if not LEARN_FROM <= self.likeness(face) < LEARN_BELOW:
            return
        if len(self._views) < EXEMPLARS:
            self._views.append(face)
        else:
            self._views[1 + self._replaced % (EXEMPLARS - 1)] = face
            self._replaced += 1


def _upright(picture: Picture, points: Points) -> Picture:
    first, second = points[LEFT_EYE].mean(0), points[RIGHT_EYE].mean(0)
    across = complex(*(second - first)) or 1 + 0j
    turn = FACE_PX * EYES_APART / across
    linear = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    eye_at = FACE_PX * np.array([(1 - EYES_APART) / 2, EYES_AT_Y])
    matrix = np.column_stack([linear, eye_at - linear @ first])
    return np.asarray(cv2.warpAffine(picture, matrix, (FACE_PX, FACE_PX), flags=cv2.INTER_LINEAR), np.uint8)
