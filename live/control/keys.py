"""The keys that drive the show: data, and nothing of Qt. Whoever has a keyboard translates its events and calls
`press`; the page of keys is written from the same data.

A held key must not fire again: the window leaves out repeats, and the StageManager guards GO and panic besides. Nothing
here waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

Action = Literal["go", "back", "panic", "go_to", "reload"]


class Keyed(Protocol):
    """What keys ask of a StageManager."""

    def go(self) -> bool: ...
    def back(self) -> bool: ...
    def go_to(self, index: int) -> bool: ...
    def toggle_panic(self) -> bool: ...
    def begin_reload(self) -> bool: ...


@dataclass(frozen=True)
class Binding:
    """key: as Qt's QKeySequence writes it. `cue` is for "go_to" alone."""

    key: str
    action: Action
    meaning: str
    cue: int | None = None


BINDINGS: tuple[Binding, ...] = (
    Binding("Space", "go", "GO: the standby cue goes on stage"),
    Binding("Backspace", "back", "Back to the cue before"),
    Binding("Esc", "panic", "Panic: safe picture and silence; again to return"),
    *(Binding(str(n), "go_to", "This cue goes on stage now", n - 1) for n in range(1, 10)),
    Binding("F5", "reload", "Read the show again"),
)
_BY_KEY = {binding.key: binding for binding in BINDINGS}


def key_of(action: Action) -> str:
    """The first key that does this: a button names it, and is it."""
    return next(binding.key for binding in BINDINGS if binding.action == action)


def press(manager: Keyed, key: str) -> bool:
    """Do what the key means. False when it means nothing, or was taken for a double press."""
    binding = _BY_KEY.get(key)
    if binding is None:
        return False
    if binding.action == "go":
        return manager.go()
    if binding.action == "back":
        return manager.back()
    if binding.action == "go_to" and binding.cue is not None:
        return manager.go_to(binding.cue)
    if binding.action == "reload":
        return manager.begin_reload()
    return manager.toggle_panic()
