"""The newest-wins mailbox: what a source's thread leaves for the loop.

One thread puts, another takes. Putting never waits; what was not taken in time is replaced and counted.
"""

from __future__ import annotations

from threading import Condition
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Holds at most one thing: the newest."""

    def __init__(self) -> None:
        self._condition = Condition()
        self._newest: T | None = None
        self._put = 0
        self._dropped = 0

    @property
    def put_count(self) -> int:
        """How many things were put, the ones replaced included."""
        return self._put

    @property
    def dropped(self) -> int:
        """How many were replaced before anybody took them."""
        return self._dropped

    def put(self, thing: T) -> None:
        """Leaves `thing`, replacing what nobody took. Called in the source's thread."""
        with self._condition:
            if self._newest is not None:
                self._dropped += 1
            self._newest = thing
            self._put += 1
            self._condition.notify_all()

    def take(self, timeout_s: float = 0.0) -> T | None:
        """The newest thing, at most once; None when nothing new came within `timeout_s`. Called in the
        loop."""
        with self._condition:
            if self._newest is None and timeout_s > 0:
                self._condition.wait(timeout_s)
            newest, self._newest = self._newest, None
            return newest

    def clear(self) -> None:
        """Throws away what waits, uncounted: it belongs to a source that is gone."""
        with self._condition:
            self._newest = None
