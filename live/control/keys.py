"""The keys: which key performs which action, and the keyboard as a control. Without Qt; runs in the thread of the
keyboard it is given, which is the Qt thread.

A held key performs its action once: the keyboard leaves out repeats, and the StageManager guards GO and panic against
double presses besides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from live.control.actions import Argument, Perform


@dataclass(frozen=True, slots=True)
class Binding:
    """A key, as Qt's QKeySequence writes it, and the action it performs with these arguments."""

    key: str
    action: str
    arguments: tuple[Argument, ...] = ()


BINDINGS: tuple[Binding, ...] = (
    Binding("Space", "go"),
    Binding("Backspace", "back"),
    Binding("Esc", "panic"),
    *(Binding(str(number), "go_to", (number - 1,)) for number in range(1, 10)),
    Binding("F5", "reload"),
    Binding("L", "lock_middle"),
    Binding("Ctrl+Left", "lock_left"),
    Binding("Ctrl+Right", "lock_right"),
    Binding("N", "measure_neutral"),
    Binding("S", "mute"),
    Binding("F11", "stage_full_screen"),
    Binding("Shift+F11", "stage_window"),
    Binding("M", "stage_mirror"),
    Binding("R", "stage_rotate"),
    Binding("F", "stage_next_fit"),
    Binding("Ctrl+O", "open_show"),
    Binding("Ctrl+Q", "stop_show"),
    Binding("F1", "help"),
    Binding("?", "help"),
)
_BY_KEY = {binding.key: binding for binding in BINDINGS}


def keys_of(action: str) -> list[str]:
    """Every key that performs this action, the first the one to show for it."""
    return [binding.key for binding in BINDINGS if binding.action == action]


class Keyboard(Protocol):
    """Who owns the keys: the windows, which get them as Qt events."""

    def listen(self, keys: Iterable[str], pressed: Callable[[str], None]) -> Callable[[], None]:
        """Calls `pressed` with each of these keys (as Qt's QKeySequence writes them) when it goes down, and not again
        while it is held. Returns what ends it."""


class Keys:
    """The keyboard as a control: performs the action of each key of BINDINGS. The operator's window makes it."""

    def __init__(self, keyboard: Keyboard) -> None:
        self._keyboard = keyboard
        self._perform: Perform | None = None
        self._stop_listening: Callable[[], None] | None = None

    def start(self, perform: Perform) -> None:
        """Listens to the keyboard."""
        self._perform = perform
        self._stop_listening = self._keyboard.listen(_BY_KEY, self._press)

    def stop(self) -> None:
        """Stops listening."""
        self._perform = None
        if self._stop_listening is not None:
            self._stop_listening()
            self._stop_listening = None

    def _press(self, key: str) -> None:
        if self._perform is not None:
            self._perform(_BY_KEY[key].action, *_BY_KEY[key].arguments)
