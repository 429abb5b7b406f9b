"""The One Euro filter for face points: strong smoothing while the face is still, little while it moves.

Casiez, Roussel, Vogel: 1 EUR Filter, CHI 2012. Two changes: speeds are in eye distances per second, so one setting fits
every face size; and a point uses the higher of its own speed and the whole face's, so that a turn of the head does not
distort the face. Runs in the caller's thread; its state has shape (n, 2).
"""

from __future__ import annotations

from math import pi

import numpy as np
from numpy.typing import NDArray

from models.features.types import Points

MIN_CUTOFF_HZ = 1.0
"""Cutoff for a still face."""
CUTOFF_PER_SPEED = 12.0
"""Cutoff added (Hz) per eye distance a second."""
SPEED_CUTOFF_HZ = 4.0
MAX_STEP_S = 0.5
"""After a longer gap the filter restarts: its state is out of date."""


def _smoothing_factor(cutoff_hz: NDArray[np.float64] | float, step_s: float) -> NDArray[np.float64] | float:
    # The exponential filter whose -3 dB point is at the cutoff: 1 / (1 + 1 / (2 pi f dt)).
    omega_dt = 2 * pi * step_s * cutoff_hz
    return omega_dt / (omega_dt + 1)


class OneEuroFilter:
    """Smooths (n, 2) points in time. Points that do not move at all pass unchanged."""

    def __init__(
        self,
        min_cutoff_hz: float = MIN_CUTOFF_HZ,
        cutoff_per_speed: float = CUTOFF_PER_SPEED,
        speed_cutoff_hz: float = SPEED_CUTOFF_HZ,
    ) -> None:
        self._min_cutoff_hz = min_cutoff_hz
        self._cutoff_per_speed = cutoff_per_speed
        self._speed_cutoff_hz = speed_cutoff_hz
        self._smoothed: NDArray[np.float64] | None = None
        self._raw: NDArray[np.float64] | None = None
        self._velocity: NDArray[np.float64] | None = None
        self._t_s = 0.0

    def reset(self) -> None:
        """Forgets the past: the next points pass unchanged."""
        self._smoothed = None

    def __call__(self, points: Points, t_s: float, eye_distance_px: float) -> Points:
        """Returns `points` at time `t_s`, smoothed; `eye_distance_px` is the distance between the eyes."""
        raw = points.astype(np.float64)
        step_s = t_s - self._t_s
        if self._smoothed is None or self._raw is None or self._velocity is None or step_s > MAX_STEP_S:
            self._smoothed, self._raw, self._velocity = raw, raw, np.zeros_like(raw)
            self._t_s = t_s
            return points
        if step_s <= 0:
            return self._smoothed.astype(np.float32)
        velocity = (raw - self._raw) / (step_s * max(eye_distance_px, 1e-6))
        self._velocity = self._velocity + _smoothing_factor(self._speed_cutoff_hz, step_s) * (velocity - self._velocity)
        face_speed = float(np.linalg.norm(self._velocity.mean(0)))
        speed = np.maximum(np.linalg.norm(self._velocity, axis=1), face_speed)[:, None]
        cutoff_hz = self._min_cutoff_hz + self._cutoff_per_speed * speed
        self._smoothed = self._smoothed + _smoothing_factor(cutoff_hz, step_s) * (raw - self._smoothed)
        self._raw, self._t_s = raw, t_s
        return self._smoothed.astype(np.float32)
