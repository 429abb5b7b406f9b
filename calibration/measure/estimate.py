"""Pure mathematics of measuring: no clock, no file, no thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.features.face_points import openings

OPENINGS = ("mouth", "left_eye", "right_eye")
MAX_SAMPLES = 500
PARTS = 10
STUDENT_T_95 = 2.306
"""95 % of Student's t, two-sided, with PARTS - 2 degrees of freedom."""


class Slope(NamedTuple):
    """The slope of a straight line and the ends of its 95 % interval, in units of y per unit of x."""

    slope: float
    low: float
    high: float

    @property
    def beyond_noise(self) -> bool:
        """Whether zero is outside the interval."""
        return self.low > 0 or self.high < 0


def opening_ranges(points: NDArray[np.float32]) -> dict[str, tuple[float, float, float]]:
    """5th, 50th and 95th percentile of how far mouth and eyes open, in eye distances; `points` is (n, 68, 2)."""
    values = np.array([openings(p) for p in points])
    low, middle, high = np.percentile(values, [5, 50, 95], axis=0)
    return {name: (float(low[i]), float(middle[i]), float(high[i])) for i, name in enumerate(OPENINGS)}


def theil_sen(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """The median of the slopes of all pairs, which tolerates a quarter of arbitrary points (Theil 1950, Sen 1968)."""
    first, second = np.triu_indices(len(x), 1)
    distances = x[second] - x[first]
    usable = distances != 0
    if not usable.any():
        return 0.0
    return float(np.median((y[second] - y[first])[usable] / distances[usable]))


def robust_slope(x: Sequence[float], y: Sequence[float]) -> Slope:
    """Theil-Sen's slope, with a 95 % interval from the scatter of the medians of ten parts about a straight line.

    Neighbouring samples of a process's memory are correlated: taken one by one they would give too narrow an interval.
    Medians of parts that are much longer than this correlation are as good as independent, and Student's t with eight
    degrees of freedom allows for their small number. Of fewer than twenty samples the interval is infinite.
    """
    xs, ys = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if len(xs) < 2 * PARTS:
        return Slope(theil_sen(xs, ys), -np.inf, np.inf)
    x_medians, y_medians = _medians(xs, PARTS), _medians(ys, PARTS)
    centred = x_medians - x_medians.mean()
    fitted = y_medians.mean() + centred * (centred @ y_medians) / (centred @ centred)
    error = np.sqrt(((y_medians - fitted) ** 2).sum() / (PARTS - 2) / (centred @ centred))
    if (
        len(xs) > MAX_SAMPLES
    ):  # The number of pairs grows with the square; medians of neighbours lose nothing of a slope.
        xs, ys = _medians(xs, MAX_SAMPLES), _medians(ys, MAX_SAMPLES)
    slope = theil_sen(xs, ys)
    return Slope(slope, float(slope - STUDENT_T_95 * error), float(slope + STUDENT_T_95 * error))


def _medians(values: NDArray[np.float64], parts: int) -> NDArray[np.float64]:
    return np.array([np.median(part) for part in np.array_split(values, parts)])
