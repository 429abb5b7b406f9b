"""Keys are data and call the StageManager."""

from __future__ import annotations

from live.control.keys import BINDINGS, key_of, press


class Manager:
    """Remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[object] = []
        self.on = False

    def go(self) -> bool:
        self.asked.append("go")
        return True

    def back(self) -> bool:
        self.asked.append("back")
        return False

    def go_to(self, index: int) -> bool:
        self.asked.append(index)
        return True

    def toggle_panic(self) -> bool:
        self.on = not self.on
        return True

    def begin_reload(self) -> bool:
        self.asked.append("reload")
        return False


def test_every_key_does_something() -> None:
    manager = Manager()
    told = {binding.key: press(manager, binding.key) for binding in BINDINGS}
    assert manager.asked == ["go", "back", *range(9), "reload"]
    assert told["Space"]
    assert not told["Backspace"]
    assert not told["F5"]
    assert manager.on
    assert press(manager, "Esc")
    assert not manager.on
    assert not press(manager, "Q")
    assert [press(manager, key_of(action)) for action in ("go", "panic")] == [True, True]
    assert manager.on
    assert len({binding.key for binding in BINDINGS}) == len(BINDINGS)
