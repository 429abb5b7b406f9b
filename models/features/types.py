"""The array types of all packages, each defined once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
"""RGB, (height, width, 3)."""

Points = NDArray[np.float32]
"""Landmarks in pixels, (68, 2), x before y."""

Mono = NDArray[np.float32]
"""Sound of one channel, (n,), full scale 1."""

Signal = NDArray[np.float64]
"""A sequence of numbers over time, (n,), where float32 would not do."""

Progress = Callable[[str, int, int], None]
"""Progress of a long task: its current step, how much is done, of how much."""
