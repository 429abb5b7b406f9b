"""The windows' keyboard, for the control "keys": Qt shortcuts that work whichever of our windows has the focus. Qt
thread.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import partial

from PyQt5.QtCore import QEvent, QObject, Qt
from PyQt5.QtGui import QGuiApplication, QKeyEvent, QKeySequence
from PyQt5.QtWidgets import QApplication, QShortcut, QWidget

from live.process.frames import now
from live.stage_window.held_keys import HeldKeys


class ShortcutKeyboard(QObject):
    """A Keyboard. A held key does not repeat, whatever the platform says: repeats are taken out before Qt's shortcuts,
    those of the menus, too."""

    def __init__(self, window: QWidget, menu_keys: Collection[str]) -> None:
        """menu_keys: left to the menu entries that show them; an entry performs the same action as its key."""
        super().__init__(window)
        self._window = window
        self._menu_keys = menu_keys
        self._pressed: dict[str, Callable[[str], None]] = {}
        self._held = HeldKeys()
        self._repeating = False
        """The press that is being handled is a repeat."""
        self._seen = 0, 0
        """The key and the time of the newest press."""

    def listen(self, keys: Iterable[str], pressed: Callable[[str], None]) -> Callable[[], None]:
        """Calls `pressed` with each of these keys, apart from the menus', when it is pressed. Returns what ends it."""
        keys = list(keys)
        self._pressed.update(dict.fromkeys(keys, pressed))
        shortcuts = [self._shortcut(key, pressed) for key in keys if key not in self._menu_keys]
        application = QGuiApplication.instance()
        assert application is not None
        application.installEventFilter(self)

        def stop() -> None:
            application.removeEventFilter(self)
            for shortcut in shortcuts:
                shortcut.setEnabled(False)
            self._pressed.clear()

        return stop

    def press(self, key: int, modifiers: int) -> None:
        """A key was pressed in the stage window, which another process shows; as if it had been pressed here, where a
        question to the operator takes the keys first."""
        if QApplication.activeModalWidget() is not None:
            return
        if (text := self._bound(key, modifiers)) is not None:
            self._pressed[text](text)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if not isinstance(event, QKeyEvent) or QApplication.activeModalWidget() is not None:
            return False
        if event.type() == QEvent.Type.KeyRelease:
            self._held.release(event.key(), _time_ms(event))
        elif event.type() == QEvent.Type.ShortcutOverride:
            # Comes before each press; taken here, the press is no shortcut's.
            if self._is_first(watched, event):
                self._repeating = self._is_repeat(event)
            event.setAccepted(self._repeating)
        return self._repeating and event.type() in (QEvent.Type.ShortcutOverride, QEvent.Type.KeyPress)

    def _is_first(self, watched: QObject | None, event: QKeyEvent) -> bool:
        """One event is sent to the window, to the widget with the focus and to each of its parents; a synthetic one,
        which has no time, to the widget first."""
        seen, self._seen = self._seen, (event.key(), event.timestamp())
        return self._seen != seen if event.timestamp() else watched is QGuiApplication.focusObject()

    def _is_repeat(self, event: QKeyEvent) -> bool:
        if self._bound(event.key(), int(event.modifiers())) is None:
            return False
        return not self._held.is_press(event.key(), _time_ms(event), marked=event.isAutoRepeat())

    def _bound(self, key: int, modifiers: int) -> str | None:
        """The key as it is listened to; None where nobody listens to it."""
        modifiers &= ~int(Qt.KeyboardModifier.KeypadModifier)
        text = QKeySequence(key | modifiers).toString()
        if text not in self._pressed and len(typed := QKeySequence(key).toString()) == 1 and not typed.isalnum():
            text = typed  # "?" is Shift and another key, as the keyboard has it
        return text if text in self._pressed else None

    def _shortcut(self, key: str, pressed: Callable[[str], None]) -> QShortcut:
        shortcut = QShortcut(QKeySequence(key), self._window, context=Qt.ShortcutContext.ApplicationShortcut)
        shortcut.setAutoRepeat(False)
        shortcut.activated.connect(partial(pressed, key))
        return shortcut


def _time_ms(event: QKeyEvent) -> float:
    """When it happened: by the platform where it says so, since this thread may be late with both of two events."""
    return event.timestamp() or now() * 1000
