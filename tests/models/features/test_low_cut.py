"""A streaming high-pass: equal to scipy's while its corner is constant, without clicks while it moves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from models.features.low_cut import LowCut

RATE = 24_000
FRAME = 120


def through(sound: np.ndarray, corners: np.ndarray, at_once: int) -> np.ndarray:
    cut = LowCut(RATE)
    pieces = np.split(sound, len(corners) // at_once)
    return np.concatenate([cut.push(*both) for both in zip(pieces, np.split(corners, len(pieces)), strict=True)])


@pytest.mark.parametrize("corner", [42.0, 84.0, 336.0])
def test_standing_it_is_a_butterworth(corner: float) -> None:
    noise = np.random.default_rng(0).standard_normal(200 * FRAME)
    nearest = 30 * 2 ** (round(24 * np.log2(corner / 30)) / 24)
    own = sosfilt(butter(4, nearest, "highpass", output="sos", fs=RATE), noise)
    assert np.abs(through(noise, np.full(200, corner), 4) - own).max() < 1e-9


def test_frames_in_any_grouping_are_the_same() -> None:
    noise = np.random.default_rng(0).standard_normal(200 * FRAME)
    corners = 60 * 2 ** np.random.default_rng(1).random(200)
    assert np.abs(through(noise, corners, 1) - through(noise, corners, 20)).max() < 1e-9


@pytest.mark.parametrize(
    "corners",
    [
        np.geomspace(60, 120, 400),
        60 + 10 * np.sin(np.arange(400) / 5),
        np.repeat([54.0, 120.0], 200),
        np.repeat([120.0, 54.0], 200),
    ],
    ids=["glide", "vibrato", "up", "down"],
)
def test_moving_it_does_not_click(corners: np.ndarray) -> None:
    """A low tone gets no high components: over an octave in 25 ms, 60 dB below it."""
    tone = np.sin(2 * np.pi * 100 * np.arange(len(corners) * FRAME) / RATE)
    filtered = through(tone, corners, 4)[len(tone) // 4 : -len(tone) // 4]
    power = np.abs(np.fft.rfft(filtered * np.hanning(len(filtered)))) ** 2
    high = np.fft.rfftfreq(len(filtered), 1 / RATE) > 1000
    assert 10 * np.log10(power[high].sum() / power.sum()) < -60
    assert np.abs(filtered).max() < 1.5


def test_it_begins_anew() -> None:
    noise = np.random.default_rng(0).standard_normal(8 * FRAME)
    cut = LowCut(RATE)
    first = cut.push(noise, np.full(8, 80.0))
    cut.reset()
    assert np.array_equal(cut.push(noise, np.full(8, 80.0)), first)
