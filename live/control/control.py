"""What every control is: something outside the program that an operator steers it with."""

from __future__ import annotations

from typing import Protocol

from live.control.actions import Perform


class Control(Protocol):
    """Performs actions between `start` and `stop`, and knows neither the StageManager nor the windows.

    Made without arguments. `start` and `stop` are called in the operator's main thread and must not wait for anybody; a
    control that has to wait does so in a thread of its own, from where it may perform every action. What they raise
    becomes a fault, and the show goes on.
    """

    def start(self, perform: Perform) -> None:
        """Begins to perform actions. When it raises, it has left nothing running, and `stop` is not called."""

    def stop(self) -> None:
        """Performs no action from now on, and has left no thread running. Called once."""
