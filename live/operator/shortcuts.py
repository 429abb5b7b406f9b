"""The windows' keyboard, for the control "keys": Qt shortcuts that work whichever of our windows has the focus. Qt
thread.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import partial

from PyQt5.QtCore import Qt
from PyQt5.QtGui import QKeySequence
from PyQt5.QtWidgets import QShortcut, QWidget


class ShortcutKeyboard:
    """A Keyboard. A held key does not repeat."""

    def __init__(self, window: QWidget, menu_keys: Collection[str]) -> None:
        """menu_keys: left to the menu entries that show them; an entry performs the same action as its key."""
        self._window = window
        self._menu_keys = menu_keys

    def listen(self, keys: Iterable[str], pressed: Callable[[str], None]) -> Callable[[], None]:
        """Calls `pressed` with each of these keys, apart from the menus', when it is pressed. Returns what ends it."""
        shortcuts = [self._shortcut(key, pressed) for key in keys if key not in self._menu_keys]

        def stop() -> None:
            for shortcut in shortcuts:
                shortcut.setEnabled(False)

        return stop

    def _shortcut(self, key: str, pressed: Callable[[str], None]) -> QShortcut:
        shortcut = QShortcut(QKeySequence(key), self._window, context=Qt.ShortcutContext.ApplicationShortcut)
        shortcut.setAutoRepeat(False)
        shortcut.activated.connect(partial(pressed, key))
        return shortcut
