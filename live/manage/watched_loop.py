"""A thread that takes turns until it is stopped, and is replaced should a turn never end.

Used in the operator's process for the audience's thread and the StageManager's. Each watches the other, and whoever
shows the state watches both.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from live.process.frames import now
from live.process.silent_time import SilentTime

HUNG_S = 3.0
"""A turn that takes this long hangs: those of both threads take a tenth of a second, most of it asleep."""
LATE_S = 1.0
"""One that takes this long is told on screen."""
_PAUSE_S = 0.1
"""After a turn that failed: one that fails always must not take all of a core."""


class WatchedLoop:
    """`start`, `watch` again and again in another thread, `stop`."""

    def __init__(
        self,
        name: str,
        turn: Callable[[], None],
        on_error: Callable[[Exception], None],
        clock: Callable[[], float] = now,
    ) -> None:
        """
        Args:
            name: of the thread.
            turn: called again and again; in two threads at once, should one that was replaced go on.
            on_error: called in the thread with what a turn raised; the next turn follows.
        """
        self._name = name
        self._turn = turn
        self._on_error = on_error
        self._thread: threading.Thread | None = None
        self._turns = self._turns_seen = 0
        self._silent = SilentTime(clock)
        self._limit_s = HUNG_S
        self._watching = threading.Lock()

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """End it after the turn that it takes; False when that has not ended by then."""
        thread, self._thread = self._thread, None
        if thread is None or thread is threading.current_thread():
            return True
        thread.join(timeout_s)
        return not thread.is_alive()

    @property
    def hangs(self) -> bool:
        """Its turn does not end, or the thread has died; as of the last `watch`."""
        return self._silent.seconds > LATE_S

    def watch(self) -> float | None:
        """Call it ten times a second in other threads. When a turn has taken too long, another thread goes on in its
        place, and the result is how long it took; the old thread ends with its turn. One that hangs again has longer
        each time: whatever it is, more threads do not mend it."""
        if self._thread is None or not self._watching.acquire(blocking=False):
            return None
        try:
            return self._watch()
        finally:
            self._watching.release()

    def _watch(self) -> float | None:
        if self._turns != self._turns_seen:
            self._turns_seen = self._turns
            self._silent.reset()
        self._silent.tick()
        took_s = self._silent.seconds
        if took_s < self._limit_s:
            return None
        self._limit_s *= 2
        self._silent.reset()
        self.start()
        return took_s

    def _run(self) -> None:
        while threading.current_thread() is self._thread:
            self._turns += 1
            try:
                self._turn()
            except Exception as error:
                self._on_error(error)
                time.sleep(_PAUSE_S)
