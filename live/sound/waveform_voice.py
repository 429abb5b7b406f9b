"""A low-latency voice without a model: the performer's own waveform, cut into pitch periods and overlap-added at
another rate (PSOLA), with pitch and formants shifted independently.

Belongs to one thread. Consonants pass unchanged, the microphone's whole band is kept, and where nothing is shifted the
output equals the input.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from models.features.loudness import LEVEL_S, LoudnessMatcher
from models.features.pitch_marks import CERTAIN_MS, PitchMarks
from models.features.psola import Noise, PitchShift, PsolaSynthesizer, SampleHistory
from models.features.types import Mono

DELAY_MS = 15.0
"""Of this, the pitch marks take CERTAIN_MS; the rest is the longest rise of a grain: a period of 87 Hz."""
_HOPS = {16000: (80, 2), 44100: (147, 7), 48000: (240, 8)}
"""By sample rate: samples per hop, and the decimation of the pitch analysis, which divides it."""
_KEEP_S, _MAX_COPY_DELAY_S = 0.16, 0.06
_PITCH_RANGE, _FORMANT_RANGE = 24.0, 12.0
_MAX_SAMPLE = 2.0


@dataclass(frozen=True)
class VoiceCopy:
    """A further copy of the voice beside the first, for a chorus."""

    cents: float = 0.0
    formant: float = 0.0
    """Semitones."""
    delay_ms: float = 0.0
    """At most 60."""
    level: float = 1.0


@dataclass(frozen=True)
class WaveformPreset:
    """What a waveform voice changes."""

    pitch: float = 0.0
    """Semitones, within two octaves."""
    formant: float = 0.0
    """Semitones, within one octave."""
    monotone_hz: float | None = None
    """Everything voiced has this pitch, shifted by `pitch`."""
    breath: float = 0.0
    """The share of the power that is replaced by noise, 0..1: 1 whispers."""
    copies: tuple[VoiceCopy, ...] = ()


class WaveformVoice:
    """Implements live.sound.voice.Voice."""

    def __init__(self, name: str, sample_rate: int, block: int, preset: WaveformPreset | None = None) -> None:
        """
        Args:
            sample_rate: 16000, 44100 or 48000 Hz.
            block: `process` is called with multiples of so many samples.

        Raises:
            ValueError: another sample rate.
        """
        if sample_rate not in _HOPS:
            known = ", ".join(str(rate) for rate in _HOPS)
            raise ValueError(f"a waveform voice cannot be had at {sample_rate} Hz, only at {known}")
        self.name = name
        self._sample_rate = sample_rate
        self._preset = preset = preset or WaveformPreset()
        self._hop, decimation = _HOPS[sample_rate]
        self._delay_samples = round(DELAY_MS * 1e-3 * sample_rate)
        self._prefill_samples = self._hop - math.gcd(self._hop, block)
        self._history = SampleHistory(sample_rate, self._hop, _KEEP_S)
        self._marks = PitchMarks(sample_rate, self._hop, decimation, _KEEP_S)
        lead_samples = self._delay_samples - CERTAIN_MS * 1e-3 * sample_rate
        self._synthesisers = [
            _CopySynthesiser(sample_rate, lead_samples, self._delay_samples, copy)
            for copy in (VoiceCopy(), *preset.copies)
        ]
        self._noise = Noise(sample_rate) if preset.breath > 0.0 else None
        self._level = LoudnessMatcher(sample_rate, self._hop)
        self.set("pitch", preset.pitch)
        self.set("formant", preset.formant)
        self.reset()

    @property
    def latency_samples(self) -> int:
        """The queues at both ends included."""
        return self._delay_samples + self._prefill_samples

    @property
    def context(self) -> int:
        """Samples; the level takes the longest."""
        return self.latency_samples + round(LEVEL_S * self._sample_rate)

    def reset(self) -> None:
        """Return to the state of a new voice; the noise repeats."""
        self._input_end = 0
        self._waiting = np.zeros(0, np.float32)
        self._ready = np.zeros(self._prefill_samples, np.float32)
        self._history.reset()
        self._marks.reset()
        for synthesiser in self._synthesisers:
            synthesiser.psola.reset()
        if self._noise is not None:
            self._noise.reset()
        self._level.reset()

    def set(self, name: str, value: float) -> bool:
        """`pitch` and `formant`, in semitones, clipped to their ranges."""
        if name == "pitch":
            self._pitch = min(max(value, -_PITCH_RANGE), _PITCH_RANGE)
        elif name == "formant":
            self._formant = min(max(value, -_FORMANT_RANGE), _FORMANT_RANGE)
        else:
            return False
        return True

    def process(self, samples: Mono) -> Mono:
        """(n,) in, (n,) out; n a multiple of the block."""
        waiting = np.concatenate([self._waiting, samples])
        whole = len(waiting) - len(waiting) % self._hop
        hops = [self._step(waiting[start : start + self._hop]) for start in range(0, whole, self._hop)]
        ready = np.concatenate([self._ready, *hops])
        self._waiting, self._ready = waiting[whole:], ready[len(samples) :]
        return ready[: len(samples)]

    def _step(self, samples: Mono) -> Mono:
        """One hop in, one hop out, `self._delay_samples` later."""
        self._history.push(samples)
        self._marks.push(samples)
        self._input_end += self._hop
        end = self._input_end - self._delay_samples
        begin = end - self._hop
        mixed = np.zeros(self._hop, np.float32)
        for synthesiser in self._synthesisers:
            late, copy = synthesiser.delay_samples, synthesiser.copy
            periods = synthesiser.psola.overlap_add(
                self._history, self._marks, begin - late, end - late, self._shift(copy)
            )
            mixed += np.float32(copy.level * math.sqrt(1.0 - self._preset.breath)) * periods
        if self._noise is not None:
            noise = self._noise.overlap_add(self._history, self._marks, begin, end, self._shift(VoiceCopy()))
            mixed += np.float32(math.sqrt(self._preset.breath)) * noise
        matched = self._level.match(mixed, self._history.samples(begin, end), self._synthesisers[0].psola.voiced)
        return np.clip(matched, -_MAX_SAMPLE, _MAX_SAMPLE)

    def _shift(self, copy: VoiceCopy) -> PitchShift:
        hz = self._preset.monotone_hz
        return PitchShift(
            pitch=2.0 ** (self._pitch / 12.0 + copy.cents / 1200.0),
            rate=2.0 ** ((self._formant + copy.formant) / 12.0),
            monotone=None if hz is None else self._sample_rate / hz,
        )


class _CopySynthesiser:
    """Synthesises one copy of the voice."""

    def __init__(self, sample_rate: int, lead_samples: float, voice_delay_samples: float, copy: VoiceCopy) -> None:
        self.copy = copy
        self.delay_samples = round(min(copy.delay_ms * 1e-3, _MAX_COPY_DELAY_S) * sample_rate)
        self.psola = PsolaSynthesizer(sample_rate, lead_samples, voice_delay_samples)
