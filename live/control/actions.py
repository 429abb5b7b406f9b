"""The table of actions: all that an operator can do, each under one stable name.

Keys, buttons, menus and every other control name an action and call `perform`; nothing goes from an action to a key and
back. Actions of the show are called on a StageManager, and may be performed in any thread. Actions of the window are
called on the handlers that the operator's window supplies, and are performed in the Qt thread alone. Nothing here waits
or imports Qt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

Argument = str | int | float
Perform = Callable[..., bool]
"""Performs an action: its name, then its arguments."""
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
    def set_parameter(self, name: str, value: float) -> None: ...


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
        "lock_performer",
        "performer",
        "",
        "Follow the face nearest to this place of the input picture, in fractions of its width and height",
        (("x", float), ("y", float)),
        call=lambda show, x, y: show.lock_performer(x, y),
    ),
    Action("mute", "sound", "Mute the loudspeaker", "Mute the loudspeaker; again to be heard"),
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
"""The actions that an operator's window handles. mute is one of them, because a toggle must know the last state asked
for, which only the window keeps; a control without a window sets the parameter sound/mute to 0 or 1."""


def find_action(name: str) -> Action:
    """The action of this name. Raises ValueError when there is none."""
    if name not in _BY_NAME:
        raise ValueError(f"there is no action {name}")
    return _BY_NAME[name]


class ActionTarget:
    """What actions are performed on: a StageManager, and the window's handlers where there is a window."""

    def __init__(self, show: ShowControls, window: Mapping[str, Callable[..., object]] | None = None) -> None:
        """
        Args:
            window: a handler for each of WINDOW_ACTIONS, by name; None without a window.

        Raises ValueError when a handler is missing or handles no action of the window.
        """
        if window is not None and window.keys() != WINDOW_ACTIONS:
            raise ValueError(f"handlers missing or unknown: {', '.join(sorted(window.keys() ^ WINDOW_ACTIONS))}")
        self.show = show
        self.window = window or {}


def perform(name: str, target: ActionTarget, *arguments: Argument) -> bool:
    """Performs one action.

    Returns False when nothing was done: it was taken for a double press, there is no such cue, or it is an action of
    the window and there is no window. Raises ValueError for an unknown name, or arguments the action does not take.
    """
    action = find_action(name)
    if not action.accepts(arguments):
        expected = ", ".join(f"{label}: {kind.__name__}" for label, kind in action.parameters) or "no argument"
        raise ValueError(f"{name} takes {expected}")
    if action.call is not None:
        return action.call(target.show, *arguments) is not False
    handler = target.window.get(name)
    return handler is not None and handler(*arguments) is not False
