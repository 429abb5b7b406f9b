"""The presets by WORLD on sung notes, beyond the range of speech."""

from __future__ import annotations

import numpy as np
import pytest

from live.sound.presets import open_preset
from models.features.block_adapter import streamed
from models.features.types import Mono

RATE, BLOCK = 48_000, 480


def sung(hz: float) -> Mono:
    """A second of a note, with the formant of an open vowel."""
    t = np.arange(RATE) / RATE
    partials = np.arange(1, int(8000 / hz) + 1)
    levels = (np.exp(-(((hz * partials - 700) / 900) ** 2)) + 0.2) / partials
    note = (levels[:, None] * np.cos(2 * np.pi * hz * partials[:, None] * t)).sum(0)
    return np.asarray(0.1 * note / np.std(note), np.float32)


def pitch_hz(sound: Mono) -> float:
    """The lowest partial that is not far below the loudest: every partial of these sounds is there."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    first = int(np.flatnonzero(spectrum > 0.1 * spectrum.max())[0])
    return float((first + np.argmax(spectrum[first : first + 6])) * RATE / len(sound))


@pytest.mark.parametrize("hz", [100.0, 300.0, 600.0, 800.0, 1000.0])
@pytest.mark.parametrize(("preset", "factor"), [("octave-down", 0.5), ("octave-up", 2.0)])
def test_a_note_is_shifted_by_an_octave(preset: str, factor: float, hz: float) -> None:
    converted = streamed(open_preset(preset, RATE, BLOCK), sung(hz), BLOCK)
    assert pitch_hz(converted[RATE // 2 :]) == pytest.approx(factor * hz, rel=0.03)
