"""A channel of messages between two processes: one end of a pipe with a thread that reads and a thread that writes.

Used in the operator's process and in both engines'. Messages are plain frozen dataclasses (live/process/messages.py).
Because threads of their own read and write, neither the StageManager nor an engine's loop ever waits for the other.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Generic, TypeVar

from live.process.bounded_queue import BoundedQueue, WhenFull
from live.process.messages import AudioChunk, Heartbeat, SetParameter

_MAX_OUTBOX = 512
"""Messages that wait to be written; beyond that the oldest of those goes that a newer one replaces, or that is sound of
a recording. All others are kept: an answer or a cue that is lost would be waited for without end."""
_MAX_INBOX = 10_000
"""Messages that wait to be taken: minutes of them."""

SentT = TypeVar("SentT")
ReceivedT = TypeVar("ReceivedT")


class Channel(Generic[SentT, ReceivedT]):
    """One end of a pipe. `take` and `send` may be called from any thread and never wait."""

    def __init__(
        self,
        connection: Connection[SentT, ReceivedT],
        name: str,
        on_message: Callable[[ReceivedT], None] | None = None,
        on_end: Callable[[], None] | None = None,
    ) -> None:
        """
        Args:
            name: for the two threads.
            on_message: called in the reading thread with each message, once `take` would return it; must be short.
            on_end: called in the reading thread when the other side has closed the pipe.
        """
        self._connection = connection
        self._on_message = on_message
        self._on_end = on_end
        self._inbox: BoundedQueue[ReceivedT] = BoundedQueue(
            _MAX_INBOX, WhenFull.DROP_EXPENDABLE, _is_sound, _replaces, self._on_drop
        )
        self.lost_sound = 0
        """How many AudioChunks were dropped, at this end."""
        self._outbox: BoundedQueue[SentT | threading.Event] = BoundedQueue(
            _MAX_OUTBOX, WhenFull.DROP_EXPENDABLE, _is_sound, _replaces, self._on_drop
        )
        """An Event among the messages is set, and not sent, when its turn comes."""
        self.ended = threading.Event()
        self._reader = threading.Thread(target=self._read, name=f"{name}-reads", daemon=True)
        self._writer = threading.Thread(target=self._write, name=f"{name}-writes", daemon=True)

    def start(self) -> None:
        self._reader.start()
        self._writer.start()

    def take(self) -> list[ReceivedT]:
        """The messages that have arrived since the last call, oldest first."""
        return self._inbox.take_all()

    def wait(self, timeout_s: float) -> bool:
        """Wait for a message, for `wake` or for the end; True when there is a message to take."""
        return self._inbox.wait(timeout_s)

    def wake(self) -> None:
        """End the `wait` of another thread, or the next one."""
        self._inbox.wake()

    def send(self, message: SentT) -> None:
        """Queue a message; does nothing once the channel is closed."""
        self._outbox.put(message)

    def flush(self, timeout_s: float) -> None:
        """Wait until every queued message is written."""
        written = threading.Event()
        if self._outbox.put(written):
            written.wait(timeout_s)

    def close(self) -> None:
        """End the writing thread once its queue is empty; the reading thread ends when the other side closes."""
        self._outbox.close()

    def join(self, timeout_s: float) -> bool:
        """Wait for both threads and close the pipe; call it after the other side has closed. Should it not have, the
        pipe is shut down after half of the time, so that the other side ends, too. False when a thread still runs."""
        self.close()
        if not self._threads_end(timeout_s / 2):
            self._shut_down()
            if not self._threads_end(timeout_s / 2):
                return False
        self._connection.close()
        return True

    def _threads_end(self, timeout_s: float) -> bool:
        until = time.monotonic() + timeout_s
        threads = [
            thread
            for thread in (self._reader, self._writer)
            if thread.ident is not None and thread is not threading.current_thread()
        ]
        for thread in threads:
            thread.join(max(until - time.monotonic(), 0.0))
        return not any(thread.is_alive() for thread in threads)

    def _shut_down(self) -> None:
        """End whoever reads from or writes to either end, which closing this end's file would not."""
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self._connection.fileno())) as pipe:
            pipe.shutdown(socket.SHUT_RDWR)

    def _read(self) -> None:
        while True:
            try:
                message = self._connection.recv()
            except (EOFError, OSError):
                break
            except Exception:  # a message cut off by a death may raise anything while it is unpickled
                break
            self._inbox.put(message)
            if self._on_message is not None:
                self._on_message(message)
        self.ended.set()
        self._inbox.close()
        self._outbox.close()
        if self._on_end is not None:
            self._on_end()

    def _write(self) -> None:
        while (message := self._outbox.take(None)) is not None:
            if isinstance(message, threading.Event):
                message.set()
                continue
            try:
                self._connection.send(message)
            except Exception:
                # OSError: the other side is gone, which the reading thread reports. Any other: the message cannot be
                # pickled or is too large for the pipe, and only this one is lost.
                continue

    def _on_drop(self, message: object) -> None:
        if isinstance(message, AudioChunk):
            self.lost_sound += 1


def _is_sound(message: object) -> bool:
    return isinstance(message, AudioChunk)


def _replaces(message: object) -> str | None:
    """The newest value of each parameter counts, and the newest heartbeat."""
    if isinstance(message, SetParameter):
        return message.name
    return "heartbeat" if isinstance(message, Heartbeat) else None
