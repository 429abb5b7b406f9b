"""Wakes a reader in any process: one end of a pipe writes, the other waits; the writer never does.

A pipe, and no semaphore: its reading end can be waited for beside others (Qt's loop, select), and handed to a process
that is no child. Many wake-ups before the reader comes are one; a full pipe means that it has enough to wake by.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import select
from multiprocessing.connection import Connection


class WakeSender:
    """The writing end. It can be pickled for a process that is being started."""

    def __init__(self, connection: Connection[bytes, bytes]) -> None:
        self._connection = connection

    def wake(self) -> None:
        """Wakes the reader, now or when it comes to wait. Never waits; does nothing once the pipe is closed."""
        with contextlib.suppress(OSError):  # full, which is enough; or nobody is there to be woken
            os.write(self._connection.fileno(), b"\0")

    def close(self) -> None:
        self._connection.close()


class WakeReceiver:
    """The reading end, which owns its file descriptor. One thread waits for it."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._closed = False
        self.ended = False
        """No writer is left."""
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)

    def fileno(self) -> int:
        return self._fd

    def wait(self, timeout_s: float) -> bool:
        """Waits until it is woken; False after `timeout_s`."""
        if self._closed:
            return False
        self._poll.poll(math.ceil(max(timeout_s, 0.0) * 1e3))
        try:
            woken = bool(os.read(self._fd, 65536))
        except BlockingIOError:
            return False
        self.ended = not woken
        return woken

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            os.close(self._fd)

    def __del__(self) -> None:
        self.close()


def wake_up_pipe() -> tuple[WakeReceiver, WakeSender]:
    """Both ends of a new pipe."""
    reader, writer = multiprocessing.Pipe(duplex=False)
    os.set_blocking(writer.fileno(), False)
    receiver = WakeReceiver(os.dup(reader.fileno()))
    reader.close()
    return receiver, WakeSender(writer)
