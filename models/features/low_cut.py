"""A high-pass whose corner moves with the voice, without a click, so that nothing sounds below it. Free of torch."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from models.features.types import Signal

_DAMPING = 2 * np.cos(np.pi * np.array([1, 3]) / 8)
"""1/Q of the two sections that make a Butterworth of 24 dB an octave."""
_LOWEST_HZ = 30.0
_OCTAVES, _STEPS = 4, 24
"""Corners there are, and how many an octave."""
_MOST_A_FRAME = _STEPS // 4
"""Of these steps: a corner that is farther away is glided to, as all of it at once would click."""
_BELOW_VOICE = 0.8
"""Under this share of its pitch a voice has nothing to say. What WORLD's envelope has there is mirrored from above, and
pulses that change speak it as rumble, which a speaker embedding takes for the speaker's."""
_BELOW_SPEECH_HZ = 120.0
"""Under it, what is kept of the speaker's own sound where nobody voices is his room."""


def nothing_below(pitch: Signal) -> Signal:
    """Pitches of frames, Hz, 0 where nobody voices -> where what is said begins, Hz."""
    return np.where(pitch > 0, _BELOW_VOICE * pitch, _BELOW_SPEECH_HZ)


class LowCut:
    """Butterworth high-pass, 24 dB an octave, a corner a frame, without an end: `push` goes on where it stopped.

    In the time domain: what rings so long does not fit into the 64 ms of a pulse; folded over them, it takes 9 dB from
    one harmonic and gives 4 to another.
    """

    def __init__(self, sample_rate: int) -> None:
        self._filters = _designed(sample_rate)
        self.reset()

    def reset(self) -> None:
        self._state: Signal = np.zeros((len(_DAMPING), 2))
        self._now: int | None = None

    def push(self, sound: Signal, corners: Signal) -> Signal:
        """(n,) samples and (frames,) Hz, of which each holds for as many of them -> (n,)."""
        said = []
        wanted = np.rint(_STEPS * np.log2(corners / _LOWEST_HZ)).astype(np.int64)
        for piece, aim in zip(np.split(sound, len(corners)), np.clip(wanted, 0, len(self._filters) - 1), strict=True):
            now = aim if self._now is None else self._now
            self._now = int(now + np.clip(aim - now, -_MOST_A_FRAME, _MOST_A_FRAME))
            # Section by section: sosfilt asks more questions of a piece so short than it does work.
            for section, (b, a) in enumerate(self._filters[self._now]):
                piece, self._state[section] = lfilter(b, a, piece, zi=self._state[section])
            said.append(piece)
        return np.concatenate(said)


def _designed(sample_rate: int) -> Signal:
    """(corners, sections, 2, 3): numerators and denominators by the bilinear transform, all at once: designed one by
    one while a voice is opened, they would hold up the voice on stage."""
    corners = _LOWEST_HZ * 2 ** (np.arange(_OCTAVES * _STEPS + 1) / _STEPS)
    g, k = np.tan(np.pi * corners / sample_rate)[:, None], _DAMPING
    gain = 1 / (1 + g * (k + g))
    above = gain[..., None] * np.array([1.0, -2.0, 1.0])
    below = np.stack([np.ones_like(gain), 2 * gain * (g * g - 1), gain * (1 - g * k + g * g)], axis=-1)
    return np.stack([above, below], axis=-2)
