"""Pitch-synchronous overlap-add (Moulines and Charpentier, Speech Communication 9, 1990) on a live signal.

A grain is the sound around one pitch mark under a window that rises and falls like a Hann window. When it begins, only
the position of its mark must be known, not what follows it; so the delay need not hold a whole grain.

Belongs to the thread of the voice that owns it. All times are samples since the beginning.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from models.features.pitch_marks import PitchMarks
from models.features.types import Mono

_TAPS, _FINE = 16, 4
"""Of the interpolation; it is linear between samples four times as dense."""
_UNVOICED_S = 0.005
_NEAREST_S = 0.001
"""Least distance of grains."""
_NOISE_S, _NOISE_REACH_S = 0.0008, 0.004
_NOISE_LOW_S, _NOISE_LESS = 0.0012, 0.85
_NOISE_SEED = 1

Times = NDArray[np.float64]


class SampleHistory:
    """The newest part of a sound, readable between its samples. The last _TAPS / 2 samples cannot be read yet."""

    def __init__(self, sample_rate: int, hop: int, keep_s: float) -> None:
        self._hop, self._keep = hop, _FINE * math.ceil(keep_s * sample_rate)
        self._fine = np.zeros(4 * self._keep, np.float32)
        self._tail = np.zeros(_TAPS - 1, np.float32)
        times = np.arange(_TAPS)[:, None] - (_TAPS / 2 - 1) - np.arange(_FINE)[None, :] / _FINE
        window = np.i0(8.0 * np.sqrt(np.maximum(1.0 - (times / (_TAPS / 2)) ** 2, 0.0))) / np.i0(8.0)
        phase_filters = np.sinc(times) * window
        self._phase_filters = (phase_filters / phase_filters.sum(axis=0)).astype(
            np.float32
        )  # Kaiser; phase 0: the samples themselves
        self.reset()

    def reset(self) -> None:
        """Returns to the initial state."""
        self._fine[: self._keep] = 0.0
        self._tail[:] = 0.0
        self._end = self._keep
        self._first = -(self._keep // _FINE) - _TAPS // 2

    def push(self, samples: Mono) -> None:
        """The next (hop,) samples."""
        new = _FINE * self._hop
        if self._end + new > len(self._fine):
            self._fine[: self._keep] = self._fine[self._end - self._keep : self._end]
            self._first += (self._end - self._keep) // _FINE
            self._end = self._keep
        joined = np.concatenate([self._tail, samples])
        self._tail[:] = joined[self._hop :]
        into = self._fine[self._end : self._end + new].reshape(self._hop, _FINE)
        np.matmul(sliding_window_view(joined, _TAPS), self._phase_filters, out=into)
        self._end += new

    def read(self, times: Times) -> Mono:
        """The sound at any times, in any shape, that are still stored."""
        fine = np.clip((times - self._first) * _FINE, 0.0, self._end - 2.0)
        index = fine.astype(np.int64)
        before = self._fine[index]
        return np.asarray(before + (fine - index).astype(np.float32) * (self._fine[index + 1] - before))

    def samples(self, begin: int, end: int) -> Mono:
        """The samples from begin to end."""
        low = (begin - self._first) * _FINE
        return self._fine[low : low + (end - begin) * _FINE : _FINE]


@dataclass(slots=True)
class Grain:
    """A windowed piece of the input, placed in the output."""

    at: float
    source: float
    """Its centre in the input."""
    rate: float
    """Reading speed: 2 moves formants up an octave."""
    rise: float
    fall: float
    hold: float = 0.0
    """Time from its centre until it begins to fall; infinite while that is not yet known."""
    gain: float = 1.0
    voiced: bool = False
    spacing: float = 0.0
    """Distance from its mark to the next, as far as is known; for unvoiced grains, the distance at which they are
    placed."""


def overlap_add(grains: list[Grain], history: SampleHistory, begin: int, end: int) -> Mono:
    """The sum of the grains from begin to end, (end - begin,)."""
    if not grains:
        return np.zeros(end - begin, np.float32)
    table = np.array([(g.at, g.source, g.rate, g.rise, g.hold + g.fall, g.fall, g.gain) for g in grains])
    at, source, rate, rise, stop, fall, gain = table.T[:, :, None]
    after = np.arange(begin, end) - at
    height = np.clip(np.minimum(1.0 + after / rise, (stop - after) / fall), 0.0, 1.0)
    weight = gain * (0.5 - 0.5 * np.cos(math.pi * height))
    return np.asarray((weight * history.read(source + rate * after)).sum(axis=0), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class PitchShift:
    """The change of each period."""

    pitch: float
    """Factor of the pitch."""
    rate: float
    """Factor of the reading speed, and so of the formants."""
    monotone: float | None = None
    """A constant period for the output, in samples, before `pitch` is applied."""

    @property
    def is_identity(self) -> bool:
        """Whether nothing is changed."""
        return self.pitch == 1.0 and self.rate == 1.0 and self.monotone is None

    def output_period(self, period: float) -> float:
        return period / self.pitch if self.monotone is None else self.monotone / self.pitch


class PsolaSynthesizer:
    """Places the periods of a voice at another pitch; unvoiced sound stays in place."""

    def __init__(self, sample_rate: int, lead: float, delay: float) -> None:
        """
        Args:
            lead: the longest rise of a grain: a mark may be this much later than a grain's beginning and is known then.
            delay: how far after an output sample the input may be read.
        """
        self._unvoiced = _UNVOICED_S * sample_rate
        self._nearest = _NEAREST_S * sample_rate
        self._lead, self._delay = lead, delay
        self.reset()

    def reset(self) -> None:
        """Returns to the initial state."""
        self._grains = [Grain(-1e9, -1e9, 1.0, 1.0, 1.0, math.inf)]

    def overlap_add(self, history: SampleHistory, marks: PitchMarks, begin: int, end: int, shift: PitchShift) -> Mono:
        """The sound from begin to end."""
        while self._follow(marks, begin, end, shift):
            pass
        newest = self._grains[-1]
        self._grains = [g for g in self._grains if g is newest or g.at + g.hold + g.fall > begin]
        return overlap_add(self._grains, history, begin, end)

    @property
    def voiced(self) -> bool:
        """Whether all grains that sound are voiced."""
        return all(grain.voiced for grain in self._grains)

    def _follow(self, marks: PitchMarks, begin: int, end: int, shift: PitchShift) -> bool:
        """Adds the next grain, if it begins before the end."""
        last = self._grains[-1]
        new = self._plan(last, marks, begin, shift)
        reach = self._reach(new, shift)
        rise = min(new.at - max(last.at, begin), reach, self._longest_rise(new))
        if new.at - rise >= end:
            return False
        if math.isinf(last.hold):
            last.hold, last.fall = new.at - last.at - rise, rise
        new.rise, new.fall = rise, reach
        if not new.voiced or shift.output_period(new.spacing) <= reach:
            new.hold = math.inf
        self._grains.append(new)
        return True

    def _longest_rise(self, new: Grain) -> float:
        """Limit of the rise, so that the nearest mark, even after the grain, is known when it begins; a period is quiet
        before its mark, so a shorter rise does no harm."""
        if not new.voiced:
            return self._lead
        return max(self._lead - 0.5 * new.spacing, 0.4 * new.spacing)

    def _reach(self, new: Grain, shift: PitchShift) -> float:
        """How far from its centre a grain may sound: it must not contain another period's pulse."""
        if not new.voiced:
            return self._unvoiced
        reach = new.spacing * max(1.0, 1.0 / shift.rate)
        if shift.rate > 1.0:
            reach = min(reach, (self._delay - new.source + new.at) / (shift.rate - 1.0))
        return reach

    def _plan(self, last: Grain, marks: PitchMarks, begin: int, shift: PitchShift) -> Grain:
        """The position and the content of the next grain."""
        at = last.at + (shift.output_period(last.spacing) if last.voiced else self._unvoiced)
        if last.voiced:
            index_here = marks.nearest(last.source)
            if index_here >= 0 and index_here + 1 < len(marks.at) and marks.at[index_here] == last.source:
                spacing = marks.at[index_here + 1] - last.source
                if spacing < 2.0 * last.spacing:
                    at = last.at + shift.output_period(spacing)
        at = max(at, last.at + self._nearest, begin + self._nearest)
        if shift.is_identity and last.source == last.at:
            return Grain(at, at, shift.rate, 0.0, 0.0, spacing=self._unvoiced)
        index = marks.nearest(at)
        if index >= 0:
            mark, period = marks.at[index], marks.periods[index]
            if not last.voiced and abs(mark - at) < 0.75 * period and mark > max(last.at, begin) + self._nearest:
                at = mark
            if marks.voiced and index == len(marks.at) - 1 and at - mark > 0.5 * period:
                mark += period  # its mark is not known yet, but the voice continues
            if abs(mark - at) < 0.75 * period:
                return Grain(at, mark, shift.rate, 0.0, 0.0, voiced=True, spacing=period)
        return Grain(at, at, shift.rate, 0.0, 0.0, spacing=self._unvoiced)


class Noise:
    """Whispers each period: many close grains of it with random signs are noise with its spectrum."""

    def __init__(self, sample_rate: int) -> None:
        self._step = _NOISE_S * sample_rate
        self._half = _NOISE_REACH_S * sample_rate
        low = np.hanning((round(_NOISE_LOW_S * sample_rate) | 1) + 2)[1:-1]
        self._flatten = (-_NOISE_LESS * low / low.sum()).astype(np.float32)
        self._flatten[len(low) // 2] += 1.0
        self._tail = np.zeros(len(low) - 1, np.float32)
        self.reset()

    def reset(self) -> None:
        """Returns to the initial state, also the random generator."""
        self._random = np.random.default_rng(_NOISE_SEED)
        self._grains: list[Grain] = []
        self._at: float | None = None
        self._tail[:] = 0.0

    def overlap_add(self, history: SampleHistory, marks: PitchMarks, begin: int, end: int, shift: PitchShift) -> Mono:
        """The noise from begin to end; below 800 Hz most of it is removed, because a whisper lacks what the larynx adds
        there."""
        if self._at is None:
            self._at = begin
        while self._at - self._half < end:
            at = self._at + self._step * (self._random.random() - 0.5)
            index = marks.nearest(at)
            source = at
            if index >= 0 and abs(marks.at[index] - at) < 0.75 * marks.periods[index]:
                source = marks.at[index]
            sign = 1.0 if self._random.random() < 0.5 else -1.0
            self._grains.append(Grain(at, source, shift.rate, self._half, self._half, gain=sign))
            self._at += self._step
        self._grains = [g for g in self._grains if g.at + g.fall > begin]
        noise = overlap_add(self._grains, history, begin, end)
        joined = np.concatenate([self._tail, noise])
        self._tail[:] = joined[len(noise) :]
        return np.convolve(joined, self._flatten, "valid")
