"""Whether a camera still sees: one that gives the same picture again and again hangs, whatever its driver says.

Noise alone changes some pixel of every picture of a real camera. Belongs to the thread that delivers the pictures.
"""

from __future__ import annotations

import numpy as np

from models.features.types import Picture

STUCK_S = 2.0
"""A picture that comes for so long, bit by bit the same, is no camera's."""
PLAIN_S = 2.0
"""So long, one colour is no moment between two scenes."""
SAMPLE_EVERY = 16
"""Pixels from one compared pixel to the next, before all are."""
PLAIN_DEVIATION, BLACK_LEVEL = 3.0, 32.0
"""Of 255: a picture whose colours deviate less is of one colour, and black where no brighter. A dark stage deviates
more."""


class PictureWatcher:
    """Watches the pictures of one source."""

    def __init__(self) -> None:
        self.stuck = False
        """The newest picture has been the only one for STUCK_S."""
        self._last: Picture | None = None
        self._changed_at = self._not_plain_at = 0.0

    def look_at(self, picture: Picture, at_s: float) -> str:
        """Takes the next picture; returns "black" or "one colour" when that is all there has been for PLAIN_S."""
        sample = picture[::SAMPLE_EVERY, ::SAMPLE_EVERY]
        if self._last is None or not _same(sample, picture, self._last):
            self._changed_at = at_s
        if self._last is None or sample.std(axis=(0, 1)).max() > PLAIN_DEVIATION:
            self._not_plain_at = at_s
        self._last = picture
        self.stuck = at_s - self._changed_at >= STUCK_S
        if at_s - self._not_plain_at < PLAIN_S:
            return ""
        return "black" if sample.mean() < BLACK_LEVEL else "one colour"


def _same(sample: Picture, picture: Picture, last: Picture) -> bool:
    """The sample is compared first: almost always it tells them apart."""
    return np.array_equal(sample, last[::SAMPLE_EVERY, ::SAMPLE_EVERY]) and np.array_equal(picture, last)
