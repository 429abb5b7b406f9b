"""A filter whose response changes with every hop, to follow a voice, with almost no delay.

The change is given in mel-cepstra, as envelopes are coded (see speech.encode_envelope). The minimum-phase filter with
that magnitude (Oppenheim and Schafer, Discrete-Time Signal Processing, by the folded cepstrum) has almost no delay;
from hop to hop the output is crossfaded from the old one to the new, so that no change clicks. Belongs to one
thread.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.features.speech import MCEPS, decode_envelope
from models.features.types import Mono

_TAPS_S = 0.016
"""Length of the response: 36 mel-cepstra ring no longer."""
_LOUDEST_NEPERS = 4.6
"""40 dB of power, the limit of any change: a wrong prediction must not be dangerously loud."""


class TimeVaryingFilter:
    """Sound in, as much sound out, hop by hop."""

    def __init__(self, sample_rate: int, hop: int) -> None:
        self._hop = hop
        self._taps = round(_TAPS_S * sample_rate)
        # The log spectrum of a change is linear in its mel-cepstra.
        log_power = np.log(decode_envelope(np.eye(MCEPS), sample_rate))
        self._size = 2 * (log_power.shape[1] - 1)
        cepstra = np.fft.irfft(0.5 * log_power)
        cepstra[:, 1 : self._size // 2] *= 2.0
        cepstra[:, self._size // 2 + 1 :] = 0.0
        self._spectra = np.fft.rfft(cepstra)
        self._taper = 0.5 + 0.5 * np.cos(np.pi * np.clip(np.arange(self._taps) / self._taps * 2.0 - 1.0, 0.0, 1.0))
        self._fade = np.arange(1, hop + 1) / hop
        self.reset()

    def reset(self) -> None:
        """Returns to the initial state: no change."""
        self._history = np.zeros(self._taps - 1)
        self._previous = self._response(np.zeros(MCEPS))

    def process(self, samples: Mono, change: NDArray[np.floating]) -> Mono:
        """The next (hop,) samples; change: (MCEPS,), what to add at their end to the mel-cepstra."""
        joined = np.concatenate([self._history, samples])
        self._history = joined[self._hop :]
        current = self._response(change)
        old, new = (np.convolve(joined, response, "valid") for response in (self._previous, current))
        self._previous = current
        return np.asarray(old + self._fade * (new - old), np.float32)

    def _response(self, change: NDArray[np.floating]) -> NDArray[np.float64]:
        """(taps,)"""
        spectrum = np.asarray(change, np.float64) @ self._spectra
        limit = 0.5 * _LOUDEST_NEPERS
        spectrum = np.clip(spectrum.real, -2.0 * limit, limit) + 1j * spectrum.imag
        response = np.fft.irfft(np.exp(spectrum))[: self._taps]
        return np.asarray(response * self._taper)
