"""What the loudspeakers without a device have in common: they consume sound at the pace of the computer's clock.

Belongs to the engine's loop; only `buffered_s` may be called from other threads.
"""

from __future__ import annotations

import numpy as np

from live.process.frames import Clock, Samples, now
from live.sound.drift import Feed
from models.features.types import Mono

_LATE_S = 0.02
_SETTLING_BLOCKS = 100


class PacedSpeaker:
    """A loudspeaker that plays by the computer's clock: it has a set point and runs dry, as a device does.

    A subclass keeps what is played in `_consume`.
    """

    def __init__(
        self,
        name: str,
        sample_rate: int,
        set_point_s: float = 0.02,
        clock: Clock = now,
        drifts: bool = False,
    ) -> None:
        """
        Args:
            set_point_s: how much sound is buffered when a block arrives in time.
            drifts: whether the blocks come by another clock than the computer's (a device's).
        """
        self.name = name
        self.trouble = ""
        self._sample_rate = sample_rate
        self._set_point_s = set_point_s
        self._clock = clock
        self._feed = Feed(sample_rate, sample_rate, max(set_point_s, _LATE_S), drifts)
        self._underruns = 0
        self._dry_at: float | None = None
        """When everything written so far will have been played."""
        self._written_at = clock()
        self._blocks_to_settle = _SETTLING_BLOCKS

    @property
    def latency_s(self) -> float:
        return self._set_point_s + self._feed.latency_s

    @property
    def xruns(self) -> int:
        return self._underruns + self._feed.skips

    @property
    def drift_ppm(self) -> float | None:
        return self._feed.control.ppm if self._feed.control else None

    def buffered_s(self) -> float:
        """How long what was written will last; the set point before the first block."""
        return self._set_point_s if self._dry_at is None else max(self._dry_at - self._clock(), 0.0)

    def write(self, samples: Samples) -> None:
        """Play a block, (n, 1)."""
        at = self._clock()
        if self._dry_at is None:
            self._dry_at = at + self._set_point_s
        elif at > self._dry_at:
            self._underruns += 1
            self._play(np.zeros(round((at - self._dry_at + self._set_point_s) * self._sample_rate), np.float32))
            self._feed.restart()
        excess_s = self._dry_at - at - self._set_point_s
        if self._blocks_to_settle:
            # Each of the first blocks may be late, and a file microphone delivers all of them in turn: the earliest of
            # them shows when playing began.
            self._blocks_to_settle -= 1
            self._dry_at -= max(excess_s, 0.0)
            excess_s = min(excess_s, 0.0)
        if self._feed.control:
            self._feed.control.update(excess_s, at - self._written_at)
        self._written_at = at
        self._play(self._feed.process(samples[:, 0], excess_s))

    def close(self) -> None:
        return

    def _consume(self, samples: Mono) -> None:
        """Take what is played, in order; the base class discards it."""

    def _play(self, samples: Mono) -> None:
        assert self._dry_at is not None
        self._dry_at += len(samples) / self._sample_rate
        self._consume(samples)
