"""Which presses of a key are its own, and which come from holding it: one press is one cue. Without Qt.

A platform need not mark repeats: X11 sends a release and a press back to back, which Qt marks only where both have
arrived. Belongs to one thread.
"""

from __future__ import annotations

REPEAT_MS = 60
"""A press so soon after the release is a repeat: no hand is as fast."""
LOST_RELEASE_MS = 1000
"""A key that was pressed so long ago, and not since, has been released where nobody saw it."""


class HeldKeys:
    """Asked at every press, told of every release; times in ms, of the events themselves where they have one."""

    def __init__(self) -> None:
        self._pressed_at: dict[int, float] = {}
        """The last press of each key, repeats too."""
        self._released_at: dict[int, float] = {}
        """Of those keys that were released after it."""

    def is_press(self, key: int, at_ms: float, *, marked: bool = False) -> bool:
        """Whether it is a press of its own. marked: the platform says that it is a repeat."""
        pressed_at = self._pressed_at.get(key)
        released_at = self._released_at.pop(key, None)
        self._pressed_at[key] = at_ms
        if marked:
            return False
        if released_at is not None:
            return at_ms - released_at > REPEAT_MS
        return pressed_at is None or at_ms - pressed_at > LOST_RELEASE_MS

    def release(self, key: int, at_ms: float) -> None:
        """A platform sends releases for its repeats, too."""
        if key in self._pressed_at:
            self._released_at[key] = at_ms
