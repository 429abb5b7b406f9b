"""Lip sync: how long picture and sound wait for each other, and the skew that is left.

Pure logic without thread or clock; the StageManager calls it at every heartbeat, under its lock. The sound's latency is
constant. The picture's varies from frame to frame, so its delay line passes every picture on at a constant time after
its capture: at the sound's latency where the picture is the faster one (nearly always). Where the picture is slower,
the sound waits for it by a time that hardly ever changes, because a change is audible; it does not follow jitter.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import ceil

import numpy as np

STEP_S = 0.010
"""The sound's wait is a multiple of this step."""
RAISED_AFTER_S = 12.0
"""The sound waits longer only after the picture has been too late for so long: a stall of half a second stays in the
picture's percentiles, which cover its last 300 pictures, for ten seconds."""
LOWERED_AFTER_S = 60.0
"""The sound waits less only after the picture has been early enough for so long, and only at a cue."""
LONGEST_WAIT_S = 0.5
"""Longest wait of the sound: a picture that is slower than that comes late."""
STEADY_S = 0.001
"""The sound's latency may change by this much before the picture follows it."""
_SAMPLES = 20_000
"""How many measurements of the skew are kept; a few are made a second."""


@dataclass(frozen=True)
class SyncTargets:
    """The delays that both engines must keep, in seconds."""

    picture_latency_s: float = 0.0
    """From a picture's capture to its being passed on; 0: as soon as it is ready."""
    sound_wait_s: float = 0.0
    """What the sound waits in addition to its own latency."""


@dataclass(frozen=True)
class SyncState:
    """What the sync comes to; None: not measured."""

    skew_ms: float | None = None
    """How much later the lips are than the voice."""
    picture_delay_ms: float | None = None
    sound_delay_ms: float | None = None
    """How long each waits on purpose."""


class Sync:
    """`enabled` may be changed at any time; False lets picture and sound each be as fast as they can."""

    def __init__(self, enabled: bool = True, offset_s: float = 0.0) -> None:
        """offset_s: the latency that camera and screen add to the picture's measured one, less the part of the sound's
        that is not measured; from a profile."""
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
        """The newest decision."""
        return self._targets

    def update(self, t_s: float, sound_s: float | None, picture_s: float | None) -> SyncTargets:
        """Decide the delays from now on.

        Args:
            t_s: the time now.
            sound_s: the sound's latency, capture to loudspeaker, without its wait; None: there is no sound.
            picture_s: 95th percentile of the picture's latency, capture to ready, of the last seconds; None: no
                picture.
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
        self._set_wait(wait_s)
        return self._targets

    def on_cue(self, t_s: float) -> None:
        """A cue is on stage: at this moment it is inaudible that the sound waits less than before."""
        if self._early_since_s is not None and t_s - self._early_since_s >= LOWERED_AFTER_S:
            self._set_wait(_in_steps(self._largest_lag_s))
            self._early_since_s = None

    def measure(self, seen_s: float | None, ready_s: float | None) -> None:
        """Add the picture's latency now, medians from capture to seen and from capture to ready; None: no picture."""
        if self._sound_s is not None and seen_s is not None and ready_s is not None:
            self._skews_s.append(seen_s + self._offset_s - self._sound_s - self._targets.sound_wait_s)
            self._delay_s = max(self._targets.picture_latency_s - ready_s, 0.0)

    def state(self) -> SyncState:
        """The state now, for the screen."""
        return self._state(self._skews_s[-1] if self._skews_s else None)

    def report(self) -> SyncState:
        """The state with the median of the skew over the whole performance."""
        return self._state(float(np.median(self._skews_s)) if self._skews_s else None)

    def _state(self, skew_s: float | None) -> SyncState:
        if self._sound_s is None:
            return SyncState()
        return SyncState(_ms(skew_s), _ms(self._delay_s), _ms(self._targets.sound_wait_s))

    def _set_wait(self, wait_s: float) -> None:
        """The sound waits so long, and the picture for it."""
        self._targets = SyncTargets(max((self._sound_s or 0.0) + wait_s - self._offset_s, 0.0), wait_s)

    def _updated_wait(self, t_s: float, lag_s: float) -> float:
        """The sound's wait, given that the picture is `lag_s` later than the sound would be without a wait."""
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
            return _in_steps(self._least_lag_s)  # the least: while a machine warms up, every percentile is too large
        return wait_s


def _in_steps(lag_s: float) -> float:
    return min(max(ceil(round(lag_s / STEP_S, 6)), 0) * STEP_S, LONGEST_WAIT_S)


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1e3, 2)
