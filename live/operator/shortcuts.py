"""The windows' keyboard, for the control "keys": Qt shortcuts that work whichever of our windows has the focus. Qt
thread.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import partial

from PyQt5.QtCore import Qt
from PyQt5.QtGui import QKeySequence
from PyQt5.QtWidgets import QApplication, QShortcut, QWidget


class ShortcutKeyboard:
    """A Keyboard. A held key does not repeat."""

    def __init__(self, window: QWidget, menu_keys: Collection[str]) -> None:
        """menu_keys: left to the menu entries that show them; an entry performs the same action as its key."""
        self._window = window
        self._menu_keys = menu_keys
        self._pressed: dict[str, Callable[[str], None]] = {}

    def listen(self, keys: Iterable[str], pressed: Callable[[str], None]) -> Callable[[], None]:
        """Calls `pressed` with each of these keys, apart from the menus', when it is pressed. Returns what ends it."""
        keys = list(keys)
        self._pressed.update(dict.fromkeys(keys, pressed))
        shortcuts = [self._shortcut(key, pressed) for key in keys if key not in self._menu_keys]

        def stop() -> None:
            for shortcut in shortcuts:
                shortcut.setEnabled(False)
            self._pressed.clear()

        return stop

    def press(self, key: int, modifiers: int) -> None:
        """A key was pressed in the stage window, which another process shows; as if it had been pressed here, where a
        question to the operator takes the keys first."""
        if QApplication.activeModalWidget() is not None:
            return
        modifiers &= ~int(Qt.KeyboardModifier.KeypadModifier)
        text = QKeySequence(key | modifiers).toString()
        if text not in self._pressed and len(typed := QKeySequence(key).toString()) == 1 and not typed.isalnum():
            text = typed  # "?" is Shift and another key, as the keyboard has it
        if text in self._pressed:
            self._pressed[text](text)

    def _shortcut(self, key: str, pressed: Callable[[str], None]) -> QShortcut:
        shortcut = QShortcut(QKeySequence(key), self._window, context=Qt.ShortcutContext.ApplicationShortcut)
        shortcut.setAutoRepeat(False)
        shortcut.activated.connect(partial(pressed, key))
        return shortcut
