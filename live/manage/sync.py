"""Lips and voice: who waits for whom, and how far apart they are.

Pure logic, no thread and no clock; the StageManager asks it at every heartbeat, under its lock. The sound's latency is
one constant figure. The picture's varies from frame to frame, so it is given one: its delay line hands every picture
on at a constant time after its capture, the sound's own where the picture is the faster one (nearly always). Where it
is the slower one, the sound waits for it, by a time that hardly ever changes: a change is heard, jitter is not chased.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import ceil

import numpy as np

STEP_S = 0.010
"""The sound's wait is a multiple of this."""
RAISED_AFTER_S = 12.0
"""So long must the picture have been too late for the sound before the sound waits longer: a stumble of half a second
stands in the picture's figures, which are of its last 300 pictures, for ten."""
LOWERED_AFTER_S = 60.0
"""So long must it have been early enough before the sound waits less, and then only at a cue."""
LONGEST_WAIT_S = 0.5
"""The sound waits no longer: a picture that is slower than that comes late."""
STEADY_S = 0.001
"""The sound's figure may move by this without the picture's following it."""
_SAMPLES = 20_000
"""The newest so many measurements of skew are kept, a few a second."""


@dataclass(frozen=True)
class SyncTargets:
    """What both engines are to keep to, in seconds."""

    picture_latency_s: float = 0.0
    """From capture to being handed on; 0: as fast as it can."""
    sound_wait_s: float = 0.0
    """What the sound waits on top of its own latency."""


@dataclass(frozen=True)
class SyncState:
    """The report's "sync", in ms; None: not measured.

    skew: how much later than the voice the lips are. picture_delay, sound_delay: what each waits on purpose.
    """

    skew: float | None = None
    picture_delay: float | None = None
    sound_delay: float | None = None


class Sync:
    """`enabled` may be changed at any time: False lets each be as fast as it can."""

    def __init__(self, enabled: bool = True, offset_s: float = 0.0) -> None:
        """`offset_s`: what camera and screen add to the picture's latency beyond what is measured, less what is not
        measured of the sound's; from a profile."""
        self.enabled = enabled
        self._offset_s = offset_s
        self._targets = SyncTargets()
        self._late_since_s: float | None = None
        self._least_lag_s = 0.0
        self._early_since_s: float | None = None
        self._largest_lag_s = 0.0
        self._sound_s: float | None = None
        self._delay_s: float | None = None
        self._skews_s: deque[float] = deque(maxlen=_SAMPLES)

    @property
    def targets(self) -> SyncTargets:
        """What was decided last."""
        return self._targets

    def update(self, t_s: float, sound_s: float | None, picture_s: float | None) -> SyncTargets:
        """What both engines are to do from now on.

        Args:
            sound_s: the sound's latency, capture to loudspeaker, without its wait; None: there is no sound.
            picture_s: the 95th percentile of the picture's, capture to ready, of the last seconds; None: no picture.
        """
        if not self.enabled or sound_s is None:
            self._sound_s = sound_s
            self._late_since_s = self._early_since_s = None
            self._targets = SyncTargets()
            return self._targets
        if self._sound_s is None or abs(sound_s - self._sound_s) > STEADY_S:
            self._sound_s = sound_s
        wait_s = self._targets.sound_wait_s
        if picture_s is not None:
            wait_s = self._updated_wait(t_s, picture_s + self._offset_s - self._sound_s)
        self._targets = SyncTargets(max(self._sound_s + wait_s - self._offset_s, 0.0), wait_s)
        return self._targets

    def on_cue(self, t_s: float) -> None:
        """A cue is fired: nobody hears now that the sound waits less than before."""
        if self._early_since_s is not None and t_s - self._early_since_s >= LOWERED_AFTER_S:
            self._targets = SyncTargets(self._targets.picture_latency_s, _in_steps(self._largest_lag_s))
            self._early_since_s = None

    def measure(self, seen_s: float | None, ready_s: float | None) -> None:
        """The picture's latency at present, medians: capture to being seen, and to being ready; None: no picture."""
        if self._sound_s is not None and seen_s is not None and ready_s is not None:
            self._skews_s.append(seen_s + self._offset_s - self._sound_s - self._targets.sound_wait_s)
            self._delay_s = max(self._targets.picture_latency_s - ready_s, 0.0)

    def state(self) -> SyncState:
        """As it is now, for the screen."""
        return self._state(self._skews_s[-1] if self._skews_s else None)

    def report(self) -> SyncState:
        """As it was all along: the median of the skew."""
        return self._state(float(np.median(self._skews_s)) if self._skews_s else None)

    def _state(self, skew_s: float | None) -> SyncState:
        if self._sound_s is None:
            return SyncState()
        return SyncState(_ms(skew_s), _ms(self._delay_s), _ms(self._targets.sound_wait_s))

    def _updated_wait(self, t_s: float, lag_s: float) -> float:
        """The sound's wait, now that the picture comes `lag_s` later than the sound would without any."""
        wait_s = self._targets.sound_wait_s
        if lag_s <= wait_s or wait_s >= LONGEST_WAIT_S:
            self._late_since_s = None
        elif self._late_since_s is None:
            self._late_since_s, self._least_lag_s = t_s, lag_s
        else:
            self._least_lag_s = min(self._least_lag_s, lag_s)
        if _in_steps(lag_s) >= wait_s:
            self._early_since_s = None
        elif self._early_since_s is None:
            self._early_since_s, self._largest_lag_s = t_s, lag_s
        else:
            self._largest_lag_s = max(self._largest_lag_s, lag_s)
        if self._late_since_s is not None and t_s - self._late_since_s >= RAISED_AFTER_S:
            self._late_since_s = None
            return _in_steps(self._least_lag_s)  # a machine that is still warming up has its worst in every figure
        return wait_s


def _in_steps(lag_s: float) -> float:
    return min(max(ceil(round(lag_s / STEP_S, 6)), 0) * STEP_S, LONGEST_WAIT_S)


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1e3, 2)
