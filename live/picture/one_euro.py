"""The One Euro filter for face points: strong smoothing while the face is still, little while it moves.

Casiez, Roussel, Vogel: 1 EUR Filter, CHI 2012. Three changes: speeds are in eye distances per second, so one setting
fits every face size; a point uses the higher of its own speed and the whole face's, so that a turn of the head does not
distort the face; and the speed of trembling is no speed: what the points have not fallen below for some frames is
taken for the noise of the camera. Runs in the caller's thread; its state has shape (n, 2).
"""

from __future__ import annotations

from collections import deque
from math import pi

import numpy as np
from numpy.typing import NDArray

from models.features.types import Points

MIN_CUTOFF_HZ = 1.0
"""Cutoff for a still face."""
CUTOFF_PER_SPEED = 12.0
"""Cutoff added (Hz) per eye distance a second."""
SPEED_CUTOFF_HZ = 4.0
TREMBLING = 1.25
"""In the least median speed of the points that was seen in the last `TREMBLING_FRAMES`: speeds up to this are noise's.
A face rests for a moment in nearly every second, and then only noise is left."""
TREMBLING_FRAMES = 90
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
        self._least_speeds: deque[float] = deque(maxlen=TREMBLING_FRAMES)
        self._t_s = 0.0

    def reset(self) -> None:
        """Forgets the past: the next points pass unchanged."""
        self._smoothed = None
        self._least_speeds.clear()

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
        cutoff_hz = self._min_cutoff_hz + self._cutoff_per_speed * self._speed()[:, None]
        self._smoothed = self._smoothed + _smoothing_factor(cutoff_hz, step_s) * (raw - self._smoothed)
        self._raw, self._t_s = raw, t_s
        return self._smoothed.astype(np.float32)

    def _speed(self) -> NDArray[np.float64]:
        """Each point's speed beyond trembling, in eye distances a second, (n,)."""
        assert self._velocity is not None
        own = np.linalg.norm(self._velocity, axis=1)
        self._least_speeds.append(float(np.median(own)))
        speed = np.maximum(own, float(np.linalg.norm(self._velocity.mean(0))))
        return np.asarray(np.maximum(speed - TREMBLING * min(self._least_speeds), 0))
