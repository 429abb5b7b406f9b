"""The voice that needs no model and little time: the performer's own waveform, cut into periods and laid anew, with
pitch and formants moved apart.

Belongs to one thread. The consonants pass as they were, the microphone's whole band is kept, and where nothing is to
be moved the sound comes out as it went in.
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
"""Of this, the marks take CERTAIN_MS; the rest is what a grain may take to rise: a period of 87 Hz."""
_HOPS = {16000: (80, 2), 44100: (147, 7), 48000: (240, 8)}
"""Samples a hop, and the decimation of the pitch analysis, which divides it."""
_KEEP_S, _LONGEST_COPY_S = 0.16, 0.06
_PITCH_RANGE, _FORMANT_RANGE = 24.0, 12.0
_LOUDEST = 2.0


@dataclass(frozen=True)
class Copy:
    """The same voice once more beside the first, for a chorus."""

    cents: float = 0.0
    formant: float = 0.0
    """Semitones."""
    delay_ms: float = 0.0
    """At most 60."""
    level: float = 1.0


@dataclass(frozen=True)
class WaveformPreset:
    """What a waveform voice does."""

    pitch: float = 0.0
    """Semitones, within two octaves."""
    formant: float = 0.0
    """Semitones, within one octave."""
    monotone_hz: float | None = None
    """All that has a pitch at this one, moved by `pitch`."""
    breath: float = 0.0
    """The share of the power that noise takes over, 0..1: 1 whispers."""
    copies: tuple[Copy, ...] = ()


class WaveformVoice:
    """Keeps live.sound.voice.Voice."""

    def __init__(self, name: str, sample_rate: int, block: int, preset: WaveformPreset | None = None) -> None:
        """
        Args:
            sample_rate: 16000, 44100 or 48000 Hz.
            block: samples that `process` is given multiples of.

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
        self._delay = round(DELAY_MS * 1e-3 * sample_rate)
        self._prefill = self._hop - math.gcd(self._hop, block)
        self._heard = SampleHistory(sample_rate, self._hop, _KEEP_S)
        self._marks = PitchMarks(sample_rate, self._hop, decimation, _KEEP_S)
        lead = self._delay - CERTAIN_MS * 1e-3 * sample_rate
        self._lines = [_Line(sample_rate, lead, self._delay, copy) for copy in (Copy(), *preset.copies)]
        self._noise = Noise(sample_rate) if preset.breath > 0.0 else None
        self._level = LoudnessMatcher(sample_rate, self._hop)
        self.set("pitch", preset.pitch)
        self.set("formant", preset.formant)
        self.reset()

    @property
    def latency(self) -> int:
        """Samples, the whole of the queue included."""
        return self._delay + self._prefill

    @property
    def context(self) -> int:
        """Samples; what takes longest is the level."""
        return self.latency + round(LEVEL_S * self._sample_rate)

    def reset(self) -> None:
        """Forget everything heard; the noise begins anew."""
        self._ended = 0
        self._waiting = np.zeros(0, np.float32)
        self._ready = np.zeros(self._prefill, np.float32)
        self._heard.reset()
        self._marks.reset()
        for line in self._lines:
            line.periods.reset()
        if self._noise is not None:
            self._noise.reset()
        self._level.reset()

    def set(self, name: str, value: float) -> bool:
        """`pitch` and `formant`, in semitones; what is out of range is held at its end."""
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
        laid = [self._step(waiting[start : start + self._hop]) for start in range(0, whole, self._hop)]
        ready = np.concatenate([self._ready, *laid])
        self._waiting, self._ready = waiting[whole:], ready[len(samples) :]
        return ready[: len(samples)]

    def _step(self, samples: Mono) -> Mono:
        """One hop in, one hop out, `self._delay` later."""
        self._heard.push(samples)
        self._marks.push(samples)
        self._ended += self._hop
        end = self._ended - self._delay
        begin = end - self._hop
        laid = np.zeros(self._hop, np.float32)
        for line in self._lines:
            periods = line.periods.overlap_add(
                self._heard, self._marks, begin - line.late, end - line.late, self._stretch(line.copy)
            )
            laid += np.float32(line.copy.level * math.sqrt(1.0 - self._preset.breath)) * periods
        if self._noise is not None:
            noise = self._noise.overlap_add(self._heard, self._marks, begin, end, self._stretch(Copy()))
            laid += np.float32(math.sqrt(self._preset.breath)) * noise
        as_loud = self._level.match(laid, self._heard.samples(begin, end), self._lines[0].periods.voiced)
        return np.clip(as_loud, -_LOUDEST, _LOUDEST)

    def _stretch(self, copy: Copy) -> PitchShift:
        hz = self._preset.monotone_hz
        return PitchShift(
            pitch=2.0 ** (self._pitch / 12.0 + copy.cents / 1200.0),
            rate=2.0 ** ((self._formant + copy.formant) / 12.0),
            monotone=None if hz is None else self._sample_rate / hz,
        )


class _Line:
    """One of the voices that speak together."""

    def __init__(self, sample_rate: int, lead: float, delay: float, copy: Copy) -> None:
        self.copy = copy
        self.late = round(min(copy.delay_ms * 1e-3, _LONGEST_COPY_S) * sample_rate)
        self.periods = PsolaSynthesizer(sample_rate, lead, delay)
