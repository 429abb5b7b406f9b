"""Room tone: the noise of a recording below all speech, measured, and synthesised under the converted voice.

A room's hum and noise are at frequencies below the voice, 20 dB and more under it; but a speaker embedding takes them
for part of the speaker, and a converted voice without them, or with the performer's, for another speaker's. It is as
loud as it was recorded, and fades out soon after the performer stops. Free of torch.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from models.features.speech import frame_samples
from models.features.types import Mono

WINDOW_S = 0.064
BINS = slice(2, 7)
"""Of that window: 31 to 94 Hz."""
QUIET_PERCENT = 20.0
"""Percentile of the density taken for the room: the quietest of a recording."""
FAINTEST_DB = -120.0
SILENT_DB = -60.0
_LOUDEST = 0.01
"""Root mean square: a louder hum is a fault that must not be reproduced."""
_LOOP_S = 8.0
_FADE_IN_S, _HOLD_S, _FADE_OUT_S = 0.05, 1.0, 0.5


def room_tone(sounds: Iterable[Mono], sample_rate: int) -> list[float]:
    """Of sentences (n,), the density at `BINS`, dB: 0 is that of white noise of full scale. Empty where all are shorter
    than a window."""
    size, hop = round(WINDOW_S * sample_rate), 2 * frame_samples(sample_rate)
    window = np.hanning(size + 1)[:-1]
    windows = [np.lib.stride_tricks.sliding_window_view(sound, size)[::hop] for sound in sounds if len(sound) >= size]
    if not windows:
        return []
    density = np.concatenate([np.abs(np.fft.rfft(pieces * window)[:, BINS]) ** 2 for pieces in windows])
    # Powers of noise are exponentially distributed: this converts a percentile to the mean.
    quiet = np.percentile(density, QUIET_PERCENT, axis=0) / np.sum(window**2) / -np.log(1 - QUIET_PERCENT / 100)
    return [round(float(db), 1) for db in 10 * np.log10(np.maximum(quiet, 10 ** (FAINTEST_DB / 10)))]


class RoomTone:
    """Noise of these densities, a hop at a time; belongs to the thread of the voice that owns it."""

    def __init__(self, sample_rate: int, densities_db: Iterable[float], seed: int = 0) -> None:
        self._rate = sample_rate
        self._level = 1.0
        count = round(_LOOP_S * sample_rate)
        hz = np.fft.rfftfreq(count, 1 / sample_rate)
        bin_hz = np.arange(BINS.start, BINS.stop) / WINDOW_S
        step = 1 / WINDOW_S
        density = 10 ** (np.interp(hz, bin_hz, list(densities_db)) / 10)
        # It ends one bin beyond the outermost.
        density *= np.clip((hz - bin_hz[0]) / step + 1, 0, 1) * np.clip((bin_hz[-1] - hz) / step + 1, 0, 1)
        rng = np.random.default_rng(seed)
        phases = np.exp(2j * np.pi * rng.random(len(hz)))
        loop = np.fft.irfft(np.sqrt(count * density) * phases, count)
        self._loop = (loop * min(1.0, _LOUDEST / max(float(np.sqrt(np.mean(loop**2))), 1e-9))).astype(np.float32)
        self.reset()

    def reset(self) -> None:
        self._position = 0
        self._unvoiced_s = _HOLD_S
        self._gain = 0.0

    def set_level_db(self, level_db: float) -> None:
        """0: as loud as it was recorded, which is the maximum; from `SILENT_DB` down it is off."""
        self._level = 10 ** (min(level_db, 0.0) / 20) if level_db > SILENT_DB else 0.0

    def push(self, count: int, voiced: bool) -> Mono:
        """The next (count,) samples, to be added to the voice; voiced: whether the performer's sound is voiced now."""
        length_s = count / self._rate
        self._unvoiced_s = 0.0 if voiced else self._unvoiced_s + length_s
        previous, target = self._gain, self._level * (self._unvoiced_s < _HOLD_S)
        step_limit = length_s / (_FADE_IN_S if target > previous else _FADE_OUT_S)
        self._gain += float(np.clip(target - self._gain, -step_limit, step_limit))
        if not self._gain and not previous:
            return np.zeros(count, np.float32)
        index = np.arange(self._position, self._position + count) % len(self._loop)
        self._position = int(index[-1] + 1) % len(self._loop)
        return np.linspace(previous, self._gain, count + 1, dtype=np.float32)[1:] * self._loop[index]
