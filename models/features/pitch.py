"""Pitch while it is spoken: one F0 a frame, from little future and a short past.

The normalised cross-correlation of Talkin ("A robust algorithm for pitch tracking", in Speech Coding and Synthesis,
1995), on a low-passed and decimated signal, with the paths of all pitches followed as it goes: each frame says where
the best path so far ends, without waiting for those to come. WORLD's own dio wants 180 ms and drops every voiced
stretch that touches the window's end: on LibriSpeech it missed 11.5 % of the frames with 25 ms of future.

It learns where a voice lies, from the frames that are clear: what is far from there must be so much clearer; and how
loud it is: what is far below is no voice, but a room's hum.

Deterministic: the same frames in any grouping give the same F0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.features.types import Signal

_LOWPASS_HZ = 1000.0
_LOWPASS_S = 0.002
"""Half the length of the filter."""
_WORKING_HZ = 8000
_PER_OCTAVE = 36
"""Pitches that a path may take; between them the correlation's own peak says more."""
_VOICED = 0.42
"""Correlation above which a path gains by voicing."""
_SWITCH_COST = 0.1
"""Of beginning to voice, and of ending it."""
_OCTAVE_COST = 0.04
"""For each octave that a lag is longer than the shortest: else the double period always wins by a little."""
_JUMP_COST = 0.6
"""For each octave from the frame before, up to one."""
_FAR_COST = 0.4
"""For each octave that a pitch lies farther than `_NEAR_OCTAVES` from the middle of the voice."""
_NEAR_OCTAVES = 0.4
_CLEAR = 0.8
"""Correlation from which a frame says where the voice lies, whatever path was taken: errors must not confirm
themselves."""
_KNOWN_FRAMES = 100
"""Clear frames until the middle of a voice counts in full."""
_FOLLOWS_OCTAVES = 0.02
"""How far the middle of the voice moves at most with a frame: an octave in a quarter of a second, for one who sings."""
_SILENCE = 3e-4
"""Root mean square under which nothing is voiced."""
_QUIET = 10 ** (-35 / 20)
"""Nor so far below the voice."""
_RISES, _SINKS = 0.1, 10 ** (-0.01 / 20)
"""How fast the voice's level follows louder voiced frames (a share of the way), and sinks at every frame (2 dB/s)."""
_FAINTEST = -2.0
"""No path falls farther behind the best: another may begin anywhere."""


class PitchTracker:
    """F0 in Hz of frames in their order; 0 where there is no voice."""

    def __init__(self, sample_rate: int, floor_hz: float = 71.0, ceiling_hz: float = 700.0) -> None:
        self._every = max(sample_rate // _WORKING_HZ, 1)
        self._rate = sample_rate / self._every
        self._longest = int(np.ceil(self._rate / floor_hz))
        self._window = 2 * self._longest
        self._size = 1 << (2 * self._window + self._longest).bit_length()
        half = int(sample_rate * _LOWPASS_S)
        at = np.arange(-half, half + 1)
        lowpass = np.sinc(2 * _LOWPASS_HZ / sample_rate * at) * np.hanning(len(at) + 2)[1:-1]
        self._lowpass = lowpass / lowpass.sum()
        self.reach = half + (self._window + self._longest) // 2 * self._every + self._every
        """Samples on either side of a frame's centre that its F0 is read from."""
        self._octaves = np.arange(np.log2(floor_hz), np.log2(ceiling_hz), 1 / _PER_OCTAVE)
        lags = self._rate / 2.0**self._octaves
        self._below = np.minimum(lags.astype(np.int64), self._longest - 1)
        self._share = lags - self._below
        self._longer = _OCTAVE_COST * (self._octaves[-1] - self._octaves)
        apart = np.abs(self._octaves[:, None] - self._octaves)
        self._jumps = _JUMP_COST * np.minimum(apart, 1.0)
        self.reset()

    def reset(self) -> None:
        self._paths = np.zeros(len(self._octaves))
        """What the best path gained that ends at each pitch; the best of all at 0."""
        self._unvoiced = 0.0
        """And the one that ends without a voice."""
        self._middle = 0.0
        self._known = 0
        self._level = 0.0

    def track(self, samples: Signal, centres: NDArray[np.int64]) -> Signal:
        """F0 at the sample indices `centres`, which go on from those of the call before; (t,) Hz.

        `samples` reaches `reach` beyond each centre, or is taken as it is at the edges.
        """
        slow = np.convolve(samples, self._lowpass, "same")[:: self._every]
        span = self._window + self._longest
        begins = np.clip(centres // self._every - span // 2, 0, len(slow) - span)
        stretches = np.lib.stride_tricks.sliding_window_view(slow, span)[begins]
        stretches = stretches - stretches.mean(axis=1, keepdims=True)
        correlations, levels = self._correlate(stretches)
        heights = self._heights(correlations)
        return np.array([self._follow(*frame) for frame in zip(correlations, heights, levels, strict=True)])

    def _correlate(self, stretches: Signal) -> tuple[Signal, Signal]:
        """Normalised correlation with each lag, (t, longest + 1), and the root mean square, (t,)."""
        first = np.fft.rfft(stretches[:, : self._window], self._size)
        whole = np.fft.rfft(stretches, self._size)
        products = np.fft.irfft(np.conj(first) * whole, self._size)[:, : self._longest + 1]
        running = np.cumsum(np.square(stretches), axis=1)
        running = np.concatenate([np.zeros((len(running), 1)), running], axis=1)
        energies = running[:, self._window :] - running[:, : self._longest + 1]
        scale = np.sqrt(energies[:, :1] * energies + 1e-12) + 1e-9 * self._window
        return products / scale, np.sqrt(energies[:, 0] / self._window)

    def _heights(self, correlations: Signal) -> Signal:
        """The correlation at each pitch's lag, (t, pitches): none before it has fallen from lag 0 to nothing, where
        every low sound correlates."""
        fallen = np.maximum.accumulate(correlations < 0.0, axis=1)[:, self._below]
        left, right = correlations[:, self._below], correlations[:, self._below + 1]
        return np.where(fallen, left + (right - left) * self._share, -1.0)

    def _follow(self, correlation: Signal, heights: Signal, level: float) -> float:
        """One frame on: its F0."""
        gains = heights - self._longer
        quiet = level < max(_SILENCE, self._level * _QUIET)
        if not quiet:
            self._learn(int(np.argmax(gains)), heights)
        gains = gains - _VOICED
        if self._known:
            far = np.maximum(np.abs(self._octaves - self._middle) - _NEAR_OCTAVES, 0.0)
            gains = gains - _FAR_COST * min(self._known / _KNOWN_FRAMES, 1.0) * far
        if quiet:
            gains = gains - 1.0
        ended = max(self._unvoiced, float(self._paths.max()) - _SWITCH_COST)
        went_on = (self._paths - self._jumps).max(axis=1)
        paths = gains + np.maximum(went_on, self._unvoiced - _SWITCH_COST)
        best = int(np.argmax(paths))
        top = max(float(paths[best]), ended)
        self._paths, self._unvoiced = np.maximum(paths - top, _FAINTEST), max(ended - top, _FAINTEST)
        self._level *= _SINKS
        if paths[best] <= ended:
            return 0.0
        self._level += (_RISES if self._level else 1.0) * max(level - self._level, 0.0)
        return self._exact(correlation, self._rate / 2.0 ** float(self._octaves[best]))

    def _learn(self, clearest: int, heights: Signal) -> None:
        """Where this voice lies."""
        if heights[clearest] < _CLEAR:
            return
        octave = float(self._octaves[clearest])
        if not self._known:
            self._middle = octave
        self._known += 1
        self._middle += float(np.clip(octave - self._middle, -_FOLLOWS_OCTAVES, _FOLLOWS_OCTAVES))

    def _exact(self, correlation: Signal, lag: float) -> float:
        """The F0 of the correlation's peak near a lag, Hz."""
        reach = 1 + int(0.02 * lag)
        begin = max(round(lag) - reach, 1)
        peak = begin + int(np.argmax(correlation[begin : min(round(lag) + reach + 1, len(correlation) - 1)]))
        left, top, right = correlation[peak - 1 : peak + 2]
        shift = 0.5 * (left - right) / min(left - 2 * top + right, -1e-12)
        return float(self._rate / (peak + np.clip(shift, -1.0, 1.0)))
