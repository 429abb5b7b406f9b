"""The operator's end of one engine: its process, and the messages to and from it.

Runs in the operator's process. An engine is a multiprocessing child; commands and events cross by one pipe.
"""

from __future__ import annotations

import os
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
    processes_lock,
    sigint_blocked,
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
            with processes_lock, sigint_blocked():
                process.start()
        except (OSError, EOFError) as error:
            ours.close()
            if killed.is_set():
                raise ForkServerKilled("the fork server was killed") from error
            raise
        finally:
            theirs.close()
        self._process = process
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
        with processes_lock:
            if self._process.is_alive():
                self._process.kill()
        if self.alive and self.pid is not None:
            # multiprocessing takes its children for dead once the fork server is; an open pipe says that it lives.
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self._reap()

    def _reap(self) -> None:
        """Wait for the process to end, at most 3 s, then for the channel's threads."""
        until = time.monotonic() + 3.0
        while time.monotonic() < until:
            with processes_lock:
                if not self._process.is_alive():
                    break
            time.sleep(0.005)
        else:
            with processes_lock:
                self._process.kill()
        with processes_lock:
            self._process.join(1.0)
        if self._channel is not None:
            self._channel.join(2.0)
