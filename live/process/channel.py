"""A channel of messages between two processes: one end of a pipe with a thread that reads and a thread that writes.

Used in the operator's process and in both engines'. Messages are plain frozen dataclasses (live/process/messages.py).
Because threads of their own read and write, neither the StageManager nor an engine's loop ever waits for the other.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from live.process.messages import Heartbeat

_MAX_OUTBOX = 512
"""Messages that wait to be written; beyond that the oldest heartbeat is dropped."""


class Channel:
    """One end of a pipe. `take` and `send` may be called from any thread and never wait."""

    def __init__(
        self,
        connection: Connection[Any, Any],
        name: str,
        on_message: Callable[[Any], None] | None = None,
        on_end: Callable[[], None] | None = None,
    ) -> None:
        """
        Args:
            name: for the two threads.
            on_message: called with each message in the reading thread, before `take` returns it; must be short.
            on_end: called in the reading thread when the other side has closed the pipe.
        """
        self._connection = connection
        self._on_message = on_message
        self._on_end = on_end
        self._inbox: deque[Any] = deque()
        self._outbox: deque[Any] = deque()
        self._condition = threading.Condition()
        self._closing = False
        self._writer_idle = True
        self._woken = False
        self.ended = threading.Event()
        self._reader = threading.Thread(target=self._read, name=f"{name}-reads", daemon=True)
        self._writer = threading.Thread(target=self._write, name=f"{name}-writes", daemon=True)

    def start(self) -> None:
        self._reader.start()
        self._writer.start()

    def take(self) -> list[Any]:
        """The messages that have arrived since the last call, oldest first."""
        with self._condition:
            taken = list(self._inbox)
            self._inbox.clear()
        return taken

    def wait(self, timeout_s: float) -> bool:
        """Wait for a message, for `wake` or for the end; True when there is a message to take."""
        with self._condition:
            self._condition.wait_for(lambda: bool(self._inbox) or self._woken or self.ended.is_set(), timeout_s)
            self._woken = False
            return bool(self._inbox)

    def wake(self) -> None:
        """End the `wait` of another thread, or the next one."""
        with self._condition:
            self._woken = True
            self._condition.notify_all()

    def send(self, message: Any) -> None:
        """Queue a message; does nothing once the channel is closed."""
        with self._condition:
            if self._closing or self.ended.is_set():
                return
            if len(self._outbox) >= _MAX_OUTBOX:
                self._make_room()
            self._outbox.append(message)
            self._condition.notify_all()

    def _make_room(self) -> None:
        """Drop the oldest heartbeat, else the oldest message: the other side has not read for a long time."""
        for at, message in enumerate(self._outbox):
            if isinstance(message, Heartbeat):
                del self._outbox[at]
                return
        self._outbox.popleft()

    def flush(self, timeout_s: float) -> None:
        """Wait until every queued message is written."""
        with self._condition:
            self._condition.wait_for(lambda: self.ended.is_set() or (not self._outbox and self._writer_idle), timeout_s)

    def close(self) -> None:
        """End the writing thread once its queue is empty; the reading thread ends when the other side closes."""
        with self._condition:
            self._closing = True
            self._condition.notify_all()

    def join(self, timeout_s: float) -> bool:
        """Wait for both threads and close the pipe; call it after the other side has closed. False when a thread
        still runs."""
        self.close()
        until = time.monotonic() + timeout_s
        for thread in (self._reader, self._writer):
            if thread.ident is not None and thread is not threading.current_thread():
                thread.join(max(until - time.monotonic(), 0.0))
        if self._reader.is_alive() or self._writer.is_alive():
            return False
        self._connection.close()
        return True

    def _read(self) -> None:
        while True:
            try:
                message = self._connection.recv()
            except (EOFError, OSError):
                break
            except Exception:  # a message cut off by a death may raise anything while it is unpickled
                break
            if self._on_message is not None:
                self._on_message(message)
            with self._condition:
                self._inbox.append(message)
                self._condition.notify_all()
        self.ended.set()
        with self._condition:
            self._condition.notify_all()
        if self._on_end is not None:
            self._on_end()

    def _write(self) -> None:
        while True:
            with self._condition:
                self._writer_idle = True
                self._condition.notify_all()
                self._condition.wait_for(lambda: bool(self._outbox) or self._closing or self.ended.is_set())
                if self.ended.is_set() or not self._outbox:
                    return
                message = self._outbox.popleft()
                self._writer_idle = False
            try:
                self._connection.send(message)
            except (OSError, ValueError):
                # OSError: the other side is gone, which the reading thread reports. ValueError: the pipe does not take
                # this message, and only this one is lost.
                continue
