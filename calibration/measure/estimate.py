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
"""95 % of Student's t, both sides, with PARTS - 2 degrees of freedom."""


class Slope(NamedTuple):
    """A straight line's slope and the ends of its 95 % interval, in units of y a unit of x."""

    slope: float
    low: float
    high: float

    @property
    def beyond_noise(self) -> bool:
        """Whether zero lies outside the interval."""
        return self.low > 0 or self.high < 0


def opening_ranges(points: NDArray[np.float32]) -> dict[str, tuple[float, float, float]]:
    """5th, 50th and 95th percentile of how far mouth and eyes open, in eye distances; `points` is (n, 68, 2)."""
    opened = np.array([openings(p) for p in points])
    low, middle, high = np.percentile(opened, [5, 50, 95], axis=0)
    return {name: (float(low[i]), float(middle[i]), float(high[i])) for i, name in enumerate(OPENINGS)}


def theil_sen(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """The median of the slopes of all pairs: a quarter of the points may be anything (Theil 1950, Sen 1968)."""
    first, second = np.triu_indices(len(x), 1)
    apart = x[second] - x[first]
    usable = apart != 0
    if not usable.any():
        return 0.0
    return float(np.median((y[second] - y[first])[usable] / apart[usable]))


def robust_slope(x: Sequence[float], y: Sequence[float]) -> Slope:
    """Theil-Sen's slope, with a 95 % interval from the scatter of ten parts' medians about a straight line.

    Neighbouring samples of a process's memory are alike: taken one by one they would promise too narrow an interval.
    Medians of parts that are much longer than this likeness lasts are as good as independent, and Student's t with
    eight degrees of freedom makes up for their small number. Fewer than twenty samples promise nothing.
    """
    xs, ys = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if len(xs) < 2 * PARTS:
        return Slope(theil_sen(xs, ys), -np.inf, np.inf)
    at, level = _medians(xs, PARTS), _medians(ys, PARTS)
    spread = at - at.mean()
    line = level.mean() + spread * (spread @ level) / (spread @ spread)
    error = np.sqrt(((level - line) ** 2).sum() / (PARTS - 2) / (spread @ spread))
    if len(xs) > MAX_SAMPLES:  # Pairs grow with the square; medians of neighbours lose nothing of a slope.
        xs, ys = _medians(xs, MAX_SAMPLES), _medians(ys, MAX_SAMPLES)
    slope = theil_sen(xs, ys)
    return Slope(slope, float(slope - STUDENT_T_95 * error), float(slope + STUDENT_T_95 * error))


def _medians(values: NDArray[np.float64], parts: int) -> NDArray[np.float64]:
    return np.array([np.median(part) for part in np.array_split(values, parts)])
