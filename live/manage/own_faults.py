"""Faults of the operator's process itself, on their way into the log.

Any thread may add one without waiting for the StageManager's lock, which a thread that hangs may hold.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from live.manage.engine_supervisor import EngineFault
from live.manage.event_log import ShowLog
from live.manage.watched_loop import WatchedLoop
from live.process.error_text import placed_error_text
from live.process.frames import now

_MAX_WAITING = 100
_MAX_TOLD = 200


class WatchedThread(Protocol):
    """What has a thread that is watched."""

    @property
    def hangs(self) -> bool: ...


class Droppable(Protocol):
    """Subscribers of anything."""

    def drop_hung(self) -> bool: ...


class OwnFaults:
    """`add` and `add_error` in any thread, `move_to` under the StageManager's lock."""

    def __init__(self, on_add: Callable[[], None]) -> None:
        """on_add: called after each; must not wait."""
        self._on_add = on_add
        self._waiting: deque[EngineFault] = deque(maxlen=_MAX_WAITING)
        self._told: set[tuple[str, str]] = set()

    def add(self, fault: EngineFault | None) -> None:
        if fault is None:
            return
        self._waiting.append(fault)
        self._on_add()

    def add_error(self, where: str, error: Exception) -> None:
        """An exception that ended one turn of a thread. Each sentence once: it may come with every turn."""
        what = placed_error_text(error)
        if (where, what) not in self._told and len(self._told) < _MAX_TOLD:
            self._told.add((where, what))
            self.add(EngineFault(now(), where, what, 0.0))

    def move_to(self, log: ShowLog) -> bool:
        """Log those since the last call; whether there were any."""
        count = len(self._waiting)
        for _ in range(count):
            fault = self._waiting.popleft()
            log.add_fault(fault)
            log.add_note(f"{fault.where}: {fault.what}")
        return count > 0


def hung_fault(where: str, loop: WatchedLoop, *subscribers: Droppable) -> EngineFault | None:
    """Watch a loop from another thread: the fault, where it hung and was replaced; so was whom it hung in."""
    hung_s = loop.watch()
    if hung_s is None:
        return None
    dropped = [each.drop_hung() for each in subscribers]
    what = " in one of its listeners, which hears no more" if any(dropped) else ""
    return EngineFault(now(), where, f"its thread hung for {hung_s:.1f} s{what}; another goes on", 0.0)


def hanging_threads(**threads: WatchedThread) -> tuple[str, ...]:
    """The names of those that hang, for screens."""
    return tuple(name.replace("_", " ") for name, thread in threads.items() if thread.hangs)
