"""Augmentation of prepared pictures: random similarity transforms, and eyes and mouth opened differently.

A minute of footage shows the face in few places and with few blinks, and its landmarks are noisier than the lids move;
a network trained on that alone learns the average lid. Here picture and points are warped by the same known map, so
drawing and picture agree exactly, however far the lids are. Free of torch; pure functions of the random generator.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from models.features.face_points import eye_distance
from models.features.types import Picture, Points

_TABLE = 65
"""Places at which a stretch is tabulated to be inverted, linearly interpolated between."""


@dataclass(frozen=True)
class MoveOptions:
    """Ranges of the augmentation; zeros leave the picture as filmed."""

    scale: float = 0.0
    """+- share of the scale."""
    shift: float = 0.0
    """+- share of the picture's side."""
    turn: float = 0.0
    """+- degrees."""
    stretch: float = 0.0
    """Eyes and mouth open up to e^stretch times as far, or as little; mouths slightly further."""

    @property
    def still(self) -> bool:
        return not (self.scale or self.shift or self.turn or self.stretch)


@dataclass(frozen=True)
class OpeningStretch:
    """One opening, of an eye or of the mouth, made `factor` times as wide about the line through its corners.

    In the opening's coordinates, u along the corners and v across: what is within `inner` of the line is scaled by
    `factor`, a rim of `carried` (a lip) is shifted unchanged, what is at `above` (towards the brow) and `below` is not
    moved, and between them the shift falls off linearly. Along u the effect fades out over as much again as the opening
    is long.
    """

    centre: NDArray[np.float64]
    along: NDArray[np.float64]
    half: float
    inner: float
    carried: float
    above: float
    below: float
    factor: float

    def source(self, u: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.float64]:
        """The v before the stretch of what is at (u, v) after it."""
        edge = self.inner * self.factor
        gain = self.inner - edge
        rim = edge + self.carried
        up = np.interp(-v, [0, edge, rim, self.above], [0, gain, gain, 0])
        down = np.interp(v, [0, edge, rim, self.below], [0, gain, gain, 0])
        fade = np.clip((np.abs(u) - self.half) / self.half, 0, 1)
        weight = 0.5 + 0.5 * np.cos(np.pi * fade)
        return np.asarray(v + weight * np.where(v < 0, -up, down), np.float64)

    def moved(self, points: Points) -> Points:
        """The points, (n, 2), after the stretch: the inverse of `source`."""
        across = np.array([-self.along[1], self.along[0]])
        u, v = (points - self.centre) @ self.along, (points - self.centre) @ across
        table = np.linspace(-self.above, self.below, _TABLE)
        after = v.copy()
        for i in np.flatnonzero((np.abs(u) < 2 * self.half) & (v > -self.above) & (v < self.below)):
            after[i] = np.interp(v[i], self.source(np.full(_TABLE, u[i]), table), table)
        return np.asarray(points + (after - v)[:, None] * across, np.float32)


@dataclass(frozen=True)
class Move:
    """One augmentation: the stretches, one after another, and then the similarity."""

    matrix: NDArray[np.float64]
    """(2, 3), from the prepared picture's core to the copy."""
    stretches: tuple[OpeningStretch, ...] = field(default=())

    def points(self, points: Points) -> Points:
        """The positions of `points`, (n, 2), in the copy."""
        for stretch in self.stretches:
            points = stretch.moved(points)
        return np.asarray(points @ self.matrix[:, :2].T + self.matrix[:, 2], np.float32)

    def picture(self, stored: Picture, margin: float, size: int) -> Picture:
        """The copy, uint8 (size, size, 3), of a stored picture that has `margin` pixels around its core."""
        back = cv2.invertAffineTransform(self.matrix)
        y, x = np.mgrid[0:size, 0:size].astype(np.float32)
        wanted_x = (back[0, 0] * x + back[0, 1] * y + back[0, 2]).astype(np.float32)
        wanted_y = (back[1, 0] * x + back[1, 1] * y + back[1, 2]).astype(np.float32)
        for stretch in reversed(self.stretches):
            _unstretch(stretch, wanted_x, wanted_y)
        wanted_x += np.float32(margin)
        wanted_y += np.float32(margin)
        border = cv2.BORDER_REFLECT_101
        return np.asarray(cv2.remap(stored, wanted_x, wanted_y, cv2.INTER_CUBIC, borderMode=border), np.uint8)


def draw_move(points: Points, size: int, options: MoveOptions, rng: np.random.Generator) -> Move:
    """A random augmentation of a picture of `size` pixels with `points` in it."""
    stretches: tuple[OpeningStretch, ...] = ()
    if options.stretch:
        eyes, wink, mouth = rng.uniform(-1, 1), rng.uniform(-0.3, 0.3), rng.uniform(-0.7, 1.3)
        stretches = (
            *_stretched(points, (36, 39), (37, 38), (41, 40), math.exp(options.stretch * (eyes + wink))),
            *_stretched(points, (42, 45), (43, 44), (47, 46), math.exp(options.stretch * (eyes - wink))),
            *_stretched(points, (48, 54), (61, 62, 63), (67, 66, 65), math.exp(options.stretch * mouth)),
        )
    scale = 1 + rng.uniform(-options.scale, options.scale)
    angle = math.radians(rng.uniform(-options.turn, options.turn))
    shift = rng.uniform(-options.shift, options.shift, 2) * size
    turn = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    centre = np.full(2, (size - 1) / 2)
    return Move(np.column_stack([turn, centre + shift - turn @ centre]), stretches)


def _stretched(
    points: Points, corners: tuple[int, int], upper: tuple[int, ...], lower: tuple[int, ...], factor: float
) -> tuple[OpeningStretch, ...]:
    """The stretch of one opening, or none where it is shut: what is not visible cannot be made wider."""
    left, right = (points[i].astype(np.float64) for i in corners)
    length = float(np.linalg.norm(right - left))
    above, below = points[list(upper)].mean(0).astype(np.float64), points[list(lower)].mean(0).astype(np.float64)
    open_px = float(np.linalg.norm(below - above))
    if length < 2 or open_px < 0.02 * eye_distance(points):
        return ()
    along = (right - left) / length
    mouth = corners[0] == 48
    inner, carried = open_px / 2, (0.25 if mouth else 0.1) * length
    # An eye's surroundings end at the brow; a mouth's at the nose, and below it the chin goes with the lip. The slope
    # of the fall-off must stay below one, or the picture would fold over.
    reach = (0.62 * length, 1.6 * length) if mouth else (0.8 * length, 0.8 * length)
    up, down = (max(r, inner * factor + carried + 2 * inner * abs(1 - factor) + 1) for r in reach)
    return (OpeningStretch((above + below) / 2, along, 0.55 * length, inner, carried, up, down, factor),)


def _unstretch(stretch: OpeningStretch, x: NDArray[np.float32], y: NDArray[np.float32]) -> None:
    """Maps the positions (x, y), in place, to the stretch's source positions; only in the stretch's surroundings."""
    reach = math.hypot(2 * stretch.half, max(stretch.above, stretch.below))
    near = (np.abs(x - stretch.centre[0]) < reach) & (np.abs(y - stretch.centre[1]) < reach)
    rows, columns = np.flatnonzero(near.any(1)), np.flatnonzero(near.any(0))
    if not len(rows) or not len(columns):
        return
    part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    across = np.array([-stretch.along[1], stretch.along[0]])
    dx, dy = x[part] - stretch.centre[0], y[part] - stretch.centre[1]
    u = dx * stretch.along[0] + dy * stretch.along[1]
    v = dx * across[0] + dy * across[1]
    change = stretch.source(u.astype(np.float64), v.astype(np.float64)) - v
    x[part] += (change * across[0]).astype(np.float32)
    y[part] += (change * across[1]).astype(np.float32)
