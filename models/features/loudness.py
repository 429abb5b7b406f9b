"""Makes what was laid anew as loud as what was heard: periods that lie closer together add up to more.

Belongs to the thread of the voice that owns it.
"""

from __future__ import annotations

import math

import numpy as np

from models.features.types import Mono

LEVEL_S = 0.3
"""Over how much sound loudness is compared."""
_FLOOR, _RANGE = 1e-5, 2.0


class LoudnessMatcher:
    """A gain that glides from hop to hop; of voiced and unvoiced sound each for itself."""

    def __init__(self, sample_rate: int, hop: int) -> None:
        self._keep = math.exp(-hop / sample_rate / LEVEL_S)
        self._floor = hop * _FLOOR
        self._way = (np.arange(1, hop + 1) / hop).astype(np.float32)
        self.reset()

    def reset(self) -> None:
        """As if newly made."""
        self._heard = {True: 0.0, False: 0.0}
        self._laid = {True: 0.0, False: 0.0}
        self._gain = 1.0

    def match(self, laid: Mono, heard: Mono, voiced: bool) -> Mono:
        """One hop."""
        self._heard[voiced] = self._keep * self._heard[voiced] + float(heard @ heard)
        self._laid[voiced] = self._keep * self._laid[voiced] + float(laid @ laid)
        wanted = math.sqrt((self._heard[voiced] + self._floor) / (self._laid[voiced] + self._floor))
        wanted = min(max(wanted, 1.0 / _RANGE), _RANGE)
        gain = np.float32(self._gain) + np.float32(wanted - self._gain) * self._way
        self._gain = wanted
        return laid * gain
