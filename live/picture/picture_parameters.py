"""The picture's parameters: those of the look on stage, and how long pictures wait. Belongs to the engine's loop."""

from __future__ import annotations

from collections.abc import Mapping

from live.picture.delay_line import DelayLine
from live.picture.faults import Faults
from live.picture.look_switcher import LookSwitcher
from live.process.frames import Clock
from live.show.parameters import Parameters

LATENCY = "picture/latency_s"
"""The parameter that sets the delay line's latency."""
PREFIX = "picture/"


class PictureParameters:
    """Parameters by their full names, such as "picture/age". One that cannot be set is a fault, and nothing else."""

    def __init__(self, looks: LookSwitcher, delay: DelayLine, faults: Faults, clock: Clock) -> None:
        self._looks, self._delay, self._faults, self._clock = looks, delay, faults, clock
        self._eased = Parameters()

    def start_cue(self, values: Mapping[str, float], over_s: float) -> None:
        """A look is on stage: it gets what was set before, and then its cue's."""
        for name, value in self._eased.values.items():
            self._apply(name, value)
        for name, value in values.items():
            self.set(name, value, over_s)

    def set(self, name: str, value: float, over_s: float = 0.0) -> None:
        """Sets a parameter, in this time; one of another engine is ignored."""
        if name.startswith(PREFIX):
            t_s = self._clock()
            self._eased.ease(name, value, self._present(name, value), t_s, over_s)
            self.move(t_s)

    def move(self, t_s: float) -> None:
        """Brings the parameters to their values of now; once a frame."""
        for name, value in self._eased.move(t_s).items():
            self._apply(name, value)

    def _present(self, name: str, value: float) -> float:
        if name == LATENCY:
            return self._delay.latency_s
        return self._looks.current.look.parameters.get(name.removeprefix(PREFIX), value)

    def _apply(self, name: str, value: float) -> None:
        try:
            if name == LATENCY:
                self._delay.latency_s = value
            else:
                self._looks.current.look.set_parameter(name.removeprefix(PREFIX), value)
        except Exception as error:
            self._faults.fail(f"parameter {name}", error, self._clock())
        else:
            self._faults.resolve(f"parameter {name}")
