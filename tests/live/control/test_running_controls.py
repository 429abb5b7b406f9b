"""The controls of a show: started and stopped together, each failing alone."""

from __future__ import annotations

import pytest

from live.control import registry, running_controls
from live.control.actions import Answer, Argument, Perform
from live.control.registry import CONTROLS, make_control
from live.control.running_controls import RunningControls

calls: list[str] = []


class Pedal:
    """Says when it is started and stopped."""

    def start(self, perform: Perform) -> None:
        calls.append(f"{type(self).__name__} started: {perform('go').done}")

    def stop(self) -> None:
        calls.append(f"{type(self).__name__} stopped")


class Panel(Pedal):
    """Another."""


class Broken(Pedal):
    """Cannot be started."""

    def start(self, perform: Perform) -> None:
        raise OSError("the port is taken")


class Sticky(Pedal):
    """Cannot be stopped."""

    def stop(self) -> None:
        raise RuntimeError


def perform(name: str, *arguments: Argument) -> Answer:
    return Answer(True)


def test_each_starts_and_stops_and_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    calls.clear()
    names = ("Pedal", "Broken", "Sticky", "Panel")
    controls = {name.lower(): f"{__name__}:{name}" for name in names} | {"absent": "live.control.nothing:Nothing"}
    monkeypatch.setattr(registry, "CONTROLS", controls)
    monkeypatch.setattr(running_controls, "CONTROLS", controls)
    faults: list[tuple[str, str]] = []
    running = RunningControls(perform, lambda where, what: faults.append((where, what)))
    running.start()
    assert faults.pop(0) == ("control broken", "OSError: the port is taken")
    assert faults.pop(0)[0] == "control absent"
    running.stop()
    running.stop()
    assert calls == [
        "Pedal started: True",
        "Sticky started: True",
        "Panel started: True",
        "Panel stopped",
        "Pedal stopped",
    ]
    assert faults == [("control sticky", "RuntimeError")]


@pytest.mark.parametrize("name", CONTROLS)
def test_every_control_starts_and_stops(name: str) -> None:
    control = make_control(name)
    control.start(perform)
    control.stop()
