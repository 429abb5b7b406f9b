"""Ends the stage window's process when its Qt thread hangs and no operator is left who would. Any machine.

A thread counts its own ticks, so that a machine that stood still ends nothing. Where Python's lock is held it cannot
count; then faulthandler's thread, which is none of Python's, ends the process by the clock, later.

That clock does not go on while Linux is suspended (CLOCK_MONOTONIC, as live/process/engine_link.py says). It does while
the process alone is stopped, or a virtual machine is paused whose clock goes on: after LOCK_HELD_S of that, the window
ends as it wakes up, and its operator, should there be one, starts another.
"""

from __future__ import annotations

import faulthandler
import os
import threading
from collections.abc import Callable

from live.process.frames import now
from live.process.silent_time import MAX_TICK_S, SilentTime

HUNG_S = 40.0
LOCK_HELD_S = 600.0
_FEED_EVERY_S = 2.0


class HangWatchdog:
    """`feed` it from the thread it watches; `stop` it."""

    def __init__(self, end: Callable[[int], object] = os._exit, clock: Callable[[], float] = now) -> None:
        self._end = end
        self._silent = SilentTime(clock)
        self._fed = True
        self._fed_faulthandler_at = -1e9
        self._nowhere = open(os.devnull, "w")  # noqa: SIM115  # as long as faulthandler's thread
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hang-watchdog", daemon=True)
        self._thread.start()

    def feed(self) -> None:
        """The thread lives."""
        self._fed = True
        if now() - self._fed_faulthandler_at > _FEED_EVERY_S:
            self._fed_faulthandler_at = now()
            faulthandler.dump_traceback_later(LOCK_HELD_S, exit=True, file=self._nowhere)

    def stop(self) -> None:
        """Ends its threads."""
        self._stopping.set()
        self._thread.join()
        faulthandler.cancel_dump_traceback_later()
        self._nowhere.close()

    def _run(self) -> None:
        while not self._stopping.wait(MAX_TICK_S):
            self.tick()

    def tick(self) -> None:
        """In the thread."""
        self._silent.tick()
        if self._fed:
            self._fed = False
            self._silent.reset()
        elif self._silent.seconds > HUNG_S:
            self._end(1)
