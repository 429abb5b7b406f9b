"""One end of the connection between the operator's process and the stage window's. Without Qt or threads.

A stream socket, for the process that started the window and for one that takes it over alike. Neither `send` nor
`receive` waits: the other side may be stopped in the middle of anything.
"""

from __future__ import annotations

import os
import socket
import struct
from collections import deque
from collections.abc import Sequence

from live.stage_window.messages import BadMessage, StageMessage, decode, encode

_MAX_LINE_BYTES = 65536
_MAX_FDS = 4
_MAX_OUTBOX = 1000
"""Messages that wait for a side that does not read; beyond, the link counts as closed."""


class MessageLink:
    """Belongs to one thread. It closes itself when the other side has gone, or sends what is no message."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._connection = connection
        self._received = b""
        self._fds: deque[int] = deque()
        self._outbox: deque[tuple[bytes, tuple[int, ...]]] = deque()
        self.closed = False

    def fileno(self) -> int:
        """For a notifier or select; -1 once it is closed."""
        return self._connection.fileno()

    @property
    def clear(self) -> bool:
        """Everything was sent that was to be."""
        self.flush()
        return not self._outbox

    def send(self, message: StageMessage, fds: Sequence[int] = ()) -> None:
        """Sends a message, now or with a later call; does nothing once the link is closed. The file descriptors go with
        it and must stay open until then."""
        self._outbox.append((encode(message), tuple(fds)))
        self.flush()
        if len(self._outbox) > _MAX_OUTBOX:
            self.close()

    def flush(self) -> None:
        """Sends what still waits, as far as the other side takes it."""
        while self._outbox and not self.closed:
            data, fds = self._outbox[0]
            try:
                sent = socket.send_fds(self._connection, [data], fds) if fds else self._connection.send(data)
            except BlockingIOError:
                return
            except OSError:
                self._lose()
                return
            self._outbox.popleft()
            if sent < len(data):
                self._outbox.appendleft((data[sent:], ()))

    def receive(self) -> list[StageMessage]:
        """The messages that have arrived since the last call, oldest first."""
        messages: list[StageMessage] = []
        while not self.closed:
            try:
                data, fds, _, _ = socket.recv_fds(self._connection, _MAX_LINE_BYTES, _MAX_FDS)
            except BlockingIOError:
                break
            except OSError:
                data, fds = b"", []
            self._fds.extend(fds)
            *lines, self._received = (self._received + data).split(b"\n")
            try:
                messages += [decode(line) for line in lines]
            except BadMessage:
                data = b""
            if not data or len(self._received) > _MAX_LINE_BYTES:
                self._lose()
        return messages

    def take_fd(self) -> int | None:
        """The oldest file descriptor that came with a message; the caller's from now on."""
        return self._fds.popleft() if self._fds else None

    def peer(self) -> tuple[int, int] | None:
        """The process and the user at the other side; None where the system does not say."""
        if not hasattr(socket, "SO_PEERCRED"):
            return None
        pid, uid, _ = struct.unpack("3i", self._connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        return pid, uid

    def close(self) -> None:
        """Closes this end. A second call does nothing."""
        self._lose()
        self._connection.close()

    def _lose(self) -> None:
        self.closed = True
        self._outbox.clear()
        while self._fds:
            os.close(self._fds.popleft())
