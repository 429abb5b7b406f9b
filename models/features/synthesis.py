"""Streaming synthesis of WORLD frames: one phase runs through all hops, so nothing has to be joined.

WORLD's own synthesiser takes a whole recording; used in pieces, their phases do not match, and crossfading or aligning
them costs latency and makes the level ripple (2.1 dB at 85 Hz with SOLA). Here one phase continues, and the rest of
each pulse is carried over. Each pulse is as in WORLD (Morise 2016): a minimum-phase response of the periodic part, and
noise filtered by that of the aperiodic part.

In unvoiced sound the speaker's own sound is kept and only filtered from the speaker's envelope to the target's, instead
of being synthesised from noise: consonants stay intact (STOI of an unchanged voice 0.95 instead of 0.91). Belongs to
one thread.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.features.low_cut import LowCut, cutoff_hz
from models.features.speech import WorldFrames, fft_size, frame_samples, joined
from models.features.types import Signal

_NOISE_HZ = 500.0
"""Pieces of noise a second where a voice is synthesised unvoiced."""
_LEAST_POWER = 1e-16
_MOST_LOWERED, _MOST_RAISED = 1e6, 1e2
"""Limits of the filter on the speaker's own sound, in power: down 60 dB, up 20. Else the noise of a nearly silent
microphone would be amplified to a roar."""
_PIECES = 2
"""Filters per frame for the speaker's own sound."""


class Synthesiser:
    """`push` returns the samples from the last frame of the call before up to the last one given."""

    def __init__(self, sample_rate: int, seed: int = 0) -> None:
        self._rate = sample_rate
        self._frame = frame_samples(sample_rate)
        self._size = fft_size(sample_rate)
        self._bins = self._size // 2 + 1
        self._seed = seed
        self._turn = -2j * np.pi * np.arange(self._bins) / self._size
        self._fold = np.zeros(self._size)
        self._fold[[0, self._size // 2]] = 1.0
        self._fold[1 : self._size // 2] = 2.0
        self._low_cut = LowCut(sample_rate)
        self.reset()

    def reset(self) -> None:
        self._low_cut.reset()
        self._target = self._source = WorldFrames(
            np.zeros(1), np.full((1, self._bins), _LEAST_POWER), np.ones((1, self._bins))
        )
        self._phase = 0.0
        self._tail = np.zeros(self._size)
        self._random = np.random.default_rng(self._seed)

    def push(
        self, target: WorldFrames, source: WorldFrames | None = None, sound: NDArray[np.floating] | None = None
    ) -> NDArray[np.float32]:
        """(t frames) -> (t * frame_samples,) samples.

        source, sound: the speaker's frames and samples at the same times, of which the unvoiced sound is kept; without
        them all is synthesised from pulses and noise.
        """
        count = len(target) * self._frame
        out = np.zeros(count + self._size)
        out[: self._size] = self._tail
        target_now, self._target = joined([self._target, target]), target.part(-1, None)
        unvoiced = None
        if source is not None and sound is not None:
            source_now, self._source = joined([self._source, source]), source.part(-1, None)
            unvoiced = source_now.f0 <= 0
            self._add_source_sound(out, target_now, source_now, unvoiced, np.asarray(sound, np.float64))
        self._add_pulses(out[: count + self._size], target_now, unvoiced, count)
        self._tail = out[count:].copy()
        pitch = np.where(target.f0 > 0, target.f0, target_now.f0[:-1])
        return self._low_cut.push(out[:count], cutoff_hz(pitch)).astype(np.float32)

    # ---- the speaker's own sound

    def _add_source_sound(
        self, out: Signal, target: WorldFrames, source: WorldFrames, unvoiced: NDArray[np.bool_], sound: Signal
    ) -> None:
        """Adds the speaker's unvoiced sound, filtered from the speaker's envelope to the target's."""
        position = np.arange(1, len(sound) + 1) / self._frame
        weight = np.interp(position, np.arange(len(unvoiced)), unvoiced.astype(np.float64))
        if not weight.any():
            return
        source_sound = sound * weight
        edges = np.linspace(0, len(sound), (len(unvoiced) - 1) * _PIECES + 1).astype(np.int64)
        middles = (edges[:-1] + edges[1:]) / 2
        change = self._interpolated(middles, target.envelope) / np.maximum(
            self._interpolated(middles, source.envelope), 1e-20
        )
        if np.abs(change - 1.0).max() < 1e-6:
            out[: len(sound)] += source_sound
            return
        filters = self._minimum_phase(np.clip(change, 1 / _MOST_LOWERED, _MOST_RAISED))
        longest = int(np.diff(edges).max())
        pieces = np.zeros((len(middles), longest))
        for piece, begin, end in zip(pieces, edges[:-1], edges[1:], strict=True):
            piece[: end - begin] = source_sound[begin:end]
        responses = np.fft.irfft(np.fft.rfft(pieces, self._size) * filters, self._size)
        for begin, response in zip(edges[:-1], responses, strict=True):
            out[begin : begin + self._size] += response

    # ---- pulses

    def _add_pulses(self, out: Signal, target: WorldFrames, unvoiced: NDArray[np.bool_] | None, count: int) -> None:
        """Adds the pulses: voiced ones, and noise where no sound of the speaker's own is kept."""
        at, pitch, voiced = self._pulses(target.f0, count)
        if unvoiced is not None and len(at):
            nearest = np.minimum(np.rint(at / self._frame).astype(np.int64), len(unvoiced) - 1)
            synthesised = voiced | ~unvoiced[nearest]
            at, pitch, voiced = at[synthesised], pitch[synthesised], voiced[synthesised]
        if not len(at):
            return
        power, aperiodicity = self._interpolated(at, target.envelope), self._interpolated(at, target.aperiodicity)
        aperiodicity = np.where(voiced[:, None], np.square(aperiodicity), 1.0)
        length = np.maximum(np.rint(self._rate / pitch).astype(np.int64), 1)
        spectrum = self._minimum_phase(power * aperiodicity) * np.fft.rfft(self._noise(length), self._size)
        if voiced.any():
            periodic = self._minimum_phase(power[voiced] * (1.0 - aperiodicity[voiced]))
            spectrum[voiced] += periodic * np.sqrt(length[voiced])[:, None]
        begin = at.astype(np.int64)
        spectrum *= np.exp(self._turn * (at - begin)[:, None])
        for offset, response in zip(begin, np.fft.irfft(spectrum, self._size), strict=True):
            out[offset : offset + self._size] += response

    def _pulses(self, f0: Signal, count: int) -> tuple[Signal, Signal, NDArray[np.bool_]]:
        """The starts of the pulses in the next `count` samples, in samples; the pitch there; whether they are
        voiced."""
        position = np.arange(1, count + 1) / self._frame
        left_index = np.minimum(position.astype(np.int64), len(f0) - 2)
        share = position - left_index
        left, right = f0[left_index], f0[left_index + 1]
        voiced = np.where(share < 0.5, left, right) > 0
        # Next to unvoiced frames the pitch is constant, not interpolated to 0.
        pitch = np.where(left <= 0, right, np.where(right <= 0, left, left + (right - left) * share))
        pitch = np.where(voiced, pitch, _NOISE_HZ)
        step = pitch / self._rate
        phase = self._phase + np.cumsum(step)
        started = np.floor(phase)
        started_before = np.concatenate([[np.floor(self._phase)], started[:-1]])
        index = np.flatnonzero(started > started_before)
        self._phase = float(phase[-1] % 1.0)
        at = index + 1.0 - (phase[index] - started[index]) / step[index]
        # Sums differ in their last bit by where they began; that must not move a pulse between two samples.
        at = np.asarray(np.round(np.maximum(at, 0.0), 6), np.float64)
        return at, np.asarray(pitch[index], np.float64), voiced[index]

    def _interpolated(self, at: Signal, values: Signal) -> Signal:
        """(frames, bins) interpolated at the times `at`, in samples: (times, bins)."""
        position = at / self._frame
        left_index = np.minimum(position.astype(np.int64), len(values) - 2)
        share = (position - left_index)[:, None]
        between: Signal = values[left_index] * (1.0 - share) + values[left_index + 1] * share
        return between

    def _noise(self, length: NDArray[np.int64]) -> Signal:
        """(pulses, longest): noise for each pulse, without its mean, zeros after its length."""
        mask = np.arange(int(length.max())) < length[:, None]
        noise = np.zeros(mask.shape)
        noise[mask] = self._random.standard_normal(int(length.sum()))
        return np.where(mask, noise - noise.sum(axis=1, keepdims=True) / length[:, None], 0.0)

    def _minimum_phase(self, power: Signal) -> NDArray[np.complex128]:
        """The minimum-phase spectra of power spectra, by folding their cepstra."""
        cepstra = np.fft.irfft(0.5 * np.log(np.maximum(power, _LEAST_POWER)), self._size)
        spectra: NDArray[np.complex128] = np.exp(np.fft.rfft(cepstra * self._fold, self._size))
        return spectra
