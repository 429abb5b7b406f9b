"""The times of a stream's pictures, mended: in seconds since the first, always growing, without leaps. Any thread."""

from __future__ import annotations

LONGEST_HOLE_S = 10.0
"""A longer hole between two pictures is a broken stamp, unless the sound goes on as long."""
SMALLEST_LEAP_BACK_S = 1.0
"""A stamp that is less than this too early is one picture's error; from here on the clock was set back."""
LONGEST_STEP_S = 1.0


class Stamps:
    """Mends the stamps of one stream, picture by picture."""

    def __init__(self, step_s: float, zero_s: float | None = None, from_s: float = 0.0, sound_until_s: float = 0.0):
        """`step_s`: between two pictures where no stamp says. `zero_s`: the stamp of the file's first picture, None
        when that comes first. `from_s`: since the first picture, where reading begins. `sound_until_s`: the stamp up to
        which there is sound; a hole before it is believed."""
        self._step_s = min(step_s, LONGEST_STEP_S)
        self._zero_s = zero_s
        self._before_s = from_s - self._step_s
        self._sound_until_s = sound_until_s

    def mend(self, stamp_s: float | None) -> float:
        """The picture's time in seconds since the first one; greater than the last."""
        due_s = self._before_s + self._step_s
        if stamp_s is None:
            time_s = due_s
        else:
            if self._zero_s is None:
                self._zero_s = stamp_s - due_s
            time_s = stamp_s - self._zero_s
            if self._leaps(stamp_s, time_s - self._before_s):
                self._zero_s, time_s = stamp_s - due_s, due_s
        if time_s <= self._before_s:
            time_s = due_s
        elif time_s - self._before_s <= LONGEST_STEP_S:
            self._step_s = time_s - self._before_s
        self._before_s = time_s
        return time_s

    def _leaps(self, stamp_s: float, hole_s: float) -> bool:
        return hole_s < -SMALLEST_LEAP_BACK_S or (hole_s > LONGEST_HOLE_S and stamp_s > self._sound_until_s)
