"""WORLD's frames -> sound, as it goes: the pulses run on from hop to hop, so nothing has to be joined.

WORLD's own synthesiser takes a whole recording; played in pieces, their phases do not meet, and fading or sliding them
over each other costs latency and makes the level ripple (2.1 dB at 85 Hz with SOLA). Here one phase runs on, and what a
pulse still has to say is carried over. Each pulse is as in WORLD (Morise 2016): a minimum-phase response of the
periodic part, and noise through that of the aperiodic part.

Where nobody voices, the speaker's own sound is kept and only filtered from his envelope to the target's, instead of
being made anew of noise: consonants stay what they were (STOI of an unchanged voice 0.95 instead of 0.91).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.features.low_cut import LowCut, nothing_below
from models.features.speech import WorldFrames, fft_size, frame_samples, joined
from models.features.types import Signal

_NOISE_HZ = 500.0
"""Where a voice is to whisper, noise is made in pieces of so many a second."""
_LEAST_POWER = 1e-16
_MOST_LOWERED, _MOST_RAISED = 1e6, 1e2
"""Power by which the speaker's own sound may be changed: down 60 dB, up 20. Where a microphone hears nothing, its noise
would else become a roar."""
_PIECES = 2
"""Filters a frame for the speaker's own sound."""


class Synthesiser:
    """`push` gives the samples from the last frame of the call before up to the last one given."""

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
        self._to_say = np.zeros(self._size)
        self._chance = np.random.default_rng(self._seed)

    def push(
        self, target: WorldFrames, source: WorldFrames | None = None, sound: NDArray[np.floating] | None = None
    ) -> NDArray[np.float32]:
        """(t frames) -> (t * frame_samples,) samples.

        source, sound: the frames and the samples of the speaker at the same times, whose own sound is then kept where
        he does not voice; without them all is made of pulses and noise.
        """
        count = len(target) * self._frame
        out = np.zeros(count + self._size)
        out[: self._size] = self._to_say
        target_now, self._target = joined([self._target, target]), target.part(-1, None)
        own = None
        if source is not None and sound is not None:
            source_now, self._source = joined([self._source, source]), source.part(-1, None)
            own = source_now.f0 <= 0
            self._keep(out, target_now, source_now, own, np.asarray(sound, np.float64))
        self._speak(out[: count + self._size], target_now, own, count)
        self._to_say = out[count:].copy()
        pitch = np.where(target.f0 > 0, target.f0, target_now.f0[:-1])
        return self._low_cut.push(out[:count], nothing_below(pitch)).astype(np.float32)

    # ---- the speaker's own sound

    def _keep(
        self, out: Signal, target: WorldFrames, source: WorldFrames, own: NDArray[np.bool_], sound: Signal
    ) -> None:
        """Adds the sound where the speaker does not voice, filtered from his envelope to the target's."""
        place = np.arange(1, len(sound) + 1) / self._frame
        weight = np.interp(place, np.arange(len(own)), own.astype(np.float64))
        if not weight.any():
            return
        kept = sound * weight
        edges = np.linspace(0, len(sound), (len(own) - 1) * _PIECES + 1).astype(np.int64)
        middles = (edges[:-1] + edges[1:]) / 2
        change = self._between(middles, target.envelope) / np.maximum(self._between(middles, source.envelope), 1e-20)
        if np.abs(change - 1.0).max() < 1e-6:
            out[: len(sound)] += kept
            return
        filters = self._minimum_phase(np.clip(change, 1 / _MOST_LOWERED, _MOST_RAISED))
        longest = int(np.diff(edges).max())
        pieces = np.zeros((len(middles), longest))
        for piece, begin, end in zip(pieces, edges[:-1], edges[1:], strict=True):
            piece[: end - begin] = kept[begin:end]
        responses = np.fft.irfft(np.fft.rfft(pieces, self._size) * filters, self._size)
        for begin, response in zip(edges[:-1], responses, strict=True):
            out[begin : begin + self._size] += response

    # ---- pulses

    def _speak(self, out: Signal, target: WorldFrames, own: NDArray[np.bool_] | None, count: int) -> None:
        """Adds the pulses: a voice's, and a whisper's where no sound of the speaker's own is kept."""
        at, pitch, voiced = self._pulses(target.f0, count)
        if own is not None and len(at):
            nearest = np.minimum(np.rint(at / self._frame).astype(np.int64), len(own) - 1)
            made = voiced | ~own[nearest]
            at, pitch, voiced = at[made], pitch[made], voiced[made]
        if not len(at):
            return
        power, noisy = self._between(at, target.envelope), self._between(at, target.aperiodicity)
        noisy = np.where(voiced[:, None], np.square(noisy), 1.0)
        length = np.maximum(np.rint(self._rate / pitch).astype(np.int64), 1)
        spectrum = self._minimum_phase(power * noisy) * np.fft.rfft(self._noise(length), self._size)
        if voiced.any():
            periodic = self._minimum_phase(power[voiced] * (1.0 - noisy[voiced]))
            spectrum[voiced] += periodic * np.sqrt(length[voiced])[:, None]
        begin = at.astype(np.int64)
        spectrum *= np.exp(self._turn * (at - begin)[:, None])
        for offset, response in zip(begin, np.fft.irfft(spectrum, self._size), strict=True):
            out[offset : offset + self._size] += response

    def _pulses(self, f0: Signal, count: int) -> tuple[Signal, Signal, NDArray[np.bool_]]:
        """When the pulses of the next `count` samples begin, in samples; the pitch there; whether it is a voice's."""
        place = np.arange(1, count + 1) / self._frame
        before = np.minimum(place.astype(np.int64), len(f0) - 2)
        share = place - before
        left, right = f0[before], f0[before + 1]
        voiced = np.where(share < 0.5, left, right) > 0
        # Towards silence a voice keeps its pitch: nobody slides to nought.
        pitch = np.where(left <= 0, right, np.where(right <= 0, left, left + (right - left) * share))
        pitch = np.where(voiced, pitch, _NOISE_HZ)
        step = pitch / self._rate
        phase = self._phase + np.cumsum(step)
        begun = np.floor(phase)
        earlier = np.concatenate([[np.floor(self._phase)], begun[:-1]])
        index = np.flatnonzero(begun > earlier)
        self._phase = float(phase[-1] % 1.0)
        at = index + 1.0 - (phase[index] - begun[index]) / step[index]
        # Sums differ in their last bit by where they began; a pulse must not fall between two samples for that.
        at = np.asarray(np.round(np.maximum(at, 0.0), 6), np.float64)
        return at, np.asarray(pitch[index], np.float64), voiced[index]

    def _between(self, at: Signal, values: Signal) -> Signal:
        """(frames, bins) at the times `at`, in samples: (times, bins)."""
        place = at / self._frame
        before = np.minimum(place.astype(np.int64), len(values) - 2)
        share = (place - before)[:, None]
        between: Signal = values[before] * (1.0 - share) + values[before + 1] * share
        return between

    def _noise(self, length: NDArray[np.int64]) -> Signal:
        """(pulses, longest): each pulse's own noise, free of a constant part, zeros after its length."""
        mask = np.arange(int(length.max())) < length[:, None]
        noise = np.zeros(mask.shape)
        noise[mask] = self._chance.standard_normal(int(length.sum()))
        return np.where(mask, noise - noise.sum(axis=1, keepdims=True) / length[:, None], 0.0)

    def _minimum_phase(self, power: Signal) -> NDArray[np.complex128]:
        """The minimum-phase spectra of power spectra, by folding their cepstra."""
        cepstra = np.fft.irfft(0.5 * np.log(np.maximum(power, _LEAST_POWER)), self._size)
        spectra: NDArray[np.complex128] = np.exp(np.fft.rfft(cepstra * self._fold, self._size))
        return spectra
