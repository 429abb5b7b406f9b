"""A filter that follows a voice: what its spectrum is to be multiplied by, said anew with every hop, heard at once.

The change is given in mel-cepstra, as envelopes are coded (see speech.encode_envelope). The filter of least phase with
that magnitude (Oppenheim and Schafer, Discrete-Time Signal Processing, by the folded cepstrum) delays next to nothing;
from hop to hop the old one fades into the new, so that no change clicks. Belongs to one thread.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.features.speech import MCEPS, decode_envelope
from models.features.types import Mono

_TAPS_S = 0.016
"""What 36 mel-cepstra can ring."""
_LOUDEST_NEPERS = 4.6
"""40 dB of power, and no change goes beyond: a network that errs must not deafen anybody."""


class TimeVaryingFilter:
    """Sound in, as much sound out, hop by hop."""

    def __init__(self, sample_rate: int, hop: int) -> None:
        self._hop = hop
        self._taps = round(_TAPS_S * sample_rate)
        # The logarithm of what the coder makes of a change is linear in it.
        log_power = np.log(decode_envelope(np.eye(MCEPS), sample_rate))
        self._size = 2 * (log_power.shape[1] - 1)
        cepstra = np.fft.irfft(0.5 * log_power)
        cepstra[:, 1 : self._size // 2] *= 2.0
        cepstra[:, self._size // 2 + 1 :] = 0.0
        self._spectra = np.fft.rfft(cepstra)
        self._end = 0.5 + 0.5 * np.cos(np.pi * np.clip(np.arange(self._taps) / self._taps * 2.0 - 1.0, 0.0, 1.0))
        self._way = np.arange(1, hop + 1) / hop
        self.reset()

    def reset(self) -> None:
        """As if newly made: nothing is changed."""
        self._heard = np.zeros(self._taps - 1)
        self._before = self._response(np.zeros(MCEPS))

    def process(self, samples: Mono, change: NDArray[np.floating]) -> Mono:
        """The next (hop,) samples; change: (MCEPS,), what is to be added at their end to the mel-cepstra."""
        joined = np.concatenate([self._heard, samples])
        self._heard = joined[self._hop :]
        now = self._response(change)
        old, new = (np.convolve(joined, response, "valid") for response in (self._before, now))
        self._before = now
        return np.asarray(old + self._way * (new - old), np.float32)

    def _response(self, change: NDArray[np.floating]) -> NDArray[np.float64]:
        """(taps,)"""
        spectrum = np.asarray(change, np.float64) @ self._spectra
        most = 0.5 * _LOUDEST_NEPERS
        spectrum = np.clip(spectrum.real, -2.0 * most, most) + 1j * spectrum.imag
        response = np.fft.irfft(np.exp(spectrum))[: self._taps]
        return np.asarray(response * self._end)
