"""The messages between the operator's process and the stage window's: small frozen dataclasses, a line of JSON each.

JSON and no pickle: a window that was left alone takes them from whoever connects (waiting.py), and what is not one of
these, field by field, is refused. Imports the standard library alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields

# ---- commands (to the window)


@dataclass(frozen=True, slots=True)
class SignOfLife:
    """The operator's Qt thread runs. Without one for SILENT_S the window shows the safe picture."""


@dataclass(frozen=True, slots=True)
class ShowFrames:
    """Show the pictures of this block of shared frames. The reading end of its wake-up's pipe comes with the message;
    the fields are those of FramesLayout."""

    name: str
    slot_bytes: int
    slots: int


@dataclass(frozen=True, slots=True)
class ShowSafe:
    """Show the safe picture, at once; False ends it."""

    on: bool


@dataclass(frozen=True, slots=True)
class UseSafePicture:
    """The file of the show's safe picture; None is black."""

    path: str | None


@dataclass(frozen=True, slots=True)
class Present:
    """Show pictures so; the fields are those of Presentation."""

    mirror: bool
    rotation: int
    fit: str


@dataclass(frozen=True, slots=True)
class FillScreen:
    """Go full screen on the screen of that name; hidden until there is one."""

    name: str


@dataclass(frozen=True, slots=True)
class BecomeWindow:
    """Be an ordinary window, with its corner here, else where it is."""

    x: int | None = None
    y: int | None = None


@dataclass(frozen=True, slots=True)
class CloseStage:
    """The show is over: close the window and end its process."""


StageCommand = SignOfLife | ShowFrames | ShowSafe | UseSafePicture | Present | FillScreen | BecomeWindow | CloseStage

# ---- events (from the window)


@dataclass(frozen=True, slots=True)
class Waiting:
    """The first event to whoever connects to a window that was left alone. `display` as `display_name` says it;
    on_screen: as in Placed."""

    version: int
    display: str
    on_screen: str | None


@dataclass(frozen=True, slots=True)
class Placed:
    """Where the window is. on_screen: the name of the screen it fills or waits for; None for an ordinary window."""

    on_screen: str | None
    unplugged: bool
    full_screen: bool
    visible: bool
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Staleness:
    """Whether pictures have stopped coming."""

    stale: bool


@dataclass(frozen=True, slots=True)
class Drawn:
    """Sent a few times a second, which also shows that the window lives. latencies_s: from capture to drawn, of each
    newly made picture that was drawn since the last one."""

    latencies_s: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class StageNotice:
    """A sentence for the operator."""

    text: str


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """A key was pressed while the stage window had the focus; Qt's numbers."""

    key: int
    modifiers: int


@dataclass(frozen=True, slots=True)
class TakenOver:
    """The last event: another program shows its pictures in this window from now on."""


StageEvent = Waiting | Placed | Staleness | Drawn | StageNotice | KeyPressed | TakenOver
StageMessage = StageCommand | StageEvent

_KINDS: dict[str, type[StageMessage]] = {
    kind.__name__: kind
    for kind in (
        SignOfLife,
        ShowFrames,
        ShowSafe,
        UseSafePicture,
        Present,
        FillScreen,
        BecomeWindow,
        CloseStage,
        Waiting,
        Placed,
        Staleness,
        Drawn,
        StageNotice,
        KeyPressed,
        TakenOver,
    )
}


class BadMessage(ValueError):
    """A line that is none of these messages."""


def encode(message: StageMessage) -> bytes:
    """A message as a line."""
    return json.dumps([type(message).__name__, asdict(message)]).encode() + b"\n"


def decode(line: bytes) -> StageMessage:
    """The message of a line. Raises BadMessage."""
    try:
        name, values = json.loads(line)
        if not isinstance(values, dict):
            raise TypeError(values)
        kind = _KINDS[name]
        checked = {field.name: _CHECKS[str(field.type)](values.pop(field.name)) for field in fields(kind)}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadMessage(f"not a message: {line[:80]!r}") from error
    if values:
        raise BadMessage(f"{name} has no {', '.join(values)}")
    make: Callable[..., StageMessage] = kind
    return make(**checked)


def _one_of(*kinds: type) -> Callable[[object], object]:
    def check(value: object) -> object:
        if type(value) not in kinds:
            raise TypeError(value)
        return value

    return check


def _numbers(value: object) -> tuple[float, ...]:
    if not isinstance(value, list):
        raise TypeError(value)
    numbers = tuple(float(number) for number in value)
    if not all(map(math.isfinite, numbers)):
        raise TypeError(value)
    return numbers


_CHECKS: dict[str, Callable[[object], object]] = {
    "bool": _one_of(bool),
    "int": _one_of(int),
    "str": _one_of(str),
    "int | None": _one_of(int, type(None)),
    "str | None": _one_of(str, type(None)),
    "tuple[float, ...]": _numbers,
}
"""What may stand in a field, by its annotation."""
