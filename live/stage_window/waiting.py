"""Where a stage window that was left alone waits for another operator's process, and where that one finds it. No Qt.

A Unix socket in a folder that only this user may enter: $GUISE_RUNTIME_DIR, else guise in $XDG_RUNTIME_DIR, else a
folder of the user's own among the temporary ones. Each window's socket is named by its process. Both sides ask the
system whose process is at the other end; nothing listens to the network.
"""

from __future__ import annotations

import os
import select
import socket
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from live.process.frames import now
from live.stage_window.link import MessageLink
from live.stage_window.messages import StageMessage, Waiting

VERSION = 1
"""Of the messages: a window of another version is not taken over."""
_GREETING_S = 2.0
"""How long a window has to answer whoever connects."""


@dataclass(frozen=True, slots=True)
class WaitingWindow:
    """A window that was found. on_screen: as in Placed; pid: None where the system does not say."""

    link: MessageLink
    on_screen: str | None
    pid: int | None


class WaitingPlace:
    """The socket that one window listens at. Raises OSError when there can be none."""

    def __init__(self, folder: Path) -> None:
        self._created_folder = _make_private(folder)
        self._path = folder / f"stage-{os.getpid()}.sock"
        self._path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.setblocking(False)
        try:
            self._listener.bind(str(self._path))
            self._listener.listen(1)
        except OSError:
            self._listener.close()
            raise

    def fileno(self) -> int:
        return self._listener.fileno()

    def accept(self) -> MessageLink | None:
        """Who has connected; None when nobody has, or a stranger."""
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return None
        return _trusted(connection)

    def close(self) -> None:
        self._listener.close()
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
            if self._created_folder:
                self._path.parent.rmdir()  # unless others still wait there


def runtime_folder() -> Path:
    """Where this user's windows wait."""
    if own := os.environ.get("GUISE_RUNTIME_DIR"):
        return Path(own)
    if session := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(session) / "guise"
    return Path(tempfile.gettempdir()) / f"guise-{os.getuid()}"


def display_name() -> str:
    """What tells this process's display from others."""
    return "|".join(os.environ.get(name, "") for name in ("QT_QPA_PLATFORM", "WAYLAND_DISPLAY", "DISPLAY"))


def find_waiting(folder: Path) -> WaitingWindow | None:
    """The first window that answers in this folder for this display; takes no time where none waits, and _GREETING_S
    at most, however many are silent."""
    with suppress(OSError):
        if not _is_private(folder):
            return None
        links = [link for path in sorted(folder.glob("stage-*.sock")) if (link := _connect(path)) is not None]
        found = _first_greeting(links)
        for link in links:
            if found is None or link is not found.link:
                link.close()
        return found
    return None


def _connect(path: Path) -> MessageLink | None:
    connection = socket.socket(socket.AF_UNIX)
    connection.setblocking(False)  # one whose queue is full would make us wait
    try:
        connection.connect(str(path))
    except OSError as error:
        connection.close()
        if isinstance(error, ConnectionRefusedError):
            path.unlink(missing_ok=True)  # of a window that was killed
        return None
    return _trusted(connection)


def _first_greeting(links: list[MessageLink]) -> WaitingWindow | None:
    until = now() + _GREETING_S
    silent = list(links)
    while silent and now() < until:
        for link in select.select(silent, [], [], max(until - now(), 0.0))[0]:
            messages = link.receive()
            if messages and (found := _greeted(link, messages[0])) is not None:
                return found
            if messages or link.closed:
                silent.remove(link)
    return None


def _greeted(link: MessageLink, greeting: StageMessage) -> WaitingWindow | None:
    if not isinstance(greeting, Waiting) or (greeting.version, greeting.display) != (VERSION, display_name()):
        return None
    peer = link.peer()
    return WaitingWindow(link, greeting.on_screen, None if peer is None else peer[0])


def _trusted(connection: socket.socket) -> MessageLink | None:
    """The connection as a link; None, and closed, when another user is at its other end."""
    link = MessageLink(connection)
    peer = link.peer()
    if peer is not None and peer[1] != os.getuid():
        link.close()
        return None
    return link


def _make_private(folder: Path) -> bool:
    """Whether the folder is new; it was there otherwise. Raises OSError."""
    created = False
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        created = True
    if not _is_private(folder):
        raise PermissionError(f"{folder} is not a folder that only this user may enter")
    return created


def _is_private(folder: Path) -> bool:
    found = os.lstat(folder)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
