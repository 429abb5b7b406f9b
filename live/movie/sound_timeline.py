"""Sound that comes in pieces, each with its time, laid out as one line without holes, for a movie's sound track.

Pure mathematics of samples: no thread, no clock, no file. Position n of the line is the time n / sample_rate.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from live.process.frames import Samples

TOLERANCE_S = 0.020
"""A piece that lies further than this from where the line ends is no late stamp but an interruption."""
DRIFT_START_S = 0.002
DRIFT_STOP_S = 0.0002
"""Drift is taken back from the first of these on, until it is below the second."""
DRIFT_AVERAGE_S = 1.0
"""Stamps jitter: the drift is what they say over so long."""
STRETCH = 0.001
"""Drift is taken back by so much more or fewer samples, which nobody hears: 1.7 cents."""
FADE_S = 0.002
SILENCE_S = 1.0
"""Silence comes in pieces of at most this, however long it is."""


class SoundTimeline:
    """Belongs to one thread."""

    def __init__(self, sample_rate: int, channels: int = 1, begin: int = 0) -> None:
        """`begin`: the first position of the line; what lies before is cut."""
        self.position = begin
        """Where the next sample goes: all before it has been given."""
        self._rate = sample_rate
        self._last_sample = np.zeros(channels, np.float32)
        self._continuous = False
        self._drift = 0.0
        self._correcting = False

    def place(self, samples: Samples, at_s: float) -> Iterator[Samples]:
        """The line's next pieces, now that `samples` (n, channels) are known to be heard from `at_s` on.

        What follows on the piece before, within TOLERANCE_S, is joined to it, and slow drift is taken back by a
        stretch. After an interruption it goes where its time says: silence comes before it, or what overlaps is cut.
        """
        ahead = at_s * self._rate - self.position
        if self._continuous and abs(ahead) <= TOLERANCE_S * self._rate:
            yield self._advance(self._stretch(samples, ahead))
            return
        yield from self._silence(round(ahead))
        samples = samples[max(round(-ahead), 0) :]
        self._continuous = len(samples) > 0
        self._drift, self._correcting = 0.0, False
        yield self._advance(self._fade_in(samples))

    def pad_to(self, at_s: float) -> Iterator[Samples]:
        """Silence until `at_s`, where the line has not come so far: nothing is to be expected there any more."""
        missing = round(at_s * self._rate) - self.position
        if missing > 0:
            self._continuous = False
            yield from self._silence(missing)

    def _advance(self, samples: Samples) -> Samples:
        self.position += len(samples)
        if len(samples):
            self._last_sample = samples[-1]
        return samples

    def _silence(self, count: int) -> Iterator[Samples]:
        while count > 0:
            silence = np.zeros((min(count, round(SILENCE_S * self._rate)), self._last_sample.size), np.float32)
            count -= len(silence)
            yield self._advance(self._fade_in(silence))

    def _fade_in(self, samples: Samples) -> Samples:
        """From where the line stands into `samples`, so that nothing clicks."""
        fade = np.linspace(0, 1, round(FADE_S * self._rate), dtype=np.float32)[: len(samples), None]
        joined = samples.copy()
        joined[: len(fade)] = samples[: len(fade)] * fade + self._last_sample * (1 - fade)
        return joined

    def _stretch(self, samples: Samples, ahead: float) -> Samples:
        count = len(samples)
        self._drift += (ahead - self._drift) * min(count / (DRIFT_AVERAGE_S * self._rate), 1.0)
        limit_s = DRIFT_STOP_S if self._correcting else DRIFT_START_S
        self._correcting = abs(self._drift) > limit_s * self._rate
        if not self._correcting or count < 2:
            return samples
        change = int(np.copysign(max(int(count * STRETCH), 1), self._drift))
        self._drift -= change
        # The last sample of the piece before is position 0, so that the seam is stretched like all else.
        known = np.concatenate([self._last_sample[None], samples])
        wanted = np.arange(1, count + change + 1) * (count / (count + change))
        channels = [np.interp(wanted, np.arange(count + 1), channel) for channel in known.T]
        return np.stack(channels, axis=1).astype(np.float32)
