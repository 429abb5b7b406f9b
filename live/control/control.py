"""What every control is: something outside the program that an operator steers it with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from live.control.actions import Perform


class Control(Protocol):
    """Performs actions between `start` and `stop`, and knows neither the StageManager nor the windows.

    A control that runs a thread of its own performs actions of the show alone there: see actions.
    """

    def start(self, perform: Perform) -> None:
        """Begins to perform actions."""

    def stop(self) -> None:
        """Performs no action from now on, and has left no thread running."""


class Keyboard(Protocol):
    """Who owns the keys: the windows, which get them as Qt events."""

    def listen(self, keys: Iterable[str], pressed: Callable[[str], None]) -> Callable[[], None]:
        """Calls `pressed` with each of these keys (as Qt's QKeySequence writes them) when it goes down, and not again
        while it is held. Returns what ends it."""


@dataclass(frozen=True, slots=True)
class ControlContext:
    """What a control is made from. keyboard: None without windows."""

    keyboard: Keyboard | None = None
