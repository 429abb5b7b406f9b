"""What the performer did: data stamped once, at capture, by one monotonic clock, and never changed after.

Used in every process. Pictures are RGB uint8 (height, width, 3); times are seconds of `now()`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.features.types import Picture, Points

if TYPE_CHECKING:
    from models.features.face_points import Box

Samples = NDArray[np.float32]
"""(samples, channels), full scale is 1."""

Clock = Callable[[], float]
"""What says the time, in seconds: `now`, or a test's own."""

now: Clock = time.perf_counter
"""Seconds. On Linux, macOS and Windows it is one clock for all processes of the machine, so a stamp made in
one engine can be subtracted from a stamp made in another."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a source; `index` counts what the source delivered, so a hole in it is a dropped
    frame."""

    picture: Picture
    captured_at: float
    index: int


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Where the performer's face was in one Frame."""

    points: Points
    box: Box
    captured_at: float
    score: float


@dataclass(frozen=True, slots=True)
class AudioBlock:
    """One block of sound; `captured_at` is when its first sample was in the air."""

    samples: Samples
    captured_at: float
    index: int
    sample_rate: int
