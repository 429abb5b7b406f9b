"""Reads a show in a thread of its own, because it may lie on a slow network drive. Used by the StageManager."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from live.show.show_file import BadShow, Show, read_show

_GRACE_S = 2.0
"""How long `join` waits for a show that is being read from a slow disk."""


class ShowReader:
    """`read` waits for the file, `begin` does not; both may be called from any thread."""

    def __init__(self, use: Callable[[Show], str | None], refuse: Callable[[str], None]) -> None:
        """
        Args:
            use: called with the show that was read; returns why it cannot be used, or None.
            refuse: called with a sentence for the operator when the file is bad.
        """
        self._use = use
        self._refuse = refuse
        self._thread: threading.Thread | None = None

    def read(self, path: str | Path | None) -> str | None:
        """Read the show at `path` and use it. None on success, else why not."""
        if path is None:
            return self._refused("this show has no file to read again")
        try:
            show = read_show(path)
        except BadShow as error:
            return self._refused(f"the show was not reloaded: {error}")
        return self._use(show)

    def begin(self, path: str | Path | None) -> bool:
        """`read` in a thread. False while a show is being read already."""
        if self._thread is not None and self._thread.is_alive():
            return False
        self._thread = threading.Thread(target=self.read, args=(path,), name="show-reader", daemon=True)
        self._thread.start()
        return True

    def join(self) -> None:
        """Wait for the thread, but not for ever."""
        if self._thread is not None:
            self._thread.join(_GRACE_S)

    def _refused(self, why: str) -> str:
        self._refuse(why)
        return why
