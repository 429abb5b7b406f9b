"""A newest-wins mailbox between a source's thread and an engine's loop.

One thread puts, another takes. Putting never waits; an item that was not taken in time is replaced and counted.
"""

from __future__ import annotations

from threading import Condition
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Holds at most one item, the newest."""

    def __init__(self) -> None:
        self._condition = Condition()
        self._newest: T | None = None
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """How many items were replaced before they were taken."""
        return self._dropped

    def put(self, item: T) -> None:
        """Store `item` and replace one that was not taken. Called in the source's thread."""
        with self._condition:
            if self._newest is not None:
                self._dropped += 1
            self._newest = item
            self._condition.notify_all()

    def take(self, timeout_s: float = 0.0) -> T | None:
        """The newest item, at most once; None when no new one was put within `timeout_s`. Called in the loop."""
        with self._condition:
            if self._newest is None and timeout_s > 0:
                self._condition.wait(timeout_s)
            newest, self._newest = self._newest, None
            return newest

    def clear(self) -> None:
        """Drop the item without counting it, because it belongs to a source that is gone."""
        with self._condition:
            self._newest = None
