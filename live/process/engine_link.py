"""The engine's end of the pipe, and where an engine's process begins and ends. Runs in an engine's process.

An engine ends itself when its pipe closes, so that nothing outlives a parent that was killed. Its loop sees
`EngineLink.closed`; should the loop hang, the reading thread ends the process; should the loop hang while it holds
Python's lock, a watchdog outside of Python ends it.
"""

from __future__ import annotations

import faulthandler
import importlib
import os
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection

from export.runtime.memory_limit import limit_memory_of_runs
from live.process.channel import Channel
from live.process.error_text import placed_error_text
from live.process.fork_server import remove_orphaned_files
from live.process.messages import Command, Event, Fault, Heartbeat, Note

_EXIT_GRACE_S = 1.0
"""How long a loop has to end by itself after the pipe has closed."""
_MAX_HELD_LOCK_S = 60.0
"""Longest time Python's lock may be held in an engine; the StageManager has killed it long before, and only a killed
operator's process leaves it to this.

faulthandler's thread waits by CLOCK_MONOTONIC (Python 3.11 with glibc 2.30 and later), which does not go on while
Linux is suspended: however long a machine slept, it ends no engine. Not covered: time in which the processes alone were
stopped (Ctrl-Z, a frozen container, a virtual machine that is paused while its clock goes on) counts, hence no less
than this. After more of it every engine ends as it wakes up, and is restarted. With an older glibc, or on a system
without sem_clockwait (macOS), the wall clock counts, and with it suspension."""


class EngineLink:
    """The engine's end of the pipe. `poll` and `send` belong to its loop and never wait."""

    def __init__(self, connection: Connection[Event, Command], *, guarded: bool = False) -> None:
        """guarded: end the whole process soon after the pipe has closed. Only in a process of the engine's own."""
        self._channel: Channel[Event, Command] = Channel(connection, "link", on_end=_exit_process if guarded else None)
        self._told_lost_sound = 0
        self._channel.start()

    def poll(self) -> list[Command]:
        """The commands that have arrived since the last call, oldest first."""
        return self._channel.take()

    def wait(self, timeout_s: float) -> bool:
        """Sleep until a command arrives; True when one has. `wake` and the link's closing end it, too."""
        return self._channel.wait(timeout_s)

    def wake(self) -> None:
        """End the loop's `wait`; called by another thread of the engine that has something for the loop."""
        self._channel.wake()

    def send(self, event: Event) -> None:
        self._channel.send(event)
        if isinstance(event, Heartbeat):
            self._tell_lost_sound()

    def _tell_lost_sound(self) -> None:
        lost = self._channel.lost_sound - self._told_lost_sound
        if lost:
            self._told_lost_sound += lost
            self._channel.send(Note(f"{lost} pieces of sound were not passed on: the operator's program stood still"))

    @property
    def closed(self) -> bool:
        """The parent is gone: the loop must end."""
        return self._channel.ended.is_set()

    def flush(self, timeout_s: float) -> None:
        """Wait until all events are written to the pipe."""
        self._channel.flush(timeout_s)

    def close(self, timeout_s: float = 1.0) -> None:
        """End the threads of a link within one process (tests); the other end must be closed already."""
        self._channel.flush(timeout_s)
        self._channel.join(timeout_s)


def _exit_process() -> None:
    """Give the loop _EXIT_GRACE_S to end by itself, then end the process. Runs in the reading thread."""
    time.sleep(_EXIT_GRACE_S)
    remove_orphaned_files()
    os._exit(3)


def _guard_against_held_lock(link: EngineLink) -> None:
    """Restart a watchdog outside of Python every 2 s. Runs in a thread of its own: should a library hold Python's lock
    for ever, no thread runs any more, and the watchdog ends the process after _MAX_HELD_LOCK_S."""
    with open(os.devnull, "w") as nowhere:
        while not link.closed:
            faulthandler.dump_traceback_later(_MAX_HELD_LOCK_S, exit=True, file=nowhere)
            link._channel.ended.wait(2.0)
        faulthandler.dump_traceback_later(_EXIT_GRACE_S * 2, exit=True, file=nowhere)
        time.sleep(_EXIT_GRACE_S * 3)


def engine_main(entry: str, connection: Connection[Event, Command], arguments: tuple[object, ...]) -> None:
    """The main function of an engine's process. `entry` is "module:function", called as function(link, *arguments)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C does
    link = EngineLink(connection, guarded=True)
    threading.Thread(target=_guard_against_held_lock, args=(link,), name="link-guard", daemon=True).start()
    code = 0
    try:
        limit_memory_of_runs()
        module, _, function = entry.partition(":")
        getattr(importlib.import_module(module), function)(link, *arguments)
    except Exception as error:
        code = 1
        link.send(Fault(time.perf_counter(), "engine", placed_error_text(error)))
        if os.environ.get("GUISE_TRACEBACKS"):
            traceback.print_exc()
    link.flush(1.0)
    remove_orphaned_files()
    faulthandler.cancel_dump_traceback_later()
    # Graphics drivers and sound servers may hang or crash while a process exits; everything that matters is sent.
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # it may have been closed for the whole program
            with suppress(OSError, ValueError):
                stream.flush()
    os._exit(code)
