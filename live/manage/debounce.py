"""Two presses that are one: a nervous finger, a bouncing pad, a held key, a fright. Used under the StageManager's
lock."""

from __future__ import annotations

from live.process.frames import now

DOUBLE_PRESS_S = 0.3
"""A second press within this time of the last one is the same press: a nervous finger, a bouncing pad, a held
key."""
PANIC_DEBOUNCE_S = 0.7
"""A second panic within this time of the last one is the same fright, and does not bring the show back."""


class Debouncer:
    """When each action was asked for last."""

    def __init__(self) -> None:
        self._at: dict[str, float] = {}

    def record(self, action: str) -> None:
        """It was pressed now, or might as well have been."""
        self._at[action] = now()

    def is_double(self, action: str, within_s: float = DOUBLE_PRESS_S) -> bool:
        """Pressed again while the last press is still warm. Refused presses keep it warm, so a held key fires
        once."""
        before = self._at.get(action)
        self.record(action)
        return before is not None and self._at[action] - before < within_s
