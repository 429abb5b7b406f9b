"""The time stamps of a stream, as far as they can be believed, in seconds. Computes only; any thread.

A stamp that leaps, forwards beyond any hole that a recording has or backwards, is broken: the stream goes on without a
hole, as players have it. Pictures always come later than those before; sound that differs alone from what comes before
and after it is passed over.
"""

from __future__ import annotations

from math import inf

LONGEST_PICTURE_HOLE_S = 10.0
"""A longer hole between two pictures is a broken stamp, unless the sound goes on as long."""
LONGEST_SOUND_HOLE_S = 180.0
"""A hole in the sound that is longer is a broken stamp; in a shorter movie, one that is longer than the movie."""
LONGEST_STEP_BACK_S = 1.0
"""A stamp that is less than this too early is one error; from here on the stream begins anew, as where two files were
joined end to end."""
LONGEST_STEP_S = 1.0
_JITTER_S = 0.03
"""Stamps are rounded, at worst to frames of pictures."""


class StreamClock:
    """Turns stamps into times, and closes leaps."""

    def __init__(self, shift_s: float = 0.0) -> None:
        """`shift_s`: of the times against the stamps, until one leaps."""
        self.leaps = 0
        """Those that were closed."""
        self.shift_s = self._first_shift_s = shift_s

    def time_s(self, stamp_s: float, due_s: float, most_back_s: float, longest_hole_s: float) -> float:
        """The time of the stamp; `due_s` where it lies further from that than the limits allow. A clock that went wrong
        may come right again."""
        for shift_s in (self.shift_s, self._first_shift_s):
            if -most_back_s <= stamp_s + shift_s - due_s <= longest_hole_s:
                self.shift_s = shift_s
                return stamp_s + shift_s
        self.leaps += 1
        self.shift_s = due_s - stamp_s
        return due_s


class PictureStamps:
    """Mends the stamps of pictures, one by one: in seconds since the first, always growing."""

    def __init__(self, step_s: float, zero_s: float | None = None, from_s: float = 0.0, sound_until_s: float = 0.0):
        """`step_s`: between two pictures where no stamp says. `zero_s`: the stamp of the file's first picture, None
        when that comes first. `from_s`: since the first picture, where reading begins. `sound_until_s`: the stamp up to
        which there is sound; a hole before it is believed."""
        self._step_s = min(step_s, LONGEST_STEP_S)
        self._before_s = from_s - self._step_s
        self._clock = None if zero_s is None else StreamClock(-zero_s)
        self._sound_until_s = sound_until_s

    def mend(self, stamp_s: float | None) -> float:
        """The picture's time in seconds since the first one; greater than the last."""
        due_s = self._before_s + self._step_s
        time_s = due_s if stamp_s is None else self._believed(stamp_s, due_s)
        if time_s <= self._before_s:
            time_s = due_s
        elif time_s - self._before_s <= LONGEST_STEP_S:
            self._step_s = time_s - self._before_s
        self._before_s = time_s
        return time_s

    def _believed(self, stamp_s: float, due_s: float) -> float:
        if self._clock is None:
            self._clock = StreamClock(due_s - stamp_s)
        longest_hole_s = inf if stamp_s <= self._sound_until_s else LONGEST_PICTURE_HOLE_S
        return self._clock.time_s(stamp_s, due_s, LONGEST_STEP_BACK_S + self._step_s, longest_hole_s)


class SoundStamps:
    """Gives each piece of sound its time, in the file's own seconds."""

    def __init__(self, begin_s: float | None, movie_s: float | None) -> None:
        """`begin_s`: where the sound is expected to begin, None: where the first stamp says; `movie_s`: how long the
        movie is, where that is known."""
        self.end_s = begin_s
        """The end of the sound so far."""
        self._clock = StreamClock()
        self._longest_hole_s = min(LONGEST_SOUND_HOLE_S, max(movie_s or LONGEST_SOUND_HOLE_S, 1.0))
        self._begun = False

    @property
    def broken(self) -> int:
        """Leaps that were closed."""
        return self._clock.leaps

    def place(self, stamp_s: float | None, length_s: float, next_stamp_s: float | None = None) -> float:
        """The time of the next piece, whose stamp is `stamp_s`; `next_stamp_s` is that of the one after it."""
        if stamp_s is None or self._differs_alone(stamp_s, length_s, next_stamp_s):
            time_s = self.end_s or 0.0
        elif self.end_s is None:
            time_s = stamp_s
        else:
            most_back_s = LONGEST_STEP_BACK_S if self._begun else self._longest_hole_s
            time_s = self._clock.time_s(stamp_s, self.end_s, most_back_s, self._longest_hole_s)
        self.end_s = time_s + length_s
        self._begun = True
        return time_s

    def _differs_alone(self, stamp_s: float, length_s: float, next_stamp_s: float | None) -> bool:
        """Whether the next piece goes on where this one would end, had it followed the sound before."""
        if self.end_s is None or not self._begun or next_stamp_s is None:
            return False
        ahead_s = self._clock.shift_s - self.end_s
        return abs(stamp_s + ahead_s) >= _JITTER_S > abs(next_stamp_s + ahead_s - length_s)
