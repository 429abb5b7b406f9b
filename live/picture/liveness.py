"""Whether a face lives: a picture on a wall neither moves nor opens and shuts its eyes and mouth.

Measured on seven people's clips and on stills of two of them in camera noise, in eye distances: within two seconds lids
move 0.01 to 0.11, the mouth 0.01 to 0.43, a head 0.022 and more; in noise 0.022, 0.053 and, settled, 0.02. So somebody
quiet may need several seconds to show expression. Ten people's clips, begun at 0 s and at 3 s, have moved after 1.1 to
2.1 s. Runs in the thread that tracks.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from models.features.face_points import eye_distance, openings
from models.features.types import Points

MEMORY_S = 4.0
LIDS, MOUTH, SWAY = 0.04, 0.08, 0.025
"""Ranges, in eye distances, from which a face lives."""
BEYOND_NOISE = 6.0
"""A range must be so many times the median change from frame to frame: noise's is at most twice it."""
LEAST_FACES = 12
_SMOOTH = 5


class Life:
    """What one face did in the last seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, NDArray[np.float64]]] = deque()

    def add(self, points: Points, t_s: float) -> None:
        """The face's points at `t_s`."""
        mouth, left, right = openings(points)
        x, y = points.mean(0) / eye_distance(points)
        self._seen.append((t_s, np.array([(left + right) / 2, mouth, x, y], np.float64)))
        while self._seen[0][0] < t_s - MEMORY_S:
            self._seen.popleft()

    @property
    def has_expression(self) -> bool:
        """Whether eyes or mouth opened or shut: what a photograph in somebody's hand does not do either."""
        lids, mouth, _, _ = self._ranges()
        return lids > LIDS or mouth > MOUTH

    @property
    def has_moved(self) -> bool:
        """Whether anything moved at all."""
        return self.has_expression or max(self._ranges()[2:]) > SWAY

    def _ranges(self) -> list[float]:
        """Of lids, mouth, x and y; 0 for what is noise."""
        if len(self._seen) < LEAST_FACES:
            return [0.0] * 4
        values = np.array([value for _, value in self._seen])
        windows = np.lib.stride_tricks.sliding_window_view(values, _SMOOTH, axis=0)
        ranges = np.ptp(np.median(windows, axis=-1), axis=0)
        noise = BEYOND_NOISE * np.median(np.abs(np.diff(values, axis=0)), axis=0)
        return [float(r) if r > n else 0.0 for r, n in zip(ranges, noise, strict=True)]
