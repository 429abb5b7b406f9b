"""Which pictures of a movie are worth making when it cannot be decoded as fast as it is to be shown.

Lips must not lag behind the voice, so what is late is passed over. Belongs to a source's reader thread.
"""

from __future__ import annotations

from math import inf

from live.picture.sources.source import GONE_S, Source

LATE_S = 0.05
"""A picture later than this makes lips and voice come apart."""
SHOWN_EVERY_S = 0.1
"""So often one is shown however late it is."""
WINDOW_S = 5.0
MUCH = 0.25
"""When in WINDOW_S more than this share was passed over, it is no hiccup of the machine."""


class Pace:
    """Compares when the pictures of one round are due with the source's clock."""

    def __init__(self, source: Source) -> None:
        self.late = False
        """The newest picture was late."""
        self._source = source
        self._shown_at = -inf
        self._window_at, self._seen, self._passed = source.clock(), 0, 0

    def passes_over(self, due_at: float) -> bool:
        """Whether the picture due at `due_at` is not to be made."""
        now_s = self._source.clock()
        self.late = now_s - due_at > LATE_S
        passes_over = self.late and now_s - self._shown_at < SHOWN_EVERY_S
        self._shown_at = self._shown_at if passes_over else now_s
        self._count(passes_over, now_s)
        return passes_over

    def _count(self, passed: bool, now_s: float) -> None:
        self._seen += 1
        self._passed += passed
        if now_s - self._window_at < WINDOW_S:
            return
        if self._passed > MUCH * self._seen:
            self._source.note(f"{self._source.name} cannot be decoded in time here: late pictures are left out")
        self._window_at, self._seen, self._passed = now_s, 0, 0

    def lost_s(self, due_at: float) -> float:
        """How far the movie fell behind for good, as when the machine slept; 0 when it can catch up."""
        behind_s = self._source.clock() - due_at
        return behind_s if behind_s > GONE_S else 0.0
