"""The room under a voice: what a recording holds below all speech, measured and spoken again.

Hum and breath of a room lie where no voice is, 20 dB and more under it; but a speaker embedding takes them for part of
the speaker, and a converted voice with none, or with the performer's, for a stranger's. Film calls it room tone. It is
as loud as it was recorded, and silent soon after the performer is. Free of torch.
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
"""The room is heard in the quietest of a recording."""
FAINTEST_DB = -120.0
GONE_DB = -60.0
_LOUDEST = 0.01
"""Root mean square: a louder hum is a fault, which nobody wants in a hall."""
_LOOP_S = 8.0
_OPENS_S, _LINGERS_S, _CLOSES_S = 0.05, 1.0, 0.5


def room_tone(sounds: Iterable[Mono], sample_rate: int) -> list[float]:
    """Of sentences (n,), the density at `BINS`, dB: 0 is that of white noise of full scale. Empty where all are shorter
    than a window."""
    size, hop = round(WINDOW_S * sample_rate), 2 * frame_samples(sample_rate)
    window = np.hanning(size + 1)[:-1]
    heard = [np.lib.stride_tricks.sliding_window_view(sound, size)[::hop] for sound in sounds if len(sound) >= size]
    if not heard:
        return []
    density = np.concatenate([np.abs(np.fft.rfft(pieces * window)[:, BINS]) ** 2 for pieces in heard])
    # Powers of noise are distributed as an exponential: from one of its percentiles to its mean.
    quiet = np.percentile(density, QUIET_PERCENT, axis=0) / np.sum(window**2) / -np.log(1 - QUIET_PERCENT / 100)
    return [round(float(db), 1) for db in 10 * np.log10(np.maximum(quiet, 10 ** (FAINTEST_DB / 10)))]


class RoomTone:
    """Noise of such densities, a hop at a time; belongs to the thread of the voice that owns it."""

    def __init__(self, sample_rate: int, densities_db: Iterable[float], seed: int = 0) -> None:
        self._rate = sample_rate
        self._level = 1.0
        count = round(_LOOP_S * sample_rate)
        hz = np.fft.rfftfreq(count, 1 / sample_rate)
        known = np.arange(BINS.start, BINS.stop) / WINDOW_S
        step = 1 / WINDOW_S
        density = 10 ** (np.interp(hz, known, list(densities_db)) / 10)
        # One of the window's steps beyond the outermost it ends.
        density *= np.clip((hz - known[0]) / step + 1, 0, 1) * np.clip((known[-1] - hz) / step + 1, 0, 1)
        chance = np.random.default_rng(seed)
        turns = np.exp(2j * np.pi * chance.random(len(hz)))
        loop = np.fft.irfft(np.sqrt(count * density) * turns, count)
        self._loop = (loop * min(1.0, _LOUDEST / max(float(np.sqrt(np.mean(loop**2))), 1e-9))).astype(np.float32)
        self.reset()

    def reset(self) -> None:
        self._at = 0
        self._since = _LINGERS_S
        self._open = 0.0

    def turn_down(self, level_db: float) -> None:
        """0: as loud as it was recorded, which is the most; from `GONE_DB` down it is not heard at all."""
        self._level = 10 ** (min(level_db, 0.0) / 20) if level_db > GONE_DB else 0.0

    def push(self, count: int, voiced: bool) -> Mono:
        """The next (count,), to be added to what is said; voiced: whether the performer voices meanwhile."""
        length_s = count / self._rate
        self._since = 0.0 if voiced else self._since + length_s
        before, wanted = self._open, self._level * (self._since < _LINGERS_S)
        way = length_s / (_OPENS_S if wanted > before else _CLOSES_S)
        self._open += float(np.clip(wanted - self._open, -way, way))
        if not self._open and not before:
            return np.zeros(count, np.float32)
        index = np.arange(self._at, self._at + count) % len(self._loop)
        self._at = int(index[-1] + 1) % len(self._loop)
        return np.linspace(before, self._open, count + 1, dtype=np.float32)[1:] * self._loop[index]
