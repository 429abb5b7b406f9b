"""Matches the loudness of PSOLA's output to its input: periods closer together add up to more.

Belongs to the thread of the voice that owns it.
"""

from __future__ import annotations

import math

import numpy as np

from models.features.types import Mono

LEVEL_S = 0.3
"""Time constant of the compared loudness."""
_FLOOR, _RANGE = 1e-5, 2.0


class LoudnessMatcher:
    """A gain that is ramped from hop to hop, with separate energies for voiced and unvoiced sound."""

    def __init__(self, sample_rate: int, hop: int) -> None:
        self._keep = math.exp(-hop / sample_rate / LEVEL_S)
        self._floor = hop * _FLOOR
        self._ramp = (np.arange(1, hop + 1) / hop).astype(np.float32)
        self.reset()

    def reset(self) -> None:
        """Returns to the initial state."""
        self._reference_energy = {True: 0.0, False: 0.0}
        self._output_energy = {True: 0.0, False: 0.0}
        self._gain = 1.0

    def match(self, output: Mono, reference: Mono, voiced: bool) -> Mono:
        """One hop."""
        self._reference_energy[voiced] = self._keep * self._reference_energy[voiced] + float(reference @ reference)
        self._output_energy[voiced] = self._keep * self._output_energy[voiced] + float(output @ output)
        target = math.sqrt((self._reference_energy[voiced] + self._floor) / (self._output_energy[voiced] + self._floor))
        target = min(max(target, 1.0 / _RANGE), _RANGE)
        gain = np.float32(self._gain) + np.float32(target - self._gain) * self._ramp
        self._gain = target
        return output * gain
