"""The controls of a show, started and stopped together. Runs in the operator's main thread.

A control that fails is a fault in the log: neither the others nor the show feel it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from live.control.actions import Perform
from live.control.control import Control
from live.control.registry import CONTROLS, make_control
from live.process.error_text import typed_error_text


class RunningControls:
    """Every control of the registry."""

    def __init__(self, perform: Perform, add_fault: Callable[[str, str], None]) -> None:
        """add_fault: is told where and what."""
        self._perform = perform
        self._add_fault = add_fault
        self._running: list[tuple[str, Control]] = []

    def start(self) -> None:
        """Starts them in the registry's order."""
        for name in CONTROLS:
            with self._failing_alone(name):
                control = make_control(name)
                control.start(self._perform)
                self._running.append((name, control))

    def stop(self) -> None:
        """Stops those that run, the last one first."""
        while self._running:
            name, control = self._running.pop()
            with self._failing_alone(name):
                control.stop()

    @contextmanager
    def _failing_alone(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._add_fault(f"control {name}", typed_error_text(error))
