"""Causal pitch marks of a voice, with as little lookahead as possible: for PSOLA.

The period is the lag of the greatest normalised correlation of the newest 20 ms with the sound before (Talkin, RAPT,
1995), tracked from hop to hop by dynamic programming without backtracking; each mark is the one before, moved by the
lag at which the waveform around it repeats, and slowly pulled to where the period is loudest, which is near the glottal
closure (Moulines and Charpentier, 1990, want grains centred there).

Belongs to the thread of the voice that owns it.
"""

from __future__ import annotations

import math
from bisect import bisect_left

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from models.features.types import Mono

LOWEST_HZ, HIGHEST_HZ = 60.0, 700.0
CERTAIN_MS = 3.5
"""Delay after which a mark is found: half the low-pass filter, and the compared sound."""
_HEARD_S = 0.12
_WINDOW_S = 0.02
_AFTER_S = 0.002
_VOICED, _STILL_VOICED = 0.6, 0.45
_OCTAVE_COST, _LEAP_COST, _MEMORY = 0.03, 0.5, 0.8
_QUIET = 3e-4
_MAX_PULL = 0.003
"""Of a period: more is audible as a wavering pitch."""
_FAINT, _LOUD_MEMORY_S = 3e-4, 3.0

PitchLine = NDArray[np.float64]


class PitchMarks:
    """Pitch marks of the voiced parts of a sound, hop by hop."""

    def __init__(self, sample_rate: int, hop: int, decimation: int, keep_s: float) -> None:
        """
        Args:
            sample_rate: Hz.
            hop: samples per call; a multiple of decimation.
            decimation: the analysis runs at sample_rate / decimation, 6 to 8 kHz.
            keep_s: how long a mark is kept.
        """
        self._hop, self._decimation = hop, decimation
        self._keep = keep_s * sample_rate
        rate = sample_rate / decimation
        self._filter = _low_pass(sample_rate, 1800.0, round(1.6e-3 * sample_rate) | 1)
        self._late = (len(self._filter) - 1) / 2
        self._window = round(_WINDOW_S * rate)
        self._shortest, self._longest = math.floor(rate / HIGHEST_HZ), math.ceil(rate / LOWEST_HZ)
        octaves = np.log2(np.arange(self._shortest, self._longest + 1))
        self._bias = _OCTAVE_COST * (octaves - octaves[0])
        self._leap = _LEAP_COST * np.abs(octaves[:, None] - octaves[None, :])
        self._quiet = self._window * _QUIET**2
        self._fade = math.exp(-hop / sample_rate / _LOUD_MEMORY_S)
        self._after = round(_AFTER_S * rate)
        self._smooth = np.hanning(round(1.5e-3 * rate) + 2)[1:-1]
        self._history = np.zeros(round(_HEARD_S * rate))
        self._tail = np.zeros(len(self._filter) - 1)
        self.reset()

    def reset(self) -> None:
        """Returns to the initial state."""
        self._history[:] = 0.0
        self._tail[:] = 0.0
        self._score = np.zeros(len(self._bias))
        self._loudest_yet = 0.0  # energy of a window
        self._ended = 0  # analysis samples so far
        self._period = 0.0  # of the newest window, analysis samples; 0: no voice
        self._last = -1.0  # the newest mark, analysis samples; negative: none in this voiced stretch
        self.at: list[float] = []
        """Samples since the beginning, increasing."""
        self.periods: list[float] = []
        """Samples from the mark before to this one."""

    def push(self, samples: Mono) -> None:
        """The next (hop,) samples."""
        self._decimate(samples)
        self._follow_period()
        if self._period == 0.0:
            self._last = -1.0
        elif self._last < 0.0:
            self._start_voiced()
        while self._last >= 0.0 and self._last + 1.08 * self._period + self._after < self._ended:
            self._append(*self._next(self._last))
        self._forget()

    @property
    def voiced(self) -> bool:
        """Whether the newest sound is voiced."""
        return self._last >= 0.0

    def nearest(self, at: float) -> int:
        """The index of the mark nearest to a time (samples), or -1 when there is none."""
        after = bisect_left(self.at, at)
        if after == len(self.at) or (after > 0 and at - self.at[after - 1] < self.at[after] - at):
            after -= 1
        return after

    def _decimate(self, samples: Mono) -> None:
        joined = np.concatenate([self._tail, samples])
        self._tail[:] = joined[self._hop :]
        new = sliding_window_view(joined, len(self._filter))[self._decimation - 1 :: self._decimation] @ self._filter
        self._history[: -len(new)] = self._history[len(new) :].copy()
        self._history[-len(new) :] = new
        self._ended += len(new)

    def _follow_period(self) -> None:
        span = self._history[-self._window - self._longest :]
        span = span - span.mean()
        newest = span[-self._window :]
        energies = np.convolve(span * span, np.ones(self._window), "valid") + self._quiet
        correlation = np.correlate(span, newest, "valid") / np.sqrt(energies * energies[-1])
        correlation = correlation[::-1]
        dip = np.minimum.accumulate(correlation)  # correlations on the slope down from lag 0 do not count
        correlation = (correlation - np.maximum(dip, 0.0))[self._shortest :]
        self._score = correlation - self._bias + _MEMORY * (self._score[None, :] - self._leap).max(axis=1)
        best = int(np.argmax(self._score))
        self._loudest_yet = max(self._loudest_yet * self._fade, float(energies[-1]))
        audible = energies[-1] > _FAINT * self._loudest_yet  # hum and rooms have a pitch too
        if audible and correlation[best] > (_STILL_VOICED if self._period else _VOICED):
            self._period = self._shortest + best + _summit(correlation, best)
        else:
            self._period = 0.0

    def _start_voiced(self) -> None:
        """The first mark of a voiced stretch, at the loudest place of its newest period, and those before it within the
        newest window."""
        period = self._period
        end = self._ended - self._after
        first = self._loudest(end - period / 2, period / 2)
        known = self.at[-1] + 0.5 * period * self._decimation if self.at else 0.0
        count = int((first - (self._ended - self._window - 0.5 * period)) / period)
        for back in range(count, -1, -1):
            if self._time(first - back * period) > known:
                self._append(first - back * period, period)
        self._last = max(self._last, first)

    def _next(self, mark: float) -> tuple[float, float]:
        """The next mark, and its distance from this one."""
        period = self._period
        lag = self._lag(mark, period)
        offset = self._loudest(mark, period / 2) - mark
        pull = min(max(0.03 * offset, -_MAX_PULL * period), _MAX_PULL * period)
        return mark + lag + pull, lag + pull

    def _lag(self, mark: float, period: float) -> float:
        """The lag after this mark at which the waveform around it repeats."""
        centre = self._index(mark)
        before, after = max(round(0.6 * period), self._after), self._after
        low, high = math.floor(0.92 * period), math.ceil(1.08 * period)
        high = min(high, len(self._history) - after - centre)
        start = centre - before
        if start < 0 or high - low < 2:
            return period
        pattern = self._history[start : centre + after]
        span = self._history[start + low : centre + after + high]
        energies = np.convolve(span * span, np.ones(len(pattern)), "valid") + 1e-12
        correlation = np.correlate(span, pattern, "valid") / np.sqrt(energies)
        best = int(np.argmax(correlation))
        if correlation[best] <= 0.0:
            return period
        return low + best + _summit(correlation, best)

    def _loudest(self, mark: float, half: float) -> float:
        """The place within half a period of a mark where the sound, with raised treble, is loudest."""
        low = max(self._index(mark - half), len(self._smooth))
        high = min(self._index(mark + half) + 1, len(self._history))
        if high - low < 2:
            return mark
        margin = len(self._smooth) // 2
        steps = np.diff(self._history[low - margin - 1 : high + margin])
        loud = np.convolve(steps * steps, self._smooth, "same")[margin : margin + high - low]
        return float(self._ended - len(self._history) + low + int(np.argmax(loud)))

    def _append(self, mark: float, period: float) -> None:
        self._last = mark
        self.at.append(self._time(mark))
        self.periods.append(period * self._decimation)

    def _forget(self) -> None:
        old = bisect_left(self.at, self._ended * self._decimation - self._keep)
        if old > 0:
            del self.at[:old], self.periods[:old]

    def _index(self, mark: float) -> int:
        return round(mark) - self._ended + len(self._history)

    def _time(self, mark: float) -> float:
        """From analysis samples to samples since the beginning."""
        return mark * self._decimation + self._decimation - 1 - self._late


def _summit(values: PitchLine, best: int) -> float:
    """Offset of the vertex of a parabola through a maximum and its neighbours."""
    if best == 0 or best == len(values) - 1:
        return 0.0
    before, here, after = values[best - 1 : best + 2]
    bend = before - 2.0 * here + after
    return float(0.5 * (before - after) / bend) if bend < 0.0 else 0.0


def _low_pass(sample_rate: int, edge_hz: float, taps: int) -> PitchLine:
    """A windowed sinc, 1 at 0 Hz."""
    times = np.arange(taps) - (taps - 1) / 2
    response = np.sinc(2.0 * edge_hz / sample_rate * times) * np.hanning(taps + 2)[1:-1]
    return np.asarray(response / response.sum())
