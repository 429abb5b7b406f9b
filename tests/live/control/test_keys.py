"""The keys: each names an action, and the control performs it between start and stop."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from live.control.actions import Answer, Argument, find_action
from live.control.keys import BINDINGS, Keys, keys_of


class ScriptedKeyboard:
    """Calls back for the keys it was asked for."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.press: Callable[[str], None] = lambda key: None

    def listen(self, keys: Iterable[str], pressed: Callable[[str], None]) -> Callable[[], None]:
        self.keys, self.press = list(keys), pressed
        return self.keys.clear


def test_every_key_is_bound_once_to_an_action_that_takes_its_arguments() -> None:
    assert len({binding.key for binding in BINDINGS}) == len(BINDINGS)
    assert all(find_action(binding.action).accepts(binding.arguments) for binding in BINDINGS)
    assert keys_of("go") == ["Space"]
    assert keys_of("help") == ["F1", "?"]
    assert keys_of("standby") == []


def test_keys_perform_their_actions_between_start_and_stop() -> None:
    keyboard = ScriptedKeyboard()
    performed: list[tuple[object, ...]] = []

    def perform(name: str, *arguments: Argument) -> Answer:
        performed.append((name, *arguments))
        return Answer(True)

    keys = Keys(keyboard)
    keys.start(perform)
    assert keyboard.keys == [binding.key for binding in BINDINGS]
    for key in list(keyboard.keys):
        keyboard.press(key)
    assert performed == [(binding.action, *binding.arguments) for binding in BINDINGS]
    keys.stop()
    keyboard.press("Space")
    assert keyboard.keys == []
    assert len(performed) == len(BINDINGS)
