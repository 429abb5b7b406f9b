"""Holds what a voice gives to the level of what was spoken: a network that diverges, or sings by itself in a silent
room, is not heard at full scale.

Belongs to the thread of the voice that owns it. An ordinary voice passes unchanged, sample by sample.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from models.features.types import Mono

MAX_GAIN = 8.0
"""Ratio of power: a hop is at most 9 dB louder than the loudest that was just spoken."""
_ALWAYS = 1e-5
"""Power that is always let through: -50 dBFS, a room's tone."""
_MEMORY_S = 1.0
"""Of what was spoken, beyond the voice's own delay: a word's end may sound on."""
_WILD = 100.0
"""A hop that is so many times louder than it may be is none that a working voice gives."""
_GIVEN_UP_S = 1.0
_NO_SOUND = 16.0
"""Power beyond +12 dBFS: whoever plays the voice refuses it."""


class SpokenLevel:
    """`hold` takes each hop of the performer and of the voice, in order."""

    def __init__(self, sample_rate: int, hop: int, latency_samples: int) -> None:
        """latency_samples: by how much the voice is later than the performer, without the hop itself."""
        self._spoken: deque[float] = deque(maxlen=1 + round((latency_samples + _MEMORY_S * sample_rate) / hop))
        self._most_wild = round(_GIVEN_UP_S * sample_rate / hop)
        self.reset()

    def reset(self) -> None:
        self._spoken.clear()
        self._gain = 1.0
        self._wild = 0

    def hold(self, spoken: Mono, converted: Mono) -> Mono:
        """(hop,) each. Returns `converted` itself where it is not too loud; what is no sound at all is left as it is.

        Raises:
            ValueError: it has been far too loud for a second.
        """
        self._spoken.append(_power(spoken))
        power, most = _power(converted), max(MAX_GAIN * max(self._spoken), _ALWAYS)
        if not power < _NO_SOUND:  # or no number
            return converted
        self._wild = self._wild + 1 if power > _WILD * most else 0
        if self._wild > self._most_wild:
            raise ValueError("it gave far more sound than was spoken")
        gain = float(np.sqrt(most / power)) if power > most else 1.0
        before, self._gain = self._gain, gain
        if gain == before == 1.0:
            return converted
        # Down at once, up over the hop.
        return np.asarray(converted * np.linspace(min(before, gain), gain, len(converted)), np.float32)


def _power(samples: Mono) -> float:
    return float(np.mean(np.square(samples, dtype=np.float64)))
