"""A high-pass whose corner moves with the voice, without a click: see `LowCut`. Free of torch."""

from __future__ import annotations

import numpy as np
from scipy.signal import butter, sosfilt

from models.features.speech import Signal

_ORDER = 4
_LOWEST_HZ = 30.0
_OCTAVES, _STEPS = 4, 24
"""Corners there are, and how many an octave."""
_MOST_A_FRAME = _STEPS // 4
"""Of these steps: a corner that is farther away is glided to, as all of it at once would click."""


class LowCut:
    """Butterworth high-pass, 24 dB an octave, a corner a frame, without an end: `push` goes on where it stopped.

    In the time domain: what rings so long does not fit into the 64 ms of a pulse; folded over them, it takes 9 dB from
    one harmonic and gives 4 to another.
    """

    def __init__(self, sample_rate: int) -> None:
        corners = _LOWEST_HZ * 2 ** (np.arange(_OCTAVES * _STEPS + 1) / _STEPS)
        self._filters = [butter(_ORDER, hz, "highpass", output="sos", fs=sample_rate) for hz in corners]
        self.reset()

    def reset(self) -> None:
        self._state: Signal = np.zeros((_ORDER // 2, 2))
        self._now: int | None = None

    def push(self, sound: Signal, corners: Signal) -> Signal:
        """(n,) samples and (frames,) Hz, of which each holds for as many of them -> (n,)."""
        said = []
        wanted = np.rint(_STEPS * np.log2(corners / _LOWEST_HZ)).astype(np.int64)
        for piece, aim in zip(np.split(sound, len(corners)), np.clip(wanted, 0, len(self._filters) - 1), strict=True):
            now = aim if self._now is None else self._now
            self._now = int(now + np.clip(aim - now, -_MOST_A_FRAME, _MOST_A_FRAME))
            above, self._state = sosfilt(self._filters[self._now], piece, zi=self._state)
            said.append(above)
        return np.concatenate(said)
