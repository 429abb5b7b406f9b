"""The performance: a character's motion at time t, the same every time.

A minute has to show a network all that a performer may do later, in combination. So the slow movements (sums of sines
whose periods have no common measure) run beside bursts of speech, smiles, brows and blinks. The eyes stay near the
viewer while the head turns, as living eyes do; this also makes gaze a function of pose, which landmarks can show.

The head moves as far as that of a person talking to a camera, and no farther: a minute with wilder poses is learned
worse everywhere, and in live a performer's pose is limited to the range of the training data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from live.demo_training.characters.head import Expression
from live.demo_training.characters.shading import HeadPose

Curve = NDArray[np.float64]

RATE = 100
"""Samples a second at which the performance is computed before it is read at t."""


@dataclass(frozen=True)
class Reach:
    """The head's range of motion; radians, picture widths, and the change of scale."""

    yaw: float = 0.32
    pitch: float = 0.19
    roll: float = 0.16
    shift: float = 0.05
    scale: float = 0.08


def _drift(random: np.random.Generator, t: Curve, periods_s: tuple[float, ...]) -> Curve:
    """A wandering curve within -1..1 that reaches both ends: sines with random phases, pressed outwards."""
    total = np.zeros_like(t)
    for i, period in enumerate(periods_s):
        total += 0.72**i * np.sin(2 * np.pi * (t / period + random.random()))
    total = np.tanh(1.1 * total)
    return np.asarray(2.0 * (total - total.min()) / (total.max() - total.min()) - 1.0)


def _soften(values: Curve, seconds: float) -> Curve:
    """Gaussian smoothing with this standard deviation: muscles have mass."""
    half = int(4 * seconds * RATE) + 1
    kernel = np.exp(-0.5 * (np.arange(-half, half + 1) / (seconds * RATE)) ** 2)
    padded = np.pad(values, half, mode="edge")
    return np.asarray(np.convolve(padded, kernel / kernel.sum(), mode="valid"))


def _holds(random: np.random.Generator, t: Curve, first_s: float, every_s: float, hold_s: tuple[float, float]) -> Curve:
    """Plateaus of height 0.5..1, about one every `every_s` seconds."""
    out = np.zeros_like(t)
    at = first_s
    while at < t[-1]:
        hold = random.uniform(*hold_s)
        out[(t >= at) & (t < at + hold)] = random.uniform(0.5, 1.0)
        at += hold + random.uniform(0.5, 1.5) * every_s
    return out


def _speech(random: np.random.Generator, t: Curve) -> tuple[Curve, Curve]:
    """Jaw and rounding of phrases: syllables of 0.15 to 0.3 s, some vowels sung long and wide, closed between."""
    jaw, rounded = np.zeros_like(t), np.zeros_like(t)
    vowels = ((0.85, 0.0), (0.95, 0.05), (0.42, 0.0), (0.28, 0.0), (0.48, 0.75), (0.22, 0.95), (0.62, 0.35))
    at = 0.6
    while at < t[-1]:
        phrase_end = at + random.uniform(1.8, 4.5)
        while at < phrase_end:
            held_vowel = random.random() < 0.13
            length = random.uniform(0.5, 1.0) if held_vowel else random.uniform(0.13, 0.27)
            height, purse = vowels[int(random.integers(len(vowels)))]
            now = (t >= at) & (t < at + length)
            jaw[now] = height * (random.uniform(0.85, 1.1) if held_vowel else random.uniform(0.5, 1.0))
            rounded[now] = purse * random.uniform(0.7, 1.0)
            at += length
            closed = random.uniform(0.05, 0.13)
            rounded[(t >= at) & (t < at + closed)] = purse * 0.5
            at += closed
        at += random.uniform(0.5, 1.6)
    return np.clip(_soften(jaw, 0.040), 0, 1), np.clip(_soften(rounded, 0.060), 0, 1)


def _blinks(random: np.random.Generator, t: Curve) -> Curve:
    """Blinks every 2 to 4 s, and a few eyes held closed for about a second."""
    shut = np.zeros_like(t)
    at, count = 1.2, 0
    while at < t[-1]:
        length = 1.1 if count % 6 == 3 else random.uniform(0.14, 0.22)
        shut[(t >= at) & (t < at + length)] = 1.0
        at += length + random.uniform(1.6, 3.4)
        count += 1
    return np.clip(1.15 * _soften(shut, 0.035), 0, 1)


class Performance:
    """Pose and expression over `seconds`; `at(t)` reads them. The same seed gives the same performance."""

    def __init__(self, seed: int, seconds: float = 60.0, reach: Reach | None = None) -> None:
        """Computes all of it, which takes a few milliseconds."""
        reach = reach or Reach()
        random = np.random.default_rng(seed)
        t = np.arange(0, max(seconds, 20.0) + 1.0, 1 / RATE)
        yaw, pitch, roll = (_drift(random, t, p) for p in ((7.3, 3.1, 1.9), (8.9, 3.7, 2.2), (9.7, 4.3, 2.6)))
        turned = np.sqrt(yaw**2 + roll**2 + (0.8 * pitch) ** 2)
        # Each movement alone reaches its limit; combined ones stop where a face detector still finds a face.
        limit = (1.0 + (turned / 1.05) ** 8) ** (-1 / 8)
        yaw, pitch, roll = yaw * limit, pitch * limit, roll * limit
        right, down, near = (_drift(random, t, p) for p in ((11.3, 5.9), (12.7, 5.3), (17.9, 8.3)))
        jaw, rounded = _speech(random, t)
        nod = _soften(jaw, 0.10)
        smile = _soften(_holds(random, t, 3.0, 4.0, (0.8, 2.4)), 0.16) * (1 - 0.6 * rounded)
        lift = _soften(_holds(random, t, 1.5, 3.2, (0.4, 1.3)), 0.09)
        frown = _soften(_holds(random, t, 5.0, 5.0, (0.7, 1.8)), 0.12) * (1 - lift)
        shut = _blinks(random, t)
        wink = _soften(_holds(random, t, 13.0, 16.0, (0.3, 0.5)), 0.05)
        self.t = t
        self.pose = {
            "yaw": reach.yaw * yaw,
            "pitch": reach.pitch * np.clip(0.92 * pitch - 0.10 * (nod - 0.3), -1, 1),
            "roll": reach.roll * roll,
            "right": reach.shift * right,
            "down": reach.shift * 0.7 * down,
            "scale": 1.0 + reach.scale * near,
        }
        self.face = {
            "jaw": jaw,
            "smile": smile,
            "rounded": rounded,
            "brow_raise": lift,
            "brow_frown": frown,
            "blink_left": shut,
            "blink_right": np.maximum(shut, np.clip(1.2 * wink, 0, 1)),
            "gaze_x": np.clip(-0.75 * self.pose["yaw"], -0.40, 0.40),
            "gaze_y": np.clip(-0.60 * self.pose["pitch"], -0.16, 0.16),
        }

    def at(self, seconds: float) -> tuple[HeadPose, Expression]:
        """The pose and expression at this time."""

        def read(curve: Curve) -> float:
            return float(np.interp(seconds, self.t, curve))

        return (
            HeadPose(**{k: read(v) for k, v in self.pose.items()}),
            Expression(**{k: read(v) for k, v in self.face.items()}),
        )
