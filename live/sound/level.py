"""Levels: noise gate, gliding gain, limiter, meters.

They work sample by sample, computed a block at a time: the result does not depend on the block length. They keep a
little of the past and belong to the thread that runs them.
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from models.features.types import Mono

MAX_SAMPLE = 4.0
"""No microphone gives more: +12 dBFS. A sample beyond it is a fault of the driver."""
_LONG_AGO = -(1 << 62)


def amplitude(level_db: float) -> float:
    """The factor that a level in dB stands for."""
    return float(10 ** (level_db / 20))


def sanitise(samples: NDArray[np.float32]) -> tuple[NDArray[np.float32], int]:
    """The samples with NaN and infinity as silence and the rest within +-MAX_SAMPLE, and how many were changed. Good
    samples are returned as they are, not copied."""
    bad = ~(np.abs(samples) <= MAX_SAMPLE)  # a comparison with NaN is false, and so counts as bad
    count = int(np.count_nonzero(bad))
    if not count:
        return samples, 0
    return np.clip(np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0), -MAX_SAMPLE, MAX_SAMPLE), count


class Gate:
    """A noise gate: opens with the first sample at the threshold, and closes when for `hold_s` none came near it. Off
    (the threshold None) it passes every sample unchanged."""

    def __init__(
        self,
        sample_rate: int,
        threshold_db: float | None = None,
        hysteresis_db: float = 6.0,
        hold_s: float = 0.15,
        open_s: float = 0.005,
        close_s: float = 0.06,
    ) -> None:
        """
        Args:
            threshold_db: of full scale 1; also an attribute, which may be changed between two blocks.
            hysteresis_db: a level so far below the threshold still keeps an open gate open.
        """
        self.threshold_db = threshold_db
        self._hysteresis_db = hysteresis_db
        self._hold = round(hold_s * sample_rate)
        # The gain is counted in integer steps, so that rounding does not depend on the block length.
        self._down, self._up = max(round(open_s * sample_rate), 1), max(round(close_s * sample_rate), 1)
        self._full = self._up * self._down
        self._gain = self._full
        self._near_at = self._opened_at = self._closed_at = _LONG_AGO

    def process(self, samples: Mono) -> Mono:
        """The next samples, (n,) in and out."""
        if self.threshold_db is None and self._gain == self._full:
            self._near_at = self._opened_at = self._closed_at = _LONG_AGO
            return samples
        gains = self._gains(self._is_open(np.abs(samples)))
        return np.asarray(samples * (gains / self._full), np.float32)

    def _is_open(self, levels: Mono) -> NDArray[np.bool_]:
        """For each sample. The three times that are carried over count from the first sample of the next block."""
        count = len(levels)
        if self.threshold_db is None:
            return np.ones(count, np.bool_)
        at = np.arange(count)
        quietest = amplitude(self.threshold_db - self._hysteresis_db)
        near = _latest(at, levels >= quietest, self._near_at)
        opened = _latest(at, levels >= amplitude(self.threshold_db), self._opened_at)
        closed = _latest(at, at - near > self._hold, self._closed_at)
        if count:
            self._near_at, self._opened_at, self._closed_at = (
                max(int(times[-1]) - count, _LONG_AGO) for times in (near, opened, closed)
            )
        return np.asarray((at - near <= self._hold) & (opened > closed))

    def _gains(self, is_open: NDArray[np.bool_]) -> NDArray[np.int64]:
        """In steps of 1 / full. While it is open, or closed, the gain is a straight line; the hold time makes such
        stretches long, so there are few of them."""
        gains = np.empty(len(is_open), np.int64)
        edges = [0, *(np.flatnonzero(np.diff(is_open)) + 1).tolist(), len(is_open)]
        for begin, end in pairwise(edges):
            if begin == end:
                continue
            step = self._up if is_open[begin] else -self._down
            gains[begin:end] = np.clip(self._gain + step * np.arange(1, end - begin + 1), 0, self._full)
            self._gain = int(gains[end - 1])
        return gains


def _latest(at: NDArray[np.int64], when: NDArray[np.bool_], before: int) -> NDArray[np.int64]:
    """For each sample the latest position, at or before it, where `when` is true; `before` where there is none."""
    return np.maximum.accumulate(np.where(when, at, before))


class Ramp:
    """A gain that moves in a straight line to its newest target."""

    def __init__(self, sample_rate: int, gain: float = 1.0) -> None:
        self._sample_rate = sample_rate
        self._from = self._target = gain
        self._done = self._length = 0

    @property
    def gain(self) -> float:
        """The present gain."""
        if self._done >= self._length:
            return self._target
        return self._from + (self._target - self._from) * self._done / self._length

    @property
    def gliding(self) -> bool:
        return self._done < self._length

    def to(self, target: float, seconds: float) -> None:
        """Glide from the present gain in so many seconds from now. The target it already has changes nothing."""
        if target == self._target:
            return
        self._from, self._target = self.gain, target
        self._done, self._length = 0, max(round(seconds * self._sample_rate), 1)

    def process(self, samples: Mono) -> Mono:
        """The next samples times the gain, (n,) in and out; the same array at a gain of 1."""
        if not self.gliding:
            return samples if self._target == 1.0 else np.asarray(samples * np.float32(self._target), np.float32)
        steps = np.minimum(self._done + np.arange(1, len(samples) + 1), self._length)
        gains = self._from + (self._target - self._from) * (steps / self._length)
        self._done = min(self._done + len(samples), self._length)
        return np.asarray(samples * gains, np.float32)


class Limiter:
    """No sample exceeds the ceiling; below it the sound is unchanged, `latency_samples` later.

    The gain that a sample needs is its minimum over the lookahead (so it is down in time), rises again in a straight
    line (the release), and is averaged over the lookahead (so it has no corner). Every value in an average is one that
    this sample may have, and so is the average.
    """

    def __init__(
        self, sample_rate: int, ceiling_db: float = -1.0, lookahead_s: float = 0.001, release_s: float = 0.08
    ) -> None:
        self._ceiling = np.float32(amplitude(ceiling_db))
        self.latency_samples = max(round(lookahead_s * sample_rate), 1)
        self._rise = 1.0 / (release_s * sample_rate)
        self._past = np.zeros(self.latency_samples, np.float32)
        self._needed = np.ones(self.latency_samples)
        self._released = np.ones(self.latency_samples)
        self._gain = 1.0
        self._idle = True
        """No sample in the lookahead needs a gain below 1."""

    @property
    def gain(self) -> float:
        """The smallest gain in the newest block: 1 when nothing was limited."""
        return self._gain

    def process(self, samples: Mono) -> Mono:
        """The next samples, (n,) in and out, finite."""
        count = len(samples)
        if not count:
            return samples
        if self._idle and np.abs(samples).max() <= self._ceiling:
            sound = np.concatenate([self._past, samples])
            self._past = sound[count:]
            self._gain = 1.0
            return sound[:count]
        needed = np.concatenate([self._needed, self._ceiling / np.maximum(np.abs(samples), self._ceiling)])
        lowest = sliding_window_view(needed, self.latency_samples + 1).min(axis=1)
        # min(lowest[n], before[n - 1] + rise) for all n at once.
        climb = self._rise * np.arange(1, count + 1)
        released = np.minimum.accumulate(np.minimum(lowest - climb, self._released[-1])) + climb
        released = np.minimum(released, lowest)
        released = np.concatenate([self._released, released])
        gains = sliding_window_view(released, self.latency_samples + 1).mean(axis=1).astype(np.float32)
        sound = np.concatenate([self._past, samples])
        self._past = sound[count:]
        self._needed, self._released = needed[count:], released[count:]
        self._gain = float(gains.min())
        self._idle = bool((self._needed >= 1.0).all() and (self._released >= 1.0).all())
        # Rounding may leave a sample slightly above.
        return np.asarray(np.clip(sound[:count] * gains, -self._ceiling, self._ceiling), np.float32)


class Meter:
    """Peak and rms level of the latest `window_s` of sound."""

    def __init__(self, sample_rate: int, window_s: float = 0.3) -> None:
        self._window = round(window_s * sample_rate)
        self._blocks: deque[tuple[int, float, float]] = deque()
        """Of each block: samples, peak, energy."""
        self._count = 0

    def measure(self, samples: NDArray[np.float32]) -> None:
        """The next samples, of any shape."""
        if not samples.size:
            return
        flat = samples.ravel()
        self._blocks.append((flat.size, float(np.abs(flat).max()), float(np.dot(flat, flat))))
        self._count += flat.size
        while len(self._blocks) > 1 and self._count - self._blocks[0][0] >= self._window:
            self._count -= self._blocks.popleft()[0]

    @property
    def peak(self) -> float:
        return max((peak for _, peak, _ in self._blocks), default=0.0)

    @property
    def rms(self) -> float:
        return float(np.sqrt(sum(energy for _, _, energy in self._blocks) / self._count)) if self._count else 0.0
