"""The operator's end of one engine: its process, and the messages to and from it.

Runs in the operator's process. An engine is a multiprocessing child; commands and events cross by one pipe.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from live.process.channel import Channel
from live.process.engine_link import engine_main
from live.process.fork_server import (
    ForkServerKilled,
    engine_context,
    ensure_forkserver,
    killed,
    note_served,
    processes_lock,
    sigint_blocked,
    starting_python,
)
from live.process.messages import Command, Event, Heartbeat, Stop


class EngineProcess:
    """One engine's process. Every method may be called from any thread; only `start` (until the fork server has
    imported), `stop` and `kill` take time."""

    def __init__(
        self,
        name: str,
        entry: str,
        arguments: tuple[object, ...] = (),
        on_change: Callable[[], None] | None = None,
    ) -> None:
        """
        Args:
            name: "picture" or "sound".
            entry: "module:function", imported in the child, called as function(link, *arguments).
            arguments: pickled into the child.
            on_change: called in the channel's reading thread whenever events() or alive has changed; must be short.
        """
        self.name = name
        self._entry = entry
        self._arguments = arguments
        self._on_change = on_change
        self._process: Any = None
        self._pidfd: int | None = None
        self._channel: Channel[Command, Event] | None = None
        self._last_heartbeat: float | None = None

    def start(self) -> None:
        """Start the process.

        Raises:
            OSError, EOFError: no process could be started; it may be tried again.
            ForkServerKilled: the program is ending.
        """
        context: Any = engine_context()
        ensure_forkserver()
        ours, theirs = context.Pipe(duplex=True)
        process = context.Process(
            target=engine_main,
            args=(self._entry, theirs, self._arguments),
            name=f"guise-{self.name}",
            daemon=True,
        )
        try:
            with starting_python(), sigint_blocked():
                process.start()
        except (OSError, EOFError) as error:
            ours.close()
            if killed.is_set():
                raise ForkServerKilled("the fork server was killed") from error
            raise
        finally:
            theirs.close()
        note_served()
        self._process = process
        self._pidfd = _open_pidfd(process.pid)
        self._channel = Channel(ours, self.name, on_message=self._on_message, on_end=self._on_change)
        self._channel.start()

    def _on_message(self, event: Event) -> None:
        if isinstance(event, Heartbeat):
            self._last_heartbeat = time.perf_counter()
        if self._on_change is not None:
            self._on_change()

    def send(self, command: Command) -> None:
        """Queue a command; does nothing when the engine is gone. Never waits."""
        if self._channel is not None:
            self._channel.send(command)

    def events(self) -> list[Event]:
        """The events that have arrived since the last call, oldest first."""
        return [] if self._channel is None else self._channel.take()

    @property
    def alive(self) -> bool:
        """False from the moment its pipe has closed. Call `events()` once more afterwards."""
        return self._channel is not None and not self._channel.ended.is_set()

    @property
    def last_heartbeat(self) -> float | None:
        """When the newest heartbeat arrived, by now(); None before the first."""
        return self._last_heartbeat

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def stop(self, timeout_s: float = 3.0) -> bool:
        """Send Stop and wait; kill the process when it does not end. True when it ended by itself. `events()` still
        returns what it sent."""
        if self._process is None or self._channel is None:
            return True
        self.send(Stop())
        ended = self._channel.ended.wait(timeout_s)
        if not ended:
            self.kill()
        else:
            self._reap()
        return ended

    def kill(self) -> None:
        """Kill the process and wait for its end."""
        if self._process is None:
            return
        self._signal_kill()
        self._reap()

    def _signal_kill(self) -> None:
        """Whatever multiprocessing says: it takes its children for dead once the fork server is. By the pidfd, so that
        nobody else is killed who was given the number since."""
        with suppress(OSError):  # it has ended
            if self._pidfd is not None:
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            elif not _HAS_PIDFD:
                self._process.kill()

    def _reap(self) -> None:
        """Wait for the process to end, at most 3 s, kill it if it does not; then end the channel, at most 2 s."""
        if not self._wait_for_end(3.0):
            self._signal_kill()
        if processes_lock.acquire(timeout=1.0):  # a start that hangs holds it
            try:
                self._process.join(0.2)
            finally:
                processes_lock.release()
        if self._channel is not None:
            self._channel.join(2.0)
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None

    def _wait_for_end(self, timeout_s: float) -> bool:
        if self._pidfd is not None:
            return bool(select.select([self._pidfd], [], [], timeout_s)[0])
        if not _HAS_PIDFD:
            self._process.join(timeout_s)
            return not self._process.is_alive()
        return True


_HAS_PIDFD = hasattr(os, "pidfd_open") and hasattr(signal, "pidfd_send_signal")


def _open_pidfd(pid: int) -> int | None:
    """A file descriptor of this process, whoever has its number later; None: it has ended, or the system has none."""
    if not _HAS_PIDFD:
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None
