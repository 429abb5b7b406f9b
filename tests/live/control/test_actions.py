"""The table of actions: each is named once and calls the show or the window's handler."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from functools import partial

import pytest

from live.control.actions import ACTIONS, LOCK_PLACES, WINDOW_ACTIONS, Actions, Answer, Argument, find_action


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

    def measure_neutral(self) -> None:
        self.calls.append(("measure_neutral",))

    def set_parameter(self, name: str, value: float) -> None:
        self.calls.append(("set_parameter", name, value))
        if name == "nonsense":
            raise ValueError("there is no parameter nonsense")

    def toggle_mute(self) -> None:
        self.calls.append(("toggle_mute",))


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
    actions = Actions(show)
    answers = {a.name: actions.perform(a.name, *example(a.name)) for a in ACTIONS if a.call is not None}
    assert show.calls == [
        ("go",),
        ("back",),
        ("toggle_panic",),
        ("go_to", 2),
        ("standby", 2),
        ("begin_reload",),
        *(("lock_performer", *place) for place in LOCK_PLACES.values()),
        ("measure_neutral",),
        ("lock_performer", 0.5, 0.5),
        ("toggle_mute",),
        ("set_parameter", "sound/gain", 0.5),
    ]
    refused = {name: answer for name, answer in answers.items() if not answer.done}
    assert refused == {"back": Answer(False, "nothing was done")}, "what the show refuses is answered"


def call_at_once(call: Callable[[], object]) -> None:
    call()


def test_every_action_of_the_window_calls_its_handler() -> None:
    calls: list[tuple[object, ...]] = []
    actions = Actions(ShowRecorder())
    actions.attach_window({name: partial(_record, calls, name) for name in WINDOW_ACTIONS}, call_at_once)
    for name in sorted(WINDOW_ACTIONS):
        assert actions.perform(name, *example(name)) == Answer(True)
    assert calls == [(name, *example(name)) for name in sorted(WINDOW_ACTIONS)]


def _record(calls: list[tuple[object, ...]], name: str, *arguments: Argument) -> None:
    calls.append((name, *arguments))


def test_without_a_window_its_actions_are_answered_as_not_to_be_had() -> None:
    actions = Actions(ShowRecorder())
    for name in WINDOW_ACTIONS:
        assert actions.perform(name, *example(name)) == Answer(False, f"{name} needs the operator's window")
    actions.attach_window(dict.fromkeys(WINDOW_ACTIONS, lambda *arguments: None), call_at_once)
    assert actions.perform("help").done
    actions.detach_window()
    assert not actions.perform("help").done


def test_another_thread_hands_the_windows_actions_over() -> None:
    threads: list[int] = []
    waiting: list[Callable[[], object]] = []
    answers: list[Answer] = []
    actions = Actions(ShowRecorder())
    handlers = dict.fromkeys(WINDOW_ACTIONS, lambda *arguments: threads.append(threading.get_ident()))
    actions.attach_window(handlers, waiting.append)
    asking = threading.Thread(target=lambda: answers.append(actions.perform("stage_rotation", 90)))
    asking.start()
    asking.join()
    assert (answers, threads) == ([Answer(True)], [])
    for call in waiting:
        call()
    assert threads == [threading.get_ident()]


def test_a_handler_missing_or_unknown_is_found_at_once() -> None:
    actions = Actions(ShowRecorder())
    handlers: dict[str, Callable[[], None]] = dict.fromkeys(WINDOW_ACTIONS, lambda: None)
    del handlers["help"]
    with pytest.raises(ValueError, match="help"):
        actions.attach_window(handlers, call_at_once)
    handlers |= {"help": lambda: None, "go": lambda: None}
    with pytest.raises(ValueError, match="go"):
        actions.attach_window(handlers, call_at_once)


@pytest.mark.parametrize(
    ("name", "arguments", "why"),
    [
        ("dance", (), "there is no action dance"),
        ("go", (1,), "go takes no argument"),
        ("go_to", (), "go_to takes index: int"),
        ("go_to", ("two",), "go_to takes index: int"),
        ("go_to", (1.5,), "go_to takes index: int"),
        ("lock_performer", (0.5,), "lock_performer takes x: float, y: float"),
    ],
)
def test_unknown_names_and_wrong_arguments_are_answered(name: str, arguments: tuple[Argument, ...], why: str) -> None:
    show = ShowRecorder()
    actions = Actions(show)
    assert actions.perform(name, *arguments) == Answer(False, why)
    assert show.calls == []
    assert actions.perform("lock_performer", 0, 1).done, "a whole number is a float, too"
    assert actions.perform("set_parameter", "nonsense", 1) == Answer(False, "there is no parameter nonsense")
