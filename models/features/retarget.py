"""Maps any performer's points to the target's position, size and proportions, before they are drawn.

A generator only knows lines as in its training data. A performer with another face, nearer or elsewhere in the picture,
would come out distorted; so pose and expression are taken relative to the performer's own neutral face and added to the
target's. Free of torch; used by the stage, render and evaluation.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.features.face_points import RIGID, eye_distance, openings
from models.features.geometry import fitted_turn, to_complex, to_points
from models.features.types import Points

RANGE_MARGIN = 1.15
"""Factor on the range of each point in the training data: the network extrapolates a little, not a lot."""


_INNER_UPPER, _INNER_LOWER = [61, 62, 63], [67, 66, 65]
_UPPER_SHARE = 0.15
"""The share of an opening by which the upper lip rises; the rest the lower lip moves down, and the chin most of it."""
_MOVES_WITH_LIPS = {
    **dict.fromkeys((50, 51, 52), -_UPPER_SHARE),
    **dict.fromkeys((56, 57, 58), 1 - _UPPER_SHARE),
    **dict.fromkeys((55, 59), 0.5),
    **dict.fromkeys((7, 8, 9), 0.6),
    **dict.fromkeys((6, 10), 0.45),
    **dict.fromkeys((5, 11), 0.3),
    **dict.fromkeys((4, 12), 0.15),
}
"""How far the other points move with the lips, in openings, down being positive."""


class Pose(NamedTuple):
    """A face relative to its neutral: shift in the neutral's eye distances, scale as a ratio, roll in radians."""

    shift_x: float
    shift_y: float
    scale: float
    roll: float


def pose_and_residual(points: Points, neutral: Points) -> tuple[Pose, NDArray[np.float64]]:
    """The pose relative to `neutral`, and the residual, the expression, (68, 2) in the neutral's own pixels.

    The pose is a similarity fitted on nose bridge and eye corners; see models.features.geometry.
    """
    source, target = points[RIGID].astype(np.float64), neutral[RIGID].astype(np.float64)
    source_mean, target_mean = source.mean(0), target.mean(0)
    turn = fitted_turn(to_complex(target - target_mean), to_complex(source - source_mean))
    if abs(turn) < 1e-6:
        turn = 1 + 0j
    without_pose = to_complex(points - source_mean) / turn
    shift = (source_mean - target_mean) / max(eye_distance(neutral), 1e-6)
    residual = to_points(without_pose) + target_mean - neutral
    return Pose(float(shift[0]), float(shift[1]), abs(turn), float(np.angle(turn))), residual


def apply_pose(shape: NDArray[np.float64], neutral: Points, pose: Pose) -> Points:
    """Moves the shape (68, 2), given in the neutral's place, by `pose`; the inverse of `pose_and_residual`."""
    anchor = neutral[RIGID].astype(np.float64).mean(0)
    turned = to_complex(shape - anchor) * pose.scale * np.exp(1j * pose.roll)
    shift = np.array([pose.shift_x, pose.shift_y]) * eye_distance(neutral)
    return np.asarray(to_points(turned) + anchor + shift, np.float32)


def closed_mouth(points: Points) -> Points:
    """The face with its lips closed, and the chin moved accordingly: a neutral to which openings are added.

    A neutral is a median, so that of a talking person has an open mouth; relative to that, closing lips would have to
    cross, and opening lips would open less far.
    """
    closed = points.astype(np.float64)
    gaps = closed[_INNER_LOWER] - closed[_INNER_UPPER]
    closed[_INNER_UPPER] += _UPPER_SHARE * gaps
    closed[_INNER_LOWER] -= (1 - _UPPER_SHARE) * gaps
    gap = gaps.mean(0)
    for index, share in _MOVES_WITH_LIPS.items():
        closed[index] -= share * gap
    return closed.astype(np.float32)


def target_facts(points: NDArray[np.float32], neutral: Points | None = None) -> dict[str, object]:
    """The facts about a target for retargeting, from its points (n, 68, 2) in picture pixels; the manifest's `target`.

    Ranges are percentiles (0.5 to 99.5), so that one bad detection does not widen them. `neutral` is the points' own
    unless given.
    """
    neutral = neutral_of(points) if neutral is None else neutral
    fitted = [pose_and_residual(p, neutral) for p in points]
    poses = np.array([pose for pose, _ in fitted])
    residuals = np.array([residual for _, residual in fitted])
    opened = np.array([openings(p) for p in points])
    low, high = np.percentile(residuals, [0.5, 99.5], axis=0)
    pose_low, pose_high = np.percentile(poses, [0.5, 99.5], axis=0)
    ranges = {
        name: [round(float(a), 5), round(float(b), 5)]
        for name, a, b in zip(Pose._fields, pose_low, pose_high, strict=True)
    }
    opening_ranges = {
        name: [round(float(v), 5) for v in np.percentile(opened[:, i], [5, 50, 95])]
        for i, name in enumerate(("mouth", "left_eye", "right_eye"))
    }
    return {
        "neutral": _listed(neutral),
        "residual_low": _listed(low),
        "residual_high": _listed(high),
        **ranges,
        "openings": opening_ranges,
    }


class Retarget:
    """(performer's points, performer's neutral) -> points in the look's picture, in its pixels."""

    def __init__(self, target: Mapping[str, object]) -> None:
        self.neutral: Points = np.array(target["neutral"], np.float32)
        self._closed = closed_mouth(self.neutral)
        # The ranges were measured from the original neutral; here they are relative to the one with a closed mouth.
        opened = self.neutral - self._closed
        self._low = np.array(target["residual_low"], np.float64) * RANGE_MARGIN + opened
        self._high = np.array(target["residual_high"], np.float64) * RANGE_MARGIN + opened
        self._pose_low, self._pose_high = np.array([target[name] for name in Pose._fields], np.float64).T
        self._eyes = eye_distance(self.neutral)

    def __call__(self, points: Points, neutral: Points) -> Points:
        """float32 (68, 2); values beyond the training data's range are limited softly, without jumps."""
        pose, residual = pose_and_residual(points, closed_mouth(neutral))
        residual = residual * (self._eyes / max(eye_distance(neutral), 1e-6))
        shape = self._closed + soft_limit(residual, self._low, self._high)
        return apply_pose(shape, self._closed, Pose(*soft_limit(np.array(pose), self._pose_low, self._pose_high)))


def soft_limit(value: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float64]:
    """`value` unchanged in the inner 70 % of its range, then compressed (tanh) so that it never leaves it."""
    middle, half = (low + high) / 2, np.maximum((high - low) / 2, 1e-6)
    x = (value - middle) / half
    knee = 0.7
    over = np.abs(x) - knee
    bent = np.sign(x) * (knee + (1 - knee) * np.tanh(over / (1 - knee)))
    return np.asarray(middle + half * np.where(over > 0, bent, x))


class RunningNeutral:
    """The performer's neutral face, estimated while performing.

    The first face is the first estimate, so that the first frame on stage has the right size. From then on shape and
    pose are the medians of the last half minute, so the estimate recovers soon if the performer opens with a shout, or
    sits down elsewhere; the output eases towards them, so that the picture does not jump.
    """

    STEP_S = 0.2
    MEMORY = 150
    """Faces stored, one every STEP_S."""
    EASE_S = 0.7

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Starts again for another performer."""
        self._reference: Points | None = None
        self._recent: deque[tuple[Pose, NDArray[np.float64]]] = deque(maxlen=self.MEMORY)
        self._median: NDArray[np.float64] = np.zeros((0, 2))
        self._neutral: NDArray[np.float64] = np.zeros((0, 2))
        self._added_s = self._updated_s = -math.inf

    def update(self, points: Points, t_s: float) -> Points:
        """The neutral, float32 (68, 2) in frame pixels, as known at `t_s`."""
        if self._reference is None:
            self._reference = points.astype(np.float32)
            self._median = self._neutral = points.astype(np.float64)
            self._updated_s = t_s
        if t_s >= self._added_s + self.STEP_S:
            self._added_s = t_s
            self._recent.append(pose_and_residual(points, self._reference))
            self._median = _typical(self._recent, self._reference)
        ease = 1 - math.exp(-max(t_s - self._updated_s, 0.0) / self.EASE_S)
        self._updated_s = t_s
        self._neutral = self._neutral + ease * (self._median - self._neutral)
        return self._neutral.astype(np.float32)


def neutral_of(points: NDArray[np.float32]) -> Points:
    """The neutral face of a whole clip's points (n, 68, 2): median shape at the median pose."""
    reference = np.median(points, axis=0).astype(np.float32)
    for _ in range(2):  # again with the pose removed, else a head that turns a lot blurs the median
        reference = _typical([pose_and_residual(p, reference) for p in points], reference).astype(np.float32)
    return reference


def _typical(seen: Iterable[tuple[Pose, NDArray[np.float64]]], reference: Points) -> NDArray[np.float64]:
    poses, residuals = zip(*seen, strict=True)
    shape = reference + np.median(np.array(residuals), axis=0)
    return apply_pose(shape, reference, Pose(*np.median(np.array(poses), axis=0))).astype(np.float64)


def _listed(points: NDArray[np.floating]) -> list[list[float]]:
    return [[round(float(x), 3), round(float(y), 3)] for x, y in points]
