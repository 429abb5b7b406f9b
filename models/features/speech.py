"""Speech as WORLD describes it: F0, spectral envelope and aperiodicity, a frame every 5 ms; and its mel-cepstra.

Morise, Yokomori, Ozawa, "WORLD: a vocoder-based high-quality speech synthesis system" (IEICE 2016), by pyworld.
`analyse` takes whole recordings (training, evaluation), `Analyser` takes live sound (the stage), with the same frames.
Free of torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyworld
import scipy.signal
from numpy.typing import NDArray

from models.features.pitch import PitchTracker
from models.features.types import Signal

FRAME_S = 0.005
MCEPS = 36
"""Coefficients of an envelope, including the level (0)."""
F0_FLOOR_HZ, F0_CEILING_HZ = 71.0, 700.0
LOOKAHEAD_S = 0.025
"""What CheapTrick and the pitch tracker read beyond a frame: one and a half of the longest period, rounded up."""
_CONTEXT_S = 0.1
_LOW_CUT_HZ = 50.0
"""A room has more energy below it than any voice, which would be taken for periods. The slope is gentle, because a
steeper one delays deep voices by 3 ms."""
_WORLD_FLOOR_HZ = 40.0
"""Lowest F0 that WORLD handles: stonemask fails below."""


@dataclass(frozen=True, slots=True)
class WorldFrames:
    """Consecutive frames. f0: (t,) Hz, 0 where unvoiced; envelope: (t, bins) power; aperiodicity: (t, bins) 0..1."""

    f0: Signal
    envelope: Signal
    aperiodicity: Signal

    def __len__(self) -> int:
        return len(self.f0)

    def part(self, begin: int, end: int | None) -> WorldFrames:
        return WorldFrames(self.f0[begin:end], self.envelope[begin:end], self.aperiodicity[begin:end])


def joined(parts: Sequence[WorldFrames]) -> WorldFrames:
    """Concatenated."""
    return WorldFrames(
        np.concatenate([part.f0 for part in parts]),
        np.concatenate([part.envelope for part in parts]),
        np.concatenate([part.aperiodicity for part in parts]),
    )


class FrameDelay:
    """Delays frames; those before the first are unvoiced."""

    def __init__(self, frames: int) -> None:
        self._delay = frames
        self._pending: WorldFrames | None = None

    def reset(self) -> None:
        self._pending = None

    def process(self, frames: WorldFrames) -> WorldFrames:
        if not self._delay:
            return frames
        if self._pending is None:
            before = np.repeat(frames.envelope[:1], self._delay, axis=0)
            self._pending = WorldFrames(np.zeros(self._delay), before, np.ones_like(before))
        both = joined([self._pending, frames])
        self._pending = both.part(len(frames), None)
        return both.part(0, len(frames))


def frame_samples(sample_rate: int) -> int:
    """Samples from frame to frame: 5 ms, to a whole sample."""
    return round(sample_rate * FRAME_S)


def fft_size(sample_rate: int) -> int:
    """Size of the FFT; envelopes have fft_size // 2 + 1 bins."""
    return int(pyworld.get_cheaptrick_fft_size(sample_rate, F0_FLOOR_HZ))


def analyse(samples: NDArray[np.floating], sample_rate: int) -> WorldFrames:
    """The frames of a whole recording, (n,) full scale 1; frame k is at sample k * frame_samples."""
    x = np.ascontiguousarray(samples, np.float64)
    period_ms = 1e3 * frame_samples(sample_rate) / sample_rate
    f0, times = pyworld.harvest(x, sample_rate, F0_FLOOR_HZ, F0_CEILING_HZ, period_ms)
    f0 = pyworld.stonemask(x, f0, times, sample_rate)
    return _frames(x, f0, times, sample_rate)


def encode_envelope(envelope: Signal, sample_rate: int) -> NDArray[np.float32]:
    """(t, bins) power -> (t, MCEPS) mel-cepstra."""
    coded = pyworld.code_spectral_envelope(np.ascontiguousarray(envelope, np.float64), sample_rate, MCEPS)
    return np.asarray(coded, np.float32)


def decode_envelope(mcep: NDArray[np.floating], sample_rate: int) -> Signal:
    """(t, MCEPS) -> (t, bins) power."""
    coded = np.ascontiguousarray(mcep, np.float64)
    return np.asarray(pyworld.decode_spectral_envelope(coded, sample_rate, fft_size(sample_rate)))


def aperiodicity_bands(sample_rate: int) -> int:
    """The number of bands in which WORLD codes the aperiodicity."""
    return int(pyworld.get_num_aperiodicities(sample_rate))


def encode_aperiodicity(aperiodicity: Signal, sample_rate: int) -> NDArray[np.float32]:
    """(t, bins) 0..1 -> (t, bands), dB."""
    coded = pyworld.code_aperiodicity(np.ascontiguousarray(aperiodicity, np.float64), sample_rate)
    return np.asarray(coded, np.float32)


def decode_aperiodicity(coded: NDArray[np.floating], sample_rate: int) -> Signal:
    """(t, bands), dB -> (t, bins) 0..1."""
    bands = np.ascontiguousarray(coded, np.float64)
    return np.asarray(pyworld.decode_aperiodicity(bands, sample_rate, fft_size(sample_rate)))


class Analyser:
    """Analyses live speech, a hop of some frames at a time.

    `push` takes the next hop of samples and returns as many frames as it holds; the newest of them is at `lookahead`
    samples before the newest sample. Belongs to one thread.
    """

    def __init__(self, sample_rate: int, hop_frames: int = 4, ceiling_hz: float = F0_CEILING_HZ) -> None:
        """ceiling_hz: the highest pitch that is found."""
        self.sample_rate = sample_rate
        self.frame = frame_samples(sample_rate)
        self.hop = hop_frames * self.frame
        self.lookahead = -(-round(LOOKAHEAD_S * sample_rate) // self.frame) * self.frame
        self._pitch = PitchTracker(sample_rate, F0_FLOOR_HZ, ceiling_hz)
        self._low_cut = scipy.signal.butter(2, _LOW_CUT_HZ, "highpass", fs=sample_rate, output="sos")
        self._cut = np.zeros((len(self._low_cut), 2))
        size = -(-round(_CONTEXT_S * sample_rate) // self.frame) * self.frame + self.hop
        self._buffer = np.zeros(size)
        newest = size - self.lookahead
        self._centres = newest - self.frame * np.arange(hop_frames - 1, -1, -1)
        self._times = self._centres / sample_rate

    @property
    def context(self) -> int:
        """Samples of the past that a frame may depend on."""
        return len(self._buffer)

    def reset(self) -> None:
        self._buffer[:] = 0.0
        self._cut[:] = 0.0
        self._pitch.reset()

    def push(self, samples: NDArray[np.floating]) -> WorldFrames:
        """(hop,) samples -> hop_frames frames."""
        self._buffer[: -self.hop] = self._buffer[self.hop :]
        self._buffer[-self.hop :], self._cut = scipy.signal.sosfilt(self._low_cut, samples, zi=self._cut)
        f0 = self._pitch.track(self._buffer, self._centres)
        f0 = pyworld.stonemask(self._buffer, f0, self._times, self.sample_rate)
        return _frames(self._buffer, f0, self._times, self.sample_rate)


def _frames(x: Signal, f0: Signal, times: Signal, sample_rate: int) -> WorldFrames:
    f0 = np.where((f0 < _WORLD_FLOOR_HZ) | ~np.isfinite(f0), 0.0, f0)
    size = fft_size(sample_rate)
    envelope = pyworld.cheaptrick(x, f0, times, sample_rate, f0_floor=F0_FLOOR_HZ, fft_size=size)
    aperiodicity = pyworld.d4c(x, f0, times, sample_rate, fft_size=size)
    return WorldFrames(f0, envelope, aperiodicity)
