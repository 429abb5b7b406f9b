"""Slopes and opening ranges, on numbers with known results."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.bench.unet import moving_face, plain_face
from calibration.measure.estimate import opening_ranges, robust_slope, theil_sen
from models.features.face_points import openings


def test_theil_sen_shrugs_at_outliers() -> None:
    x = np.arange(50.0)
    y = 3 * x + 1
    y[::6] += 1000
    assert theil_sen(x, y) == pytest.approx(3, abs=0.3)


def test_a_leak_is_beyond_noise_and_noise_is_not() -> None:
    rng = np.random.default_rng(1)
    seconds = list(np.arange(300.0))
    noise = rng.normal(0, 1, 300)
    flat = robust_slope(seconds, list(500 + noise))
    leak = robust_slope(seconds, list(500 + noise + 0.1 * np.arange(300)))
    assert not flat.beyond_noise
    assert flat.low < 0 < flat.high
    assert leak.beyond_noise
    assert leak.low < 0.1 < leak.high


def test_too_few_samples_promise_nothing() -> None:
    slope = robust_slope([0, 1], [5, 6])
    assert slope.high == np.inf
    assert not slope.beyond_noise


def test_opening_ranges_hold_the_median() -> None:
    ranges = opening_ranges(moving_face(256))
    mouth = openings(plain_face(256))[0]
    low, middle, high = ranges["mouth"]
    assert low < middle < high
    assert middle == pytest.approx(mouth, abs=0.03)
