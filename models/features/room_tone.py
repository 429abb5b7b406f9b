"""The room under a voice: what a recording holds below all speech, measured and spoken again.

Hum and breath of a room lie where no voice is, 20 dB and more under it; but whoever compares whole sentences tells
speakers by it, and a converted voice without any, or with the performer's, is a stranger's. Film calls it room tone. It
follows the performer: as loud as he speaks, and silent soon after he is. Free of torch.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from models.features.convert import Mono
from models.features.speech import frame_samples

WINDOW_S = 0.064
BINS = slice(2, 7)
"""Of that window: 31 to 94 Hz."""
QUIET_PERCENT = 20.0
"""The room is heard in the quietest of a recording."""
FAINTEST_DB = -90.0
_LOUDEST = 0.01
"""Of the voice's power: a louder hum is a fault, which nobody wants in a hall."""
_LOOP_S = 8.0
_ADAPTS_S = 0.5
_OPENS_S, _LINGERS_S, _CLOSES_S = 0.05, 1.0, 0.5


def room_tone(sentences: Iterable[tuple[Mono, NDArray[np.bool_]]], sample_rate: int) -> list[float]:
    """Each a sound (n,) and which of its frames of 5 ms are voiced. The density at `BINS`, dB: 0 is that of white
    noise as powerful as the voiced sound. Empty where nothing is voiced, or all is shorter than a window."""
    size, frame = round(WINDOW_S * sample_rate), frame_samples(sample_rate)
    window = np.hanning(size + 1)[:-1]
    densities, powers = [np.zeros((0, size // 2 + 1))], [np.zeros(0)]
    for sound, voiced in sentences:
        if len(sound) < size:
            continue
        pieces = np.lib.stride_tricks.sliding_window_view(sound, size)[:: 2 * frame]
        densities.append(np.abs(np.fft.rfft(pieces * window)) ** 2 / np.sum(window**2))
        sung = np.repeat(voiced, frame)[: len(sound)]
        powers.append(np.square(sound[: len(sung)][sung], dtype=np.float64))
    density, power = np.concatenate(densities)[:, BINS], np.concatenate(powers)
    if not len(density) or not len(power) or not power.any():
        return []
    # Powers of noise are distributed as an exponential: from one of its percentiles to its mean.
    quiet = np.percentile(density, QUIET_PERCENT, axis=0) / -np.log(1 - QUIET_PERCENT / 100)
    return [round(float(db), 1) for db in 10 * np.log10(np.maximum(quiet / power.mean(), 10 ** (FAINTEST_DB / 10)))]


class RoomTone:
    """Noise of such densities, a hop at a time; belongs to the thread of the voice that owns it."""

    def __init__(self, sample_rate: int, densities_db: Iterable[float], seed: int = 0) -> None:
        self._rate = sample_rate
        count = round(_LOOP_S * sample_rate)
        hz = np.fft.rfftfreq(count, 1 / sample_rate)
        known = np.arange(BINS.start, BINS.stop) / WINDOW_S
        step = 1 / WINDOW_S
        density = 10 ** (np.interp(hz, known, list(densities_db)) / 10)
        # Half a window's step beyond the outermost it ends.
        density *= np.clip((hz - known[0]) / step + 1, 0, 1) * np.clip((known[-1] - hz) / step + 1, 0, 1)
        chance = np.random.default_rng(seed)
        turns = np.exp(2j * np.pi * chance.random(len(hz)))
        loop = np.fft.irfft(np.sqrt(count * density) * turns, count)
        self._loop = (loop * min(1.0, np.sqrt(_LOUDEST / max(float(np.mean(loop**2)), 1e-30)))).astype(np.float32)
        self.reset()

    def reset(self) -> None:
        self._at = 0
        self._power = 0.0
        self._since = _LINGERS_S
        self._open = 0.0

    def push(self, sound: Mono, voiced: bool) -> Mono:
        """(hop,) of the performer, and whether he voices in it -> (hop,) to be added to what is said."""
        length_s = len(sound) / self._rate
        self._since = 0.0 if voiced else self._since + length_s
        if voiced:
            power = float(np.mean(np.square(sound, dtype=np.float64)))
            self._power += (power - self._power) * (min(length_s / _ADAPTS_S, 1.0) if self._power else 1.0)
        before, wanted = self._open, float(self._since < _LINGERS_S)
        way = length_s / (_OPENS_S if wanted else _CLOSES_S)
        self._open += float(np.clip(wanted - self._open, -way, way))
        gain = np.linspace(before, self._open, len(sound) + 1, dtype=np.float32)[1:] * np.float32(np.sqrt(self._power))
        index = np.arange(self._at, self._at + len(sound)) % len(self._loop)
        self._at = int(index[-1] + 1) % len(self._loop)
        return np.asarray(gain * self._loop[index])
