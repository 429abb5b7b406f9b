"""Synthesis from frames: every harmonic at its level, in time, at any pitch."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from models.features.block_adapter import BlockAdapter
from models.features.vocoded_voice import VocodedVoice, VoiceLayer
from tests.models.features.test_block_adapter import Same, in_blocks

RATE = 48_000
HARMONICS = range(1, 13)


def buzz(pitch: float, seconds: float) -> np.ndarray:
    at = np.arange(round(seconds * RATE)) / RATE
    return (0.15 * sum(np.sin(2 * np.pi * pitch * n * at) / n for n in HARMONICS)).astype(np.float32)


def moved(sound: np.ndarray, semitones: float) -> tuple[np.ndarray, int]:
    voice = BlockAdapter(VocodedVoice(24_000, (VoiceLayer(Same()),)), "voice", RATE, 480)
    voice.set("pitch", semitones)
    return in_blocks(voice, sound, 480), voice.latency_samples


def test_above_a_microphone_s_band_nothing_roars() -> None:
    """A headset that ends at 6 kHz, a vocal tract a third shorter: the band that was silent stays faint."""
    breath = sosfilt(
        butter(12, 6000, output="sos", fs=RATE), 0.05 * np.random.default_rng(0).standard_normal(RATE)
    ).astype(np.float32)
    voice = BlockAdapter(VocodedVoice(24_000, (VoiceLayer(Same()),)), "voice", RATE, 480)
    voice.set("formant", 4.0)
    synthesised = in_blocks(voice, breath, 480)[RATE // 4 :]
    assert np.abs(20 * np.log10(synthesised.std() / breath.std())) < 2.0


def level_db(sound: np.ndarray, hz: float) -> float:
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
    middle = round(hz * len(sound) / RATE)
    return float(10 * np.log10(power[middle - 3 : middle + 4].sum()))


@pytest.mark.parametrize("pitch", [85.0, 110.0, 150.0, 220.0])
@pytest.mark.parametrize("semitones", [-2.0, 0.0, 2.0])
def test_every_harmonic_is_as_loud_as_it_was(pitch: float, semitones: float) -> None:
    """Within 2 dB, of which the low cut takes 0.7 from the lowest."""
    sound = buzz(pitch, 1.2)
    synthesised, latency = moved(sound, semitones)
    middle = slice(RATE // 2, RATE)
    synthesised = synthesised[latency:]
    now = pitch * 2 ** (semitones / 12)
    off = [level_db(synthesised[middle], n * now) - level_db(sound[middle], n * pitch) for n in range(1, 7)]
    assert np.abs(off).max() < 2.0, off


@pytest.mark.parametrize("pitch", [85.0, 110.0, 150.0, 220.0])
def test_there_is_nothing_below_a_voice(pitch: float) -> None:
    """Over its glides, 40 dB below it, where its own pitch moves."""
    at = np.arange(2 * RATE) / RATE
    turn = 2 * np.pi * np.cumsum(pitch * 2 ** (0.2 * np.sin(2 * np.pi * 1.5 * at))) / RATE
    sound = (0.15 * sum(np.sin(n * turn) / n for n in HARMONICS)).astype(np.float32)
    synthesised, _ = moved(sound, 0.0)
    power = np.abs(np.fft.rfft(synthesised[RATE // 2 : -RATE // 4] * np.hanning(len(synthesised) - 3 * RATE // 4))) ** 2
    hz = np.arange(len(power)) * RATE / (len(synthesised) - 3 * RATE // 4)
    assert 10 * np.log10(power[hz < 0.5 * pitch].sum() / power.sum()) < -40


@pytest.mark.parametrize("semitones", [-12.0, -9.0, -6.0, -4.0, 0.0, 3.0, 7.0])
def test_a_burst_stays_in_its_place(semitones: float) -> None:
    """A tenth of a second of 150 Hz, as a voice of 75 to 225: where the middle of its energy is, within 4 ms."""
    begin, length = RATE, RATE // 10
    sound = np.zeros(2 * RATE, np.float32)
    sound[begin : begin + length] = buzz(150.0, 0.1)
    synthesised, latency = moved(sound, semitones)
    around = synthesised[begin + latency - length // 2 :][: 2 * length].astype(np.float64) ** 2
    late_ms = (np.average(np.arange(len(around)), weights=around) - length) * 1e3 / RATE
    assert abs(late_ms) < 4.0
