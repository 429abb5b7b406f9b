"""The table of actions: each is named once and calls the show or the window's handler."""

from __future__ import annotations

import re

import pytest

from live.control.actions import ACTIONS, LOCK_PLACES, WINDOW_ACTIONS, ActionTarget, Argument, find_action, perform


class ShowRecorder:
    """Records what it was asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def go(self) -> bool:
        self.calls.append(("go",))
        return True

    def back(self) -> bool:
        self.calls.append(("back",))
        return False

    def toggle_panic(self) -> bool:
        self.calls.append(("toggle_panic",))
        return True

    def go_to(self, index: int) -> bool:
        self.calls.append(("go_to", index))
        return True

    def standby(self, index: int) -> bool:
        self.calls.append(("standby", index))
        return True

    def begin_reload(self) -> bool:
        self.calls.append(("begin_reload",))
        return True

    def lock_performer(self, x: float, y: float) -> None:
        self.calls.append(("lock_performer", x, y))

    def set_parameter(self, name: str, value: float) -> None:
        self.calls.append(("set_parameter", name, value))


EXAMPLES: dict[type, Argument] = {int: 2, float: 0.5, str: "sound/gain"}


def example(name: str) -> tuple[Argument, ...]:
    return tuple(EXAMPLES[kind] for _, kind in find_action(name).parameters)


def test_each_action_has_one_name_that_can_be_an_address() -> None:
    names = [action.name for action in ACTIONS]
    assert len(names) == len(set(names))
    assert all(re.fullmatch("[a-z]+(_[a-z]+)*", name) for name in names)
    assert all(action.meaning for action in ACTIONS)


def test_every_action_of_the_show_calls_the_show() -> None:
    show = ShowRecorder()
    target = ActionTarget(show)
    done = {a.name: perform(a.name, target, *example(a.name)) for a in ACTIONS if a.call is not None}
    assert show.calls == [
        ("go",),
        ("back",),
        ("toggle_panic",),
        ("go_to", 2),
        ("standby", 2),
        ("begin_reload",),
        *(("lock_performer", *place) for place in LOCK_PLACES.values()),
        ("lock_performer", 0.5, 0.5),
        ("set_parameter", "sound/gain", 0.5),
    ]
    assert [name for name, answer in done.items() if not answer] == ["back"], "what the show refuses is answered"


def test_every_action_of_the_window_calls_its_handler() -> None:
    calls: list[tuple[object, ...]] = []

    def handler(name: str) -> object:
        return lambda *arguments: calls.append((name, *arguments))

    target = ActionTarget(ShowRecorder(), {name: handler(name) for name in WINDOW_ACTIONS})  # type: ignore[misc]
    for name in sorted(WINDOW_ACTIONS):
        assert perform(name, target, *example(name))
    assert calls == [(name, *example(name)) for name in sorted(WINDOW_ACTIONS)]


def test_without_a_window_its_actions_do_nothing() -> None:
    target = ActionTarget(ShowRecorder())
    assert not any(perform(name, target, *example(name)) for name in WINDOW_ACTIONS)


def test_a_handler_missing_or_unknown_is_found_at_once() -> None:
    handlers = {name: lambda: None for name in WINDOW_ACTIONS}
    del handlers["mute"]
    with pytest.raises(ValueError, match="mute"):
        ActionTarget(ShowRecorder(), handlers)
    handlers |= {"mute": lambda: None, "go": lambda: None}
    with pytest.raises(ValueError, match="go"):
        ActionTarget(ShowRecorder(), handlers)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("dance", (), "there is no action dance"),
        ("go", (1,), "go takes no argument"),
        ("go_to", (), "go_to takes index: int"),
        ("go_to", ("two",), "go_to takes index: int"),
        ("go_to", (1.5,), "go_to takes index: int"),
        ("lock_performer", (0.5,), "lock_performer takes x: float, y: float"),
    ],
)
def test_unknown_names_and_wrong_arguments_are_refused(
    name: str, arguments: tuple[Argument, ...], message: str
) -> None:
    show = ShowRecorder()
    with pytest.raises(ValueError, match=message):
        perform(name, ActionTarget(show), *arguments)
    assert show.calls == []
    assert perform("lock_performer", ActionTarget(show), 0, 1), "a whole number is a float, too"
