"""Places chunks of sound with their times on one timeline without gaps, for a movie's sound track.

Computes on samples only: no thread, no clock, no file. Position n of the timeline is the time n / sample_rate.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from live.process.frames import Samples

TOLERANCE_S = 0.020
"""A chunk further than this from the timeline's end follows an interruption; less is taken for an imprecise time
stamp."""
DRIFT_START_S = 0.002
DRIFT_STOP_S = 0.0002
"""Drift is corrected once it exceeds the first of these, until it is below the second."""
DRIFT_AVERAGE_S = 1.0
"""Time stamps jitter: drift is their average over this time."""
STRETCH = 0.001
"""Drift is corrected by this fraction of the samples, more or fewer, which is inaudible: 1.7 cents."""
FADE_S = 0.002
SILENCE_S = 1.0
"""Silence comes in chunks of at most this length."""


class SoundTimeline:
    """A timeline of samples. Belongs to one thread."""

    def __init__(self, sample_rate: int, channels: int = 1, begin: int = 0) -> None:
        """`begin`: the first position of the timeline; earlier sound is cut."""
        self.position = begin
        """The position of the next sample; everything before it has been yielded."""
        self._rate = sample_rate
        self._last_sample = np.zeros(channels, np.float32)
        self._continuous = False
        self._drift = 0.0
        self._correcting = False

    def place(self, samples: Samples, at_s: float) -> Iterator[Samples]:
        """Yields the timeline's next chunks, given `samples` (n, channels) that are heard from `at_s` on.

        A chunk that follows the previous one within TOLERANCE_S is joined to it, and slow drift is corrected by
        stretching. After an interruption a chunk is placed at its time: it is preceded by silence, or the overlapping
        part is cut.
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
        """Yields silence up to `at_s`, if the timeline has not reached it: no sound is expected there any more."""
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
        """Fades from the timeline's last sample into `samples`, to avoid a click."""
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
        # The previous chunk's last sample is position 0, so that the seam is stretched like the rest.
        known = np.concatenate([self._last_sample[None], samples])
        wanted = np.arange(1, count + change + 1) * (count / (count + change))
        channels = [np.interp(wanted, np.arange(count + 1), channel) for channel in known.T]
        return np.stack(channels, axis=1).astype(np.float32)
