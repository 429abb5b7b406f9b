"""The table of actions: all that an operator can do, each under one stable name.

Keys, buttons, menus and every other control name an action and call `perform`, in any thread; nothing goes from an
action to a key and back. Actions of the show are called on a StageManager. Actions of the window are called on the
handlers that the operator's window supplies, in its thread; without a window they are answered as not to be had.
Nothing here waits or imports Qt.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol

Argument = str | int | float
Group = Literal["cues", "performer", "sound", "stage", "window"]


class ShowControls(Protocol):
    """What the actions of the show call; a StageManager. No method waits."""

    def go(self) -> bool: ...
    def back(self) -> bool: ...
    def toggle_panic(self) -> bool: ...
    def go_to(self, index: int) -> bool: ...
    def standby(self, index: int) -> bool: ...
    def begin_reload(self) -> bool: ...
    def lock_performer(self, x: float, y: float) -> None: ...
    def measure_neutral(self) -> None: ...
    def set_parameter(self, name: str, value: float) -> None: ...
    def toggle_mute(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an action. why: in one line, why nothing was done."""

    done: bool
    why: str = ""


class Perform(Protocol):
    """Performs an action: see Actions.perform."""

    def __call__(self, name: str, *arguments: Argument) -> Answer: ...


@dataclass(frozen=True, slots=True)
class Action:
    """One thing an operator can do.

    name: lower case words joined by "_"; a promise to other programs (it is to be an OSC address), so never renamed.
    text: on its button or menu entry; empty where it has none.
    meaning: a sentence that needs no menu around it; the page of keys shows it.
    parameters: name and type of each argument, in order. A float takes an int, too.
    call: what the action does to a show; None for an action of the window, which the window handles.
    """

    name: str
    group: Group
    text: str
    meaning: str
    parameters: tuple[tuple[str, type[Argument]], ...] = ()
    call: Callable[..., bool | None] | None = None

    def accepts(self, arguments: tuple[Argument, ...]) -> bool:
        """Whether number and types of the arguments are those of the parameters."""
        if len(arguments) != len(self.parameters):
            return False
        accepted = ((int, float) if kind is float else kind for _, kind in self.parameters)
        return all(isinstance(given, kind) for given, kind in zip(arguments, accepted, strict=True))

    @property
    def expected(self) -> str:
        """The arguments that it takes, as a sentence names them."""
        return ", ".join(f"{label}: {kind.__name__}" for label, kind in self.parameters) or "no argument"


LOCK_PLACES: Mapping[str, tuple[float, float]] = {
    "lock_middle": (0.5, 0.5),
    "lock_left": (0.0, 0.5),
    "lock_right": (1.0, 0.5),
}
"""Where in the input picture an action looks for the nearest face, in fractions of the picture's width and height."""


def _lock(name: str, text: str) -> Action:
    place = LOCK_PLACES[name]
    return Action(name, "performer", text, text, call=lambda show: show.lock_performer(*place))


ACTIONS: tuple[Action, ...] = (
    Action("go", "cues", "GO", "GO: the standby cue goes on stage", call=lambda show: show.go()),
    Action("back", "cues", "Back", "Back to the cue before", call=lambda show: show.back()),
    Action(
        "panic",
        "cues",
        "Panic",
        "Panic: safe picture and silence; again to return",
        call=lambda show: show.toggle_panic(),
    ),
    Action(
        "go_to",
        "cues",
        "",
        "This cue goes on stage now",
        (("index", int),),
        call=lambda show, index: show.go_to(index),
    ),
    Action(
        "standby",
        "cues",
        "",
        "This cue is standby",
        (("index", int),),
        call=lambda show, index: show.standby(index),
    ),
    Action("reload", "cues", "Read again", "Read the show again", call=lambda show: show.begin_reload()),
    _lock("lock_middle", "Follow the face in the middle"),
    _lock("lock_left", "Follow the leftmost face"),
    _lock("lock_right", "Follow the rightmost face"),
    Action(
        "measure_neutral",
        "performer",
        "Measure the face at rest anew",
        "Measure the performer's face at rest anew",
        call=lambda show: show.measure_neutral(),
    ),
    Action(
        "lock_performer",
        "performer",
        "",
        "Follow the face nearest to this place of the input picture, in fractions of its width and height",
        (("x", float), ("y", float)),
        call=lambda show, x, y: show.lock_performer(x, y),
    ),
    Action(
        "mute",
        "sound",
        "Mute the loudspeaker",
        "Mute the loudspeaker; again to be heard",
        call=lambda show: show.toggle_mute(),
    ),
    Action(
        "set_parameter",
        "sound",
        "",
        "Set a parameter of picture or sound",
        (("name", str), ("value", float)),
        call=lambda show, name, value: show.set_parameter(name, value),
    ),
    Action("stage_full_screen", "stage", "Full screen on another screen", "Stage full screen on another screen"),
    Action("stage_on_screen", "stage", "", "Stage full screen on this screen, by name or number", (("screen", str),)),
    Action("stage_window", "stage", "As a window", "Stage as a window"),
    Action("stage_mirror", "stage", "Mirror", "Mirror the stage"),
    Action("stage_rotate", "stage", "A quarter further", "Rotate the stage by 90°"),
    Action("stage_rotation", "stage", "", "Rotate the stage to 0, 90, 180 or 270 degrees", (("degrees", int),)),
    Action("stage_next_fit", "stage", "The next way", "Fit: contain, cover, stretch"),
    Action("stage_fit", "stage", "", "Fit the picture into the stage: contain, cover or stretch", (("fit", str),)),
    Action("open_show", "window", "Open a show…", "Open a show"),
    Action("stop_show", "window", "Stop the show", "Stop the show"),
    Action("help", "window", "Keys", "This page"),
)
_BY_NAME = {action.name: action for action in ACTIONS}
WINDOW_ACTIONS = frozenset(action.name for action in ACTIONS if action.call is None)
"""The actions that an operator's window handles: there are none of them with --headless."""


def find_action(name: str) -> Action:
    """The action of this name. Raises ValueError when there is none."""
    if name not in _BY_NAME:
        raise ValueError(f"there is no action {name}")
    return _BY_NAME[name]


@dataclass(frozen=True, slots=True)
class _Window:
    """The operator's window: what handles each of WINDOW_ACTIONS, its thread, and what calls something there soon."""

    handlers: Mapping[str, Callable[..., object]]
    call_soon: Callable[[Callable[[], object]], None]
    thread: int


class Actions:
    """Performs actions on a show, and on the operator's window while there is one. Any thread."""

    def __init__(self, show: ShowControls) -> None:
        self._show = show
        self._window: _Window | None = None
        self._window_lock = threading.Lock()
        """Held while something is handed to the window, so that it is not gone meanwhile."""

    def attach_window(
        self, handlers: Mapping[str, Callable[..., object]], call_soon: Callable[[Callable[[], object]], None]
    ) -> None:
        """Called in the window's thread.

        Args:
            handlers: one for each of WINDOW_ACTIONS, by name; called in the window's thread alone.
            call_soon: has something called in the window's thread; called in any other, must not wait.

        Raises ValueError when a handler is missing or handles no action of the window.
        """
        if handlers.keys() != WINDOW_ACTIONS:
            raise ValueError(f"handlers missing or unknown: {', '.join(sorted(handlers.keys() ^ WINDOW_ACTIONS))}")
        with self._window_lock:
            self._window = _Window(handlers, call_soon, threading.get_ident())

    def detach_window(self) -> None:
        """The window is closing: nothing is asked of it from now on."""
        with self._window_lock:
            self._window = None

    def perform(self, name: str, *arguments: Argument) -> Answer:
        """Performs one action; never waits or raises for what it was asked.

        Nothing was done when it was taken for a double press, there is no such cue, there is no such action, it does
        not take these arguments, or it is an action of the window and there is no window. In another thread than the
        window's, such an action counts as done when it is handed over.
        """
        action = _BY_NAME.get(name)
        if action is None:
            return Answer(False, f"there is no action {name}")
        if not action.accepts(arguments):
            return Answer(False, f"{name} takes {action.expected}")
        try:
            if action.call is not None:
                return _answer(action.call(self._show, *arguments))
            return self._perform_in_window(name, arguments)
        except ValueError as error:
            return Answer(False, str(error))

    def _perform_in_window(self, name: str, arguments: tuple[Argument, ...]) -> Answer:
        with self._window_lock:
            window = self._window
            if window is None:
                return Answer(False, f"{name} needs the operator's window")
            if window.thread != threading.get_ident():
                window.call_soon(partial(window.handlers[name], *arguments))
                return Answer(True)
        return _answer(window.handlers[name](*arguments))


def _answer(done: object) -> Answer:
    return Answer(False, "nothing was done") if done is False else Answer(True)
