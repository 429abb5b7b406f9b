"""The times of a file's sound, as far as they can be believed. Computes only.

A stamp that leaps, forwards beyond any hole that a recording has or backwards, is broken: the sound goes on without a
hole, as players have it. One that differs alone from those before and after it is passed over.
"""

from __future__ import annotations

LONGEST_HOLE_S = 180.0
"""A hole that is longer is a broken stamp; in a shorter movie, one that is longer than the movie."""
LONGEST_OVERLAP_S = 1.0
"""Sound that goes back further than this begins anew, as where two files were joined end to end."""
_JITTER_S = 0.03
"""Stamps are rounded, at worst to frames of pictures."""


class TimeStamps:
    """Gives each piece its time. Belongs to one thread."""

    def __init__(self, begin_s: float | None, movie_s: float | None) -> None:
        """`begin_s`: where the sound is expected to begin, None: where the first stamp says; `movie_s`: how long the
        movie is, where that is known."""
        self.broken = 0
        """Leaps that were closed."""
        self.end_s = begin_s
        """The end of the sound so far."""
        self._longest_hole_s = min(LONGEST_HOLE_S, max(movie_s or LONGEST_HOLE_S, 1.0))
        self._begun = False
        self._shift_s = 0.0

    def place(self, stamp_s: float | None, length_s: float, next_stamp_s: float | None = None) -> float:
        """The time of the next piece, whose stamp is `stamp_s`; `next_stamp_s` is that of the one after it."""
        if stamp_s is None or self._differs_alone(stamp_s, length_s, next_stamp_s):
            time_s = self.end_s or 0.0
        else:
            time_s = self._believed(stamp_s)
        self.end_s = time_s + length_s
        self._begun = True
        return time_s

    def _differs_alone(self, stamp_s: float, length_s: float, next_stamp_s: float | None) -> bool:
        """Whether the next piece goes on where this one would end, had it followed the sound before."""
        if (
            self.end_s is None
            or not self._begun
            or next_stamp_s is None
            or abs(stamp_s + self._shift_s - self.end_s) < _JITTER_S
        ):
            return False
        return abs(next_stamp_s + self._shift_s - self.end_s - length_s) < _JITTER_S

    def _believed(self, stamp_s: float) -> float:
        if self.end_s is None:
            return stamp_s
        for shift_s in (self._shift_s, 0.0):
            if self._is_credible(stamp_s + shift_s - self.end_s):
                self._shift_s = shift_s
                return stamp_s + shift_s
        self.broken += 1
        self._shift_s = self.end_s - stamp_s
        return self.end_s

    def _is_credible(self, ahead_s: float) -> bool:
        earliest_s = -LONGEST_OVERLAP_S if self._begun else -self._longest_hole_s
        return earliest_s <= ahead_s <= self._longest_hole_s
