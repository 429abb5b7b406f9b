"""Reads a show in a thread of its own, because it may lie on a slow network drive. Used by the StageManager."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from live.process.error_text import typed_error_text
from live.process.messages import Reload
from live.show.show_file import BadShow, Show, read_show
from live.show.show_models import check_models

_GRACE_S = 2.0
"""How long `join` waits for a show that is being read from a slow disk."""


class ShowReader:
    """`begin` may be called from any thread and does not wait."""

    def __init__(self, use: Callable[[Show], None], refuse: Callable[[str], None]) -> None:
        """
        Args:
            use: called with the show that was read.
            refuse: called with a sentence for the operator when the file is bad.
        """
        self._use = use
        self._refuse = refuse
        self._thread: threading.Thread | None = None

    def begin(self, path: str | Path | None) -> bool:
        """Read the show at `path`, and use it. False while one is being read already."""
        if self._thread is not None and self._thread.is_alive():
            return False
        self._thread = threading.Thread(target=self._read, args=(path,), name="show-reader", daemon=True)
        self._thread.start()
        return True

    def join(self) -> None:
        """Wait for the thread, but not for ever."""
        if self._thread is not None:
            self._thread.join(_GRACE_S)

    def _read(self, path: str | Path | None) -> None:
        if path is None:
            self._refuse("this show has no file to read again")
            return
        try:
            show = read_show(path)
            check_models(show)
        except BadShow as error:
            self._refuse(f"the show was not reloaded: {error}")
        except Exception as error:  # nobody else would tell the operator that the key had no effect
            self._refuse(f"the show was not reloaded: {typed_error_text(error)}")
        else:
            self._use(show)


def reload_of(show: Show) -> Reload:
    """What the engines are told of a show that was read again."""
    return Reload(
        show.lost_face.hold_s,
        show.lost_face.fade_s,
        None if show.safe_picture is None else str(show.safe_picture),
        show.sound_miss,
        show.sync,
        show.voices,
    )
