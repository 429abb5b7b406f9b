"""Two clocks that do not agree: a microphone and a loudspeaker of two devices drift apart by some ten to hundred
samples a minute. What is in flight between them is measured and held, by playing a little faster or slower.

Used where two clocks meet, and where a device has another rate than the engine; a stream that is both microphone and
loudspeaker is passed exactly. Belongs to the thread that writes.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from models.features.types import Mono

MOST_PPM = 1000.0
SLEW_PPM_S = 50.0
"""A twelfth of a cent in a second: nobody hears a pitch move so slowly."""
FADE_S = 0.005
_FAST, _SLOW = 0.15, 0.05
_SETTLING = 4.0
_SMOOTHING = 0.25
"""Rings move by callbacks: what is seen of them is averaged over this many of the control's own time constants."""
_PHASES = 256
_TAPS = 32
_KAISER = 9.0


class DriftControl:
    """A PI control of what is in flight, critically damped; its bandwidth (rad/s) narrows from _FAST to _SLOW as it
    settles. It speaks in ppm by which the microphone's side is the faster."""

    def __init__(self) -> None:
        self.ratio = 1.0
        """How many samples in for one sample out."""
        self._learned = 0.0
        self._played = 0.0
        self._smooth: float | None = None
        self._age_s = 0.0

    @property
    def ppm(self) -> float:
        """The drift as learned."""
        return self._learned * 1e6

    def begin(self) -> None:
        """The ring was filled anew: the clocks are the same, the level is not."""
        self._smooth = None
        self._age_s = 0.0

    def update(self, excess_s: float, after_s: float) -> float:
        """`excess_s` more than wanted is in flight, `after_s` after the last time. Returns the new ratio."""
        if self._smooth is None:
            self._smooth = excess_s
        self._age_s += after_s
        bandwidth = min(max(_SETTLING / max(self._age_s, 1e-3), _SLOW), _FAST)
        self._smooth += (excess_s - self._smooth) * min(after_s * bandwidth / _SMOOTHING, 1.0)
        wanted = self._learned + 2 * bandwidth * self._smooth
        most = MOST_PPM * 1e-6
        if abs(wanted) < most:  # no learning from what it cannot follow
            self._learned += bandwidth**2 * self._smooth * after_s
        step = SLEW_PPM_S * 1e-6 * after_s
        self._played += float(np.clip(np.clip(wanted, -most, most) - self._played, -step, step))
        self.ratio = 1.0 + self._played
        return self.ratio


class DriftResampler:
    """Any ratio, from call to call another: a windowed sinc, of which `_PHASES` positions between two samples are
    tabled and the rest lies on straight lines between them (J. O. Smith, Digital Audio Resampling, 2002).

    soxr does the same with 5 ms (variable) or 20 ms (fixed, 44.1 to 48 kHz) of delay; this one has 16 samples of it
    near a ratio of 1.
    """

    def __init__(self, ratio: float = 1.0) -> None:
        """ratio: samples in for one sample out, about; where it stays near 1, no band is lost."""
        same = abs(ratio - 1.0) < 0.005
        # A real change of rate wants a steeper edge, below the lower of the two half rates.
        half = _TAPS // 2 if same else int(np.ceil(_TAPS * max(ratio, 1.0)))
        self._band = 1.0 if same else 0.94 * min(1.0, 1.0 / ratio)
        self.latency = half
        """Samples of the input."""
        self._table = _table(half, self._band)
        self.reset()

    def reset(self) -> None:
        self._past = np.zeros(2 * self.latency, np.float32)
        self._position = 1.0

    def process(self, samples: Mono, ratio: float) -> Mono:
        """(n,) in, about n / ratio out; which of the two it is depends on what is left over from before."""
        taps = 2 * self.latency
        sound = np.concatenate([self._past, samples])
        # Position p lies between the two middle samples of the window that begins at floor(p).
        count = int(np.ceil((len(sound) - taps + 1 - self._position) / ratio))
        at = self._position + ratio * np.arange(max(count, 0))
        first = at.astype(np.int64)
        between = (at - first) * _PHASES
        phase = between.astype(np.int64)
        weight = (between - phase).astype(np.float32)[:, None]
        kernels = self._table[phase] * (1 - weight) + self._table[phase + 1] * weight
        played = np.einsum("nt,nt->n", sliding_window_view(sound, taps)[first], kernels)
        self._position += ratio * max(count, 0) - len(samples)
        self._past = sound[len(samples) :]
        return np.asarray(played, np.float32)


class Feed:
    """What happens to a block on its way into a loudspeaker's ring: it is brought to the ring's clock, faded in where
    the sound begins, and left out where too much is in flight already. Nothing of it clicks."""

    def __init__(
        self, sample_rate: int, ring_rate: float, most_s: float, drifts: bool, in_time_s: float = 0.001
    ) -> None:
        """
        Args:
            most_s: more than this beyond the set point is late sound, which piled up while the machine stood still.
            drifts: whether the ring runs by another clock than the blocks.
            in_time_s: how far from the set point a block in time may find the ring.
        """
        self.control = DriftControl() if drifts else None
        self.skips = 0
        """How many times sound was left out of a ring that had not run dry."""
        self._rates = sample_rate / ring_rate
        self._resampler = DriftResampler(self._rates) if drifts or sample_rate != ring_rate else None
        self._sample_rate = sample_rate
        self._most_s, self._in_time_s = most_s, in_time_s
        self._fade = round(FADE_S * sample_rate)
        self._begins = False
        self._skipping = False
        self._unsure = 0
        self._broken_off = np.zeros(self._fade, np.float32)

    @property
    def latency_s(self) -> float:
        return self._resampler.latency / self._sample_rate if self._resampler else 0.0

    def begin(self) -> None:
        """The ring was filled to its set point anew. The block that comes may be the first of many late ones: only one
        that finds the ring at its set point is known to be in time."""
        self._begins, self._skipping, self._unsure = True, False, 2
        self._broken_off[:] = 0.0
        if self._resampler:
            self._resampler.reset()
        if self.control:
            self.control.begin()

    def process(self, samples: Mono, excess_s: float) -> Mono:
        """(n,) in; out, what goes into the ring, which is nothing for a block that is left out.

        excess_s: what is in flight beyond the set point.
        """
        if excess_s > (0.0 if self._skipping else self._in_time_s if self._unsure else self._most_s):
            self._break_off(samples)
            return samples[:0]
        if self._skipping:
            # The next sound is where it belongs when the ring is at its set point again.
            samples = np.concatenate([np.zeros(round(-excess_s * self._sample_rate), np.float32), samples])
            self._skipping, self._unsure = False, 0
        self._unsure = max(self._unsure - 1, 0)
        if self._begins:
            samples = self._faded_in(samples)
        if self._resampler is None:
            return samples
        return self._resampler.process(samples, self._rates * (self.control.ratio if self.control else 1.0))

    def _break_off(self, samples: Mono) -> None:
        if self._skipping:
            return
        self.skips += not self._unsure  # else it is a part of the xrun that was counted
        count = min(self._fade, len(samples))
        self._broken_off[:] = 0.0
        self._broken_off[:count] = samples[:count] * np.linspace(1, 0, count, dtype=np.float32)
        self._begins = self._skipping = True

    def _faded_in(self, samples: Mono) -> Mono:
        sound = int(np.argmax(samples != 0.0))
        count = min(self._fade, len(samples) - sound)
        faded = samples.copy()
        faded[sound : sound + count] *= np.linspace(0, 1, count, dtype=np.float32)
        count = min(self._fade, len(samples))
        faded[:count] += self._broken_off[:count]
        self._begins = False
        return faded


def _table(half: int, band: float) -> NDArray[np.float32]:
    """(phases + 1, taps): the kernel for a point so far behind the sample at half - 1 of a window."""
    behind = np.arange(_PHASES + 1)[:, None] / _PHASES + (half - 1) - np.arange(2 * half)
    window = np.i0(_KAISER * np.sqrt(np.clip(1 - (behind / half) ** 2, 0, 1))) / np.i0(_KAISER)
    kernel = band * np.sinc(band * behind) * window
    # Every phase has the same gain for what does not change: no ripple at the frequency of the drift.
    return np.asarray(kernel / kernel.sum(axis=1, keepdims=True), np.float32)
