"""A high-pass whose corner follows the voice's pitch without clicks. Free of torch; belongs to one thread."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from models.features.types import Signal

_DAMPING = 2 * np.cos(np.pi * np.array([1, 3]) / 8)
"""1/Q of the two sections of a Butterworth of 24 dB an octave."""
_LOWEST_HZ = 30.0
_OCTAVES, _STEPS = 4, 24
"""The range of corners, and steps an octave."""
_MOST_A_FRAME = _STEPS // 4
"""In steps: a larger change of the corner is spread over frames, because it would click."""
_BELOW_VOICE = 0.8
"""Below this share of its pitch a voice has no energy. What WORLD's envelope has there is mirrored from above, and
changing pulses turn it into rumble, which a speaker embedding takes for the speaker's."""
_BELOW_SPEECH_HZ = 120.0
"""Below it, the speaker's own unvoiced sound is only the room."""


def cutoff_hz(pitch: Signal) -> Signal:
    """Pitches of frames, Hz, 0 where unvoiced -> cutoff frequencies, Hz."""
    return np.where(pitch > 0, _BELOW_VOICE * pitch, _BELOW_SPEECH_HZ)


class LowCut:
    """Butterworth high-pass, 24 dB an octave, with a corner for each frame; `push` continues where it stopped.

    In the time domain: its response does not fit into the 64 ms of a pulse; folded into them, it takes 9 dB from one
    harmonic and gives 4 to another.
    """

    def __init__(self, sample_rate: int) -> None:
        self._filters = _filter_bank(sample_rate)
        self.reset()

    def reset(self) -> None:
        self._state: Signal = np.zeros((len(_DAMPING), 2))
        self._step: int | None = None

    def push(self, sound: Signal, corners: Signal) -> Signal:
        """(n,) samples and (frames,) Hz, each for n / frames samples -> (n,)."""
        pieces = []
        steps = np.rint(_STEPS * np.log2(corners / _LOWEST_HZ)).astype(np.int64)
        for piece, target in zip(np.split(sound, len(corners)), np.clip(steps, 0, len(self._filters) - 1), strict=True):
            step = target if self._step is None else self._step
            self._step = int(step + np.clip(target - step, -_MOST_A_FRAME, _MOST_A_FRAME))
            # Section by section: for so short a piece sosfilt's argument checks take longer than the filter.
            for section, (b, a) in enumerate(self._filters[self._step]):
                piece, self._state[section] = lfilter(b, a, piece, zi=self._state[section])
            pieces.append(piece)
        return np.concatenate(pieces)


def _filter_bank(sample_rate: int) -> Signal:
    """(corners, sections, 2, 3): numerators and denominators by the bilinear transform, all at once: designed one by
    one while a voice is opened, they would delay the voice on stage."""
    corners = _LOWEST_HZ * 2 ** (np.arange(_OCTAVES * _STEPS + 1) / _STEPS)
    g, k = np.tan(np.pi * corners / sample_rate)[:, None], _DAMPING
    gain = 1 / (1 + g * (k + g))
    above = gain[..., None] * np.array([1.0, -2.0, 1.0])
    below = np.stack([np.ones_like(gain), 2 * gain * (g * g - 1), gain * (1 - g * k + g * g)], axis=-1)
    return np.stack([above, below], axis=-2)
