"""Any performer's points brought to the target's place, size and proportions, before they are drawn.

A generator knows lines only where training put them. A performer with another face, nearer or elsewhere in the
picture, would be painted as a smeared stranger; so the performer's pose and expression are taken relative to the
performer's own neutral face and added to the target's. Free of torch; used by the stage, render and evaluation.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.features.face_points import RIGID, eye_distance, openings
from models.features.types import Points

NOSE = 30
WIDENED = 1.15
"""How far beyond what training saw a point may be asked to go: the network extrapolates a little, not a lot."""


_INNER_UPPER, _INNER_LOWER = [61, 62, 63], [67, 66, 65]
_UPPER_SHARE = 0.15
"""Of an opening, the part that the upper lip rises; the rest the lower lip goes down, and the chin most of it."""
_WITH_THE_MOUTH = {
    **dict.fromkeys((50, 51, 52), -_UPPER_SHARE),
    **dict.fromkeys((56, 57, 58), 1 - _UPPER_SHARE),
    **dict.fromkeys((55, 59), 0.5),
    **dict.fromkeys((7, 8, 9), 0.6),
    **dict.fromkeys((6, 10), 0.45),
    **dict.fromkeys((5, 11), 0.3),
    **dict.fromkeys((4, 12), 0.15),
}
"""How far the other points go with the lips, in openings, down being positive."""


class Pose(NamedTuple):
    """A face against its neutral: shift in the neutral's eye distances, scale as a ratio, roll in radians."""

    shift_x: float
    shift_y: float
    scale: float
    roll: float


def pose_and_residual(points: Points, neutral: Points) -> tuple[Pose, NDArray[np.float64]]:
    """Where the face is against `neutral`, and what is left: its expression, (68, 2) in the neutral's own pixels.

    The similarity is fitted on nose bridge and eye corners (Umeyama 1991, in two dimensions) and taken out.
    """
    source, wanted = points[RIGID].astype(np.float64), neutral[RIGID].astype(np.float64)
    source_mean, wanted_mean = source.mean(0), wanted.mean(0)
    a, b = _complex(source - source_mean), _complex(wanted - wanted_mean)
    # points = turn * neutral + shift, in the complex plane: the least-squares turn has a closed form.
    turn = complex(np.vdot(b, a) / max(float(np.vdot(b, b).real), 1e-9))
    if abs(turn) < 1e-6:
        turn = 1 + 0j
    unposed = _complex(points.astype(np.float64) - source_mean) / turn
    shift = (source_mean - wanted_mean) / max(eye_distance(neutral), 1e-6)
    residual = np.stack([unposed.real, unposed.imag], 1) + wanted_mean - neutral
    return Pose(float(shift[0]), float(shift[1]), abs(turn), float(np.angle(turn))), residual


def pose_back(shape: NDArray[np.float64], neutral: Points, pose: Pose) -> Points:
    """The shape (68, 2), given in the neutral's place, moved as `pose` says; undoes `pose_and_residual`."""
    anchor = neutral[RIGID].astype(np.float64).mean(0)
    turned = _complex(shape - anchor) * pose.scale * np.exp(1j * pose.roll)
    shift = np.array([pose.shift_x, pose.shift_y]) * eye_distance(neutral)
    return np.asarray(np.stack([turned.real, turned.imag], 1) + anchor + shift, np.float32)


def mouth_shut(points: Points) -> Points:
    """The face with its lips brought together, and the chin with them: a neutral to which openings are added.

    A neutral is a median, and somebody who talks has it with an open mouth; taken against that, lips that close would
    be asked to cross, and lips that open to open less far.
    """
    shut = points.astype(np.float64)
    gaps = shut[_INNER_LOWER] - shut[_INNER_UPPER]
    shut[_INNER_UPPER] += _UPPER_SHARE * gaps
    shut[_INNER_LOWER] -= (1 - _UPPER_SHARE) * gaps
    gap = gaps.mean(0)
    for index, share in _WITH_THE_MOUTH.items():
        shut[index] -= share * gap
    return shut.astype(np.float32)


def target_facts(points: NDArray[np.float32], neutral: Points | None = None) -> dict[str, Any]:
    """What retargeting must know of a target, from its points (n, 68, 2) in picture pixels; the manifest's `target`.

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

    def __init__(self, target: Mapping[str, Any]) -> None:
        self.neutral: Points = np.array(target["neutral"], np.float32)
        self._shut = mouth_shut(self.neutral)
        # The ranges were measured from the neutral as it was; here they count from the one whose mouth is shut.
        opened = self.neutral - self._shut
        self._low = np.array(target["residual_low"]) * WIDENED + opened
        self._high = np.array(target["residual_high"]) * WIDENED + opened
        self._pose_low = np.array([target[name][0] for name in Pose._fields])
        self._pose_high = np.array([target[name][1] for name in Pose._fields])
        self._eyes = eye_distance(self.neutral)

    def __call__(self, points: Points, neutral: Points) -> Points:
        """float32 (68, 2); what training never saw is bent back to its border, softly, so that nothing snaps."""
        pose, residual = pose_and_residual(points, mouth_shut(neutral))
        residual = residual * (self._eyes / max(eye_distance(neutral), 1e-6))
        shape = self._shut + soft_limit(residual, self._low, self._high)
        return pose_back(shape, self._shut, Pose(*soft_limit(np.array(pose), self._pose_low, self._pose_high)))


def soft_limit(value: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float64]:
    """`value` unchanged in the inner 70 % of its range, then bent (tanh) so that it never passes the border."""
    middle, half = (low + high) / 2, np.maximum((high - low) / 2, 1e-6)
    x = (value - middle) / half
    knee = 0.7
    over = np.abs(x) - knee
    bent = np.sign(x) * (knee + (1 - knee) * np.tanh(over / (1 - knee)))
    return np.asarray(middle + half * np.where(over > 0, bent, x))


class RunningNeutral:
    """The performer's neutral face, estimated while performing.

    The first face is taken as it is, so that something right-sized is on stage with the first frame. From then on
    shape and pose are the medians of what was seen in the last half minute, so a performer who opens with a shout,
    or sits down elsewhere, is understood soon; the answer eases towards them, so that the picture does not jump.
    `fixed` (from a calibration profile, or from a whole clip) is used as it is.
    """

    STEP_S = 0.2
    MEMORY = 150
    """Faces remembered, one every STEP_S."""
    EASE_S = 0.7

    def __init__(self, fixed: Points | None = None) -> None:
        self._fixed = fixed
        self.forget()

    def forget(self) -> None:
        """Another performer stands before the camera."""
        self._reference: Points | None = None
        self._seen: deque[tuple[Pose, NDArray[np.float64]]] = deque(maxlen=self.MEMORY)
        self._wanted: NDArray[np.float64] = np.zeros((0, 2))
        self._neutral: NDArray[np.float64] = np.zeros((0, 2))
        self._learned_s = self._updated_s = -math.inf

    def update(self, points: Points, t_s: float) -> Points:
        """The neutral, float32 (68, 2) in frame pixels, as known at `t_s`."""
        if self._fixed is not None:
            return self._fixed
        if self._reference is None:
            self._reference = points.astype(np.float32)
            self._wanted = self._neutral = points.astype(np.float64)
            self._updated_s = t_s
        if t_s >= self._learned_s + self.STEP_S:
            self._learned_s = t_s
            self._seen.append(pose_and_residual(points, self._reference))
            self._wanted = _typical(self._seen, self._reference)
        ease = 1 - math.exp(-max(t_s - self._updated_s, 0.0) / self.EASE_S)
        self._updated_s = t_s
        self._neutral = self._neutral + ease * (self._wanted - self._neutral)
        return self._neutral.astype(np.float32)


def neutral_of(points: NDArray[np.float32]) -> Points:
    """The neutral face of a whole clip's points (n, 68, 2): median shape at the median pose."""
    reference = np.median(points, axis=0).astype(np.float32)
    for _ in range(2):  # once more with the pose taken out, else a head that turned a lot blurs the median
        reference = _typical([pose_and_residual(p, reference) for p in points], reference).astype(np.float32)
    return reference


def _typical(seen: Iterable[tuple[Pose, NDArray[np.float64]]], reference: Points) -> NDArray[np.float64]:
    poses, residuals = zip(*seen, strict=True)
    shape = reference + np.median(np.array(residuals), axis=0)
    return pose_back(shape, reference, Pose(*np.median(np.array(poses), axis=0))).astype(np.float64)


def _complex(points: NDArray[np.float64]) -> NDArray[np.complex128]:
    return points[:, 0] + 1j * points[:, 1]


def _listed(points: NDArray[Any]) -> list[list[float]]:
    return [[round(float(x), 3), round(float(y), 3)] for x, y in points]
