"""A bounded queue between two threads, first in, first out: neither side ever waits unless it says for how long.

Every queue between threads is one of these (the newest alone is a `mailbox.Mailbox`): it states how much may wait, and
what happens when more comes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from enum import Enum, auto
from threading import Condition
from typing import Generic, TypeVar

T = TypeVar("T")

MUST_NOT_BE_LOST = 20
"""See DROP_EXPENDABLE."""


class WhenFull(Enum):
    """What `put` does when the queue holds `capacity` items."""

    REFUSE = auto()
    """The new item is not taken: `put` returns False."""
    DROP_OLDEST = auto()
    """The oldest item makes room."""
    DROP_EXPENDABLE = auto()
    """The oldest item makes room that is expendable, or that a newer one replaces. Where there is none, more than
    `capacity` wait; only beyond `MUST_NOT_BE_LOST` times as many the oldest of all makes room."""
    DROP_ALL = auto()
    """Everything that waits makes room: the taker has fallen far behind, and goes on with the newest."""


class BoundedQueue(Generic[T]):
    """Any thread may call any method. Items are never None: that is what `take` returns for none."""

    def __init__(
        self,
        capacity: int,
        when_full: WhenFull,
        expendable: Callable[[T], bool] = lambda item: False,
        replaces: Callable[[T], Hashable | None] = lambda item: None,
        on_drop: Callable[[T], None] | None = None,
    ) -> None:
        """
        Args:
            capacity: how many items may wait, at least 1.
            expendable: for DROP_EXPENDABLE: items that are dropped before any other. Called with the queue locked; must
                be short.
            replaces: likewise: what an item tells the newest of; a newer item with the same answer replaces it. None:
                it is no such item.
            on_drop: for DROP_OLDEST and DROP_EXPENDABLE: called with the item that was dropped, likewise.
        """
        self._capacity = capacity
        self._when_full = when_full
        self._expendable = expendable
        self._replaces = replaces
        self._on_drop = on_drop
        self._items: deque[T] = deque()
        self._changed = Condition()
        self._dropped = 0
        self._woken = False
        self._closed = False

    @property
    def dropped(self) -> int:
        """How many items were refused, or made room for others."""
        return self._dropped

    @property
    def closed(self) -> bool:
        return self._closed

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T, timeout_s: float = 0.0) -> bool:
        """Whether the item now waits in the queue; False when it was refused, or the queue is closed.

        Args:
            timeout_s: how long to wait for room before the policy decides. Never on an engine's loop.
        """
        with self._changed:
            if timeout_s > 0:
                self._changed.wait_for(lambda: self._closed or len(self._items) < self._capacity, timeout_s)
            if self._closed or (len(self._items) >= self._capacity and not self._make_room(item)):
                return False
            self._items.append(item)
            self._changed.notify_all()
            return True

    def take(self, timeout_s: float | None = 0.0) -> T | None:
        """The oldest item. None when there is none: none came within `timeout_s` (None: without end), `wake` was called
        meanwhile, or the queue is closed and empty."""
        with self._changed:
            if not self._items and timeout_s != 0:
                self._changed.wait_for(lambda: self._items or self._woken or self._closed, timeout_s)
            self._woken = False
            if not self._items:
                return None
            self._changed.notify_all()
            return self._items.popleft()

    def wait(self, timeout_s: float) -> bool:
        """Wait for an item, for `wake` or for the end, and take nothing; True when there is an item."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._woken or self._closed, timeout_s)
            self._woken = False
            return bool(self._items)

    def take_all(self) -> list[T]:
        """All items, the oldest first. Never waits."""
        with self._changed:
            items = list(self._items)
            self._items.clear()
            self._changed.notify_all()
            return items

    def wake(self) -> None:
        """End the `take` that waits, or the next one: there is something else to do."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def close(self) -> None:
        """Take no more items and end all waiting. What waits can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _make_room(self, coming: T) -> bool:
        """By the policy, in the queue's lock; False when it refuses."""
        if self._when_full is WhenFull.REFUSE:
            self._dropped += 1
            return False
        if self._when_full is WhenFull.DROP_ALL:
            self._dropped += len(self._items)
            self._items.clear()
            return True
        at = self._first_expendable(coming) if self._when_full is WhenFull.DROP_EXPENDABLE else 0
        if at is None and len(self._items) < self._capacity * MUST_NOT_BE_LOST:
            return True
        self._dropped += 1
        dropped = self._items[at or 0]
        del self._items[at or 0]
        if self._on_drop is not None:
            self._on_drop(dropped)
        return True

    def _first_expendable(self, coming: T) -> int | None:
        first, newer = None, {self._replaces(coming)} - {None}
        for at, item in zip(range(len(self._items) - 1, -1, -1), reversed(self._items), strict=True):
            told = self._replaces(item)
            if told in newer or self._expendable(item):
                first = at
            if told is not None:
                newer.add(told)
        return first
