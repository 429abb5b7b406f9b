"""Captured data: stamped once, at capture, by one monotonic clock, and never changed afterwards.

Used in every process. Pictures are RGB uint8 (height, width, 3); times are seconds by `now()`.
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
"""float32 (samples, channels), full scale 1."""

Clock = Callable[[], float]
"""Returns the time in seconds: `now`, or a test's own clock."""

now: Clock = time.perf_counter
"""Seconds. On Linux, macOS and Windows it is one clock for all processes of the machine, so a time stamped in one
engine can be subtracted from a time stamped in another."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a source. `index` counts the pictures that the source delivered: a missing number is a dropped
    frame."""

    picture: Picture
    captured_at: float
    index: int


@dataclass(frozen=True, slots=True)
class Landmarks:
    """The performer's face in one Frame."""

    points: Points
    box: Box
    captured_at: float
    score: float
