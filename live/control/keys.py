"""What the keys do while performing: data, and nothing of Qt. The window translates its key events and calls
`press`.

A held key must not fire again: the window leaves out repeats, and the StageManager guards GO besides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Keyed(Protocol):
    """What keys ask of a StageManager."""

    def go(self) -> bool: ...
    def back(self) -> bool: ...
    def go_to(self, index: int) -> bool: ...
    def panic(self) -> None: ...
    def release(self) -> None: ...
    def reload_show(self) -> str | None: ...
    def panicking(self) -> bool: ...


@dataclass(frozen=True)
class Binding:
    """key: as Qt's QKeySequence writes it. `cue` is for "go_to" alone."""

    key: str
    action: str
    meaning: str
    cue: int | None = None


BINDINGS: tuple[Binding, ...] = (
    Binding("Space", "go", "GO: the standby cue goes on stage"),
    Binding("Backspace", "back", "back to the cue before"),
    Binding("Esc", "panic", "panic: safe picture and silence; again to return"),
    *(Binding(str(n), "go_to", f"cue {n} goes on stage now", n - 1) for n in range(1, 10)),
    Binding("F5", "reload", "read the show again"),
)
_BY_KEY = {binding.key: binding for binding in BINDINGS}


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
        return manager.reload_show() is None
    if manager.panicking():
        manager.release()
    else:
        manager.panic()
    return True
