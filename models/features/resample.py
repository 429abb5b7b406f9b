"""Streaming sample-rate conversion with a short and known latency.

A polyphase filter (windowed sinc, Kaiser) evaluated at output samples alone. Streaming libraries (soxr) need more
lookahead than a stage can wait for, or do not tell how much. Belongs to one thread.
"""

from __future__ import annotations

from math import gcd

import numpy as np
from numpy.typing import NDArray

_HALF = 16
"""Zero crossings of the sinc on either side, at the lower of the two rates: its latency."""
_BETA = 7.0
_PASS = 0.93
"""The filter's edge, as a share of the lower rate's half."""


class Resampler:
    """`push` takes any number of samples and returns those that are complete: after n in, floor(n * to / from) out."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        shared = gcd(from_hz, to_hz)
        self._up, self._down = to_hz // shared, from_hz // shared
        self.latency_s = 0.0 if self._up == self._down else _HALF / min(from_hz, to_hz)
        """From a sample in to the same sample out."""
        kernel = self._up * _windowed_sinc(max(self._up, self._down))
        self._reach = -(-len(kernel) // self._up)
        """Input samples that an output sample depends on."""
        padded = np.zeros(self._reach * self._up)
        padded[: len(kernel)] = kernel
        # Row p: the weights of the inputs for an output p / up of a sample after the newest of them.
        self._bank = padded.reshape(self._reach, self._up).T[:, ::-1].astype(np.float64)
        self.reset()

    def reset(self) -> None:
        self._history = np.zeros(self._reach - 1)
        self._next = 0
        """Position of the next output, in 1 / up of an input sample, from the next input on."""

    def push(self, samples: NDArray[np.floating]) -> NDArray[np.float64]:
        x = np.concatenate([self._history, samples])
        if self._up == self._down:
            return np.asarray(samples, np.float64)
        limit = len(samples) * self._up
        positions = np.arange(self._next, limit, self._down)
        self._next = self._next + len(positions) * self._down - limit
        self._history = x[len(x) - self._reach + 1 :].copy()
        if not len(positions):
            return np.zeros(0)
        windows = np.lib.stride_tricks.sliding_window_view(x, self._reach)
        output: NDArray[np.float64] = np.einsum(
            "ij,ij->i", windows[positions // self._up], self._bank[positions % self._up]
        )
        return output


def lowpass(sample_rate: int, band_hz: int) -> NDArray[np.float64]:
    """The low-pass at `sample_rate` that keeps what a Resampler down to `band_hz` keeps; symmetric, its sum is 1."""
    return _windowed_sinc(sample_rate / band_hz)


def _windowed_sinc(stretch: float) -> NDArray[np.float64]:
    """A low-pass at 1 / stretch of the band, _HALF zero crossings on either side."""
    half = int(_HALF * stretch)
    taps = np.arange(-half, half + 1)
    kernel = np.sinc(_PASS * taps / stretch) * np.kaiser(len(taps), _BETA)
    return np.asarray(kernel / kernel.sum(), np.float64)
