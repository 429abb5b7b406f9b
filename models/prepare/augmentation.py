"""Augmentation of clean speech with what microphones record: a room, another frequency response, noise. Timing is
unchanged."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.features.types import Mono

ROOM_SHARE, NOISE_SHARE, NARROW_SHARE = 0.5, 0.7, 0.15
"""Shares of the recordings that have a room's echoes, audible noise, and a missing top of the band."""
FLOOR_DB = (-70.0, -45.0)
"""Range of the noise floor: no microphone records digital silence."""


def augmented(sound: Mono, sample_rate: int, rng: np.random.Generator) -> Mono:
    """(n,) -> (n,); it depends on rng alone."""
    output = sound.astype(np.float64)
    if rng.random() < ROOM_SHARE:
        output = in_room(output, sample_rate, rng)
    output = timbred(output, sample_rate, rng)
    below_db = -rng.uniform(5, 35) if rng.random() < NOISE_SHARE else rng.uniform(*FLOOR_DB)
    return (output + _noise(output, below_db, sample_rate, rng)).astype(np.float32)


def in_room(sound: NDArray[np.float64], sample_rate: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Adds the echoes of a random room: noise that decays in 0.1 to 0.7 s, 0 to 18 dB below the voice."""
    decay_s = rng.uniform(0.1, 0.7)
    time_s = np.arange(int(decay_s * sample_rate)) / sample_rate
    echoes = rng.standard_normal(len(time_s)) * 10 ** (-3 * time_s / decay_s)
    echoes[: int(rng.uniform(0.001, 0.01) * sample_rate)] = 0
    echoes *= 10 ** (-rng.uniform(0, 18) / 20) / np.sqrt((echoes**2).sum())
    return sound + convolved(sound, echoes)


def timbred(sound: NDArray[np.float64], sample_rate: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """A random microphone's response: +-5 dB from octave to octave, and sometimes a missing top or bottom."""
    hz = np.fft.rfftfreq(len(sound), 1 / sample_rate)
    octaves = np.log2(np.maximum(hz, 20))
    points = np.linspace(octaves[0], octaves[-1], 9)
    gain_db = np.interp(octaves, points, 5 * rng.standard_normal(len(points)))
    if rng.random() < NARROW_SHARE:
        gain_db -= 24 * np.maximum(octaves - np.log2(rng.uniform(3400, 7000)), 0) * 3
        gain_db -= 12 * np.maximum(np.log2(rng.uniform(60, 300)) - octaves, 0)
    return np.asarray(np.fft.irfft(np.fft.rfft(sound) * 10 ** (gain_db / 20), len(sound)))


def convolved(sound: NDArray[np.float64], response: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) and (m,) -> the first n samples."""
    size = len(sound) + len(response)
    return np.asarray(np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(response, size), size)[: len(sound)])


def _noise(
    sound: NDArray[np.float64], below_db: float, sample_rate: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Noise `below_db` from the sound's level: white to brown, sometimes with mains hum and its harmonics."""
    hz = np.fft.rfftfreq(len(sound), 1 / sample_rate)
    spectrum = np.fft.rfft(rng.standard_normal(len(sound))) * np.maximum(hz, 50) ** -rng.uniform(0, 1)
    noise = np.fft.irfft(spectrum, len(sound))
    if rng.random() < 0.2:
        mains = rng.choice([50, 60]) * np.arange(1, 9)
        turns = np.arange(len(sound))[:, None] / sample_rate * mains + rng.uniform(0, 1, 8)
        noise += np.sqrt(2) * noise.std() * (np.sin(2 * np.pi * turns) @ (rng.uniform(0, 1, 8) / np.arange(1, 9)))
    level = np.sqrt(np.mean(sound**2)) * 10 ** (below_db / 20)
    return np.asarray(noise * level / max(np.sqrt(np.mean(noise**2)), 1e-12))
