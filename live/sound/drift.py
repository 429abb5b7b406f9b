"""Clock drift compensation: the clocks of two devices, microphone and loudspeaker, differ by ten to some hundred
samples a minute. The sound in flight between them is measured and kept constant, by resampling to a slightly higher or
lower rate.

Used between two clocks, and where a device has another rate than the engine; in a stream that is both microphone and
loudspeaker every sample passes unchanged. Belongs to the thread that writes.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from models.features.types import Mono

MAX_PPM = 1000.0
SLEW_PPM_S = 50.0
"""A twelfth of a cent in a second: so slow a change of pitch is inaudible."""
FADE_S = 0.005
_FAST, _SLOW = 0.15, 0.05
_SETTLING = 4.0
_SMOOTHING = 0.25
"""Ring buffers move in steps, by callbacks: their level is averaged over this share of the control's time constant."""
_PHASES = 256
_TAPS = 32
_KAISER = 9.0


class DriftControl:
    """A PI controller of the amount of sound in flight, critically damped; its bandwidth (rad/s) narrows from _FAST to
    _SLOW as it settles. Drift is positive where the microphone's side is the faster one."""

    def __init__(self) -> None:
        self.ratio = 1.0
        """Input samples per output sample."""
        self._drift = 0.0
        self._applied = 0.0
        self._smoothed_s: float | None = None
        self._age_s = 0.0

    @property
    def ppm(self) -> float:
        """The estimated drift."""
        return self._drift * 1e6

    def restart(self) -> None:
        """The ring was refilled: its level is a new one, the drift is kept since the clocks are the same."""
        self._smoothed_s = None
        self._age_s = 0.0

    def update(self, excess_s: float, elapsed_s: float) -> float:
        """Returns the new ratio.

        Args:
            excess_s: how much more than wanted is in flight.
            elapsed_s: the time since the last update.
        """
        if self._smoothed_s is None:
            self._smoothed_s = excess_s
        self._age_s += elapsed_s
        bandwidth = min(max(_SETTLING / max(self._age_s, 1e-3), _SLOW), _FAST)
        self._smoothed_s += (excess_s - self._smoothed_s) * min(elapsed_s * bandwidth / _SMOOTHING, 1.0)
        wanted = self._drift + 2 * bandwidth * self._smoothed_s
        limit = MAX_PPM * 1e-6
        if abs(wanted) < limit:  # no integration while it is saturated
            self._drift += bandwidth**2 * self._smoothed_s * elapsed_s
        step = SLEW_PPM_S * 1e-6 * elapsed_s
        self._applied += float(np.clip(np.clip(wanted, -limit, limit) - self._applied, -step, step))
        self.ratio = 1.0 + self._applied
        return self.ratio


class DriftResampler:
    """Resamples at any ratio, which may differ from call to call: a windowed sinc, tabulated at `_PHASES` positions
    between two samples and interpolated linearly between those (J. O. Smith, Digital Audio Resampling, 2002).

    soxr does the same with a delay of 5 ms (variable) or 20 ms (fixed, 44.1 to 48 kHz); this one has 16 samples near a
    ratio of 1.
    """

    def __init__(self, ratio: float = 1.0) -> None:
        """ratio: about how many input samples per output sample; near 1 the whole band is kept."""
        same = abs(ratio - 1.0) < 0.005
        # A real change of rate needs a steeper edge, below the lower of the two Nyquist frequencies.
        half = _TAPS // 2 if same else int(np.ceil(_TAPS * max(ratio, 1.0)))
        self._band = 1.0 if same else 0.94 * min(1.0, 1.0 / ratio)
        self.latency_samples = half
        """Of the input."""
        self._table = _table(half, self._band)
        self.reset()

    def reset(self) -> None:
        self._past = np.zeros(2 * self.latency_samples, np.float32)
        self._position = 1.0

    def process(self, samples: Mono, ratio: float) -> Mono:
        """(n,) in, n / ratio out, rounded up or down by what is left over from the call before."""
        taps = 2 * self.latency_samples
        sound = np.concatenate([self._past, samples])
        # Position p is between the two middle samples of the window that begins at floor(p).
        count = int(np.ceil((len(sound) - taps + 1 - self._position) / ratio))
        at = self._position + ratio * np.arange(max(count, 0))
        first = at.astype(np.int64)
        between = (at - first) * _PHASES
        phase = between.astype(np.int64)
        weight = (between - phase).astype(np.float32)[:, None]
        kernels = self._table[phase] * (1 - weight) + self._table[phase + 1] * weight
        resampled = np.einsum("nt,nt->n", sliding_window_view(sound, taps)[first], kernels)
        self._position += ratio * max(count, 0) - len(samples)
        self._past = sound[len(samples) :]
        return np.asarray(resampled, np.float32)


class Feed:
    """Prepares blocks for a loudspeaker's ring buffer: resamples them to the ring's clock, fades in where the sound
    begins, and skips blocks where too much is in flight already. None of this clicks."""

    def __init__(
        self, sample_rate: int, ring_rate: float, max_excess_s: float, drifts: bool, tolerance_s: float = 0.001
    ) -> None:
        """
        Args:
            max_excess_s: more than this beyond the set point is late sound, which piled up while the machine was
                suspended.
            drifts: whether the ring runs by another clock than the blocks.
            tolerance_s: when a block arrives in time, the ring is at most this far from the set point.
        """
        self.control = DriftControl() if drifts else None
        self.skips = 0
        """How many times blocks were skipped although the ring had not run dry."""
        self._rate_ratio = sample_rate / ring_rate
        self._resampler = DriftResampler(self._rate_ratio) if drifts or sample_rate != ring_rate else None
        self._sample_rate = sample_rate
        self._max_excess_s, self._tolerance_s = max_excess_s, tolerance_s
        self._fade = round(FADE_S * sample_rate)
        self._fade_in_next = False
        self._skipping = False
        self._unverified = 0
        """So many of the next blocks must find the ring at its set point."""
        self._tail = np.zeros(self._fade, np.float32)
        """The faded-out beginning of the first skipped block, mixed into the next one that plays."""

    @property
    def latency_s(self) -> float:
        return self._resampler.latency_samples / self._sample_rate if self._resampler else 0.0

    def restart(self) -> None:
        """The ring was refilled to its set point. The next block may be the first of many late ones: only one that
        finds the ring at its set point is known to be in time."""
        self._fade_in_next, self._skipping, self._unverified = True, False, 2
        self._tail[:] = 0.0
        if self._resampler:
            self._resampler.reset()
        if self.control:
            self.control.restart()

    def process(self, samples: Mono, excess_s: float) -> Mono:
        """(n,) in; returns what goes into the ring, which is empty for a block that is skipped.

        excess_s: how much is in flight beyond the set point.
        """
        if excess_s > (0.0 if self._skipping else self._tolerance_s if self._unverified else self._max_excess_s):
            self._skip(samples)
            return samples[:0]
        if self._skipping:
            # With silence up to the set point, the latency is again what it was.
            samples = np.concatenate([np.zeros(round(-excess_s * self._sample_rate), np.float32), samples])
            self._skipping, self._unverified = False, 0
        self._unverified = max(self._unverified - 1, 0)
        if self._fade_in_next:
            samples = self._faded_in(samples)
        if self._resampler is None:
            return samples
        return self._resampler.process(samples, self._rate_ratio * (self.control.ratio if self.control else 1.0))

    def _skip(self, samples: Mono) -> None:
        if self._skipping:
            return
        self.skips += not self._unverified  # else it belongs to the xrun that was counted
        count = min(self._fade, len(samples))
        self._tail[:] = 0.0
        self._tail[:count] = samples[:count] * np.linspace(1, 0, count, dtype=np.float32)
        self._fade_in_next = self._skipping = True

    def _faded_in(self, samples: Mono) -> Mono:
        sound = int(np.argmax(samples != 0.0))
        count = min(self._fade, len(samples) - sound)
        faded = samples.copy()
        faded[sound : sound + count] *= np.linspace(0, 1, count, dtype=np.float32)
        count = min(self._fade, len(samples))
        faded[:count] += self._tail[:count]
        self._fade_in_next = False
        return faded


def _table(half: int, band: float) -> NDArray[np.float32]:
    """(phases + 1, taps): for each phase the kernel of a point that far after the sample at half - 1 of a window."""
    offset = np.arange(_PHASES + 1)[:, None] / _PHASES + (half - 1) - np.arange(2 * half)
    window = np.i0(_KAISER * np.sqrt(np.clip(1 - (offset / half) ** 2, 0, 1))) / np.i0(_KAISER)
    kernel = band * np.sinc(band * offset) * window
    # Every phase has the same gain at 0 Hz: no ripple at the frequency of the drift.
    return np.asarray(kernel / kernel.sum(axis=1, keepdims=True), np.float32)
