"""The values of an engine's parameters. A cue's parameters are eased over its transition.

Belongs to an engine's loop. Has no clock: the caller passes the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(slots=True)
class _Ease:
    """A parameter that moves linearly from `begin` to `end`."""

    begin: float
    end: float
    from_s: float
    length_s: float

    def at(self, t_s: float) -> float:
        fraction = (t_s - self.from_s) / self.length_s if self.length_s > 0 else 1.0
        return self.begin + (self.end - self.begin) * min(max(fraction, 0.0), 1.0)


class Parameters:
    """Values by their full names, such as `picture/latency_s`."""

    def __init__(self) -> None:
        self._values: dict[str, float] = {}
        self._eases: dict[str, _Ease] = {}

    @property
    def values(self) -> Mapping[str, float]:
        """Every parameter ever set, with its value of the last `move`."""
        return self._values

    def ease(self, name: str, value: float, default: float, t_s: float, length_s: float) -> None:
        """Move a parameter to `value` from its present value, between `t_s` and `t_s + length_s`. default: the present
        value of a parameter that has not been set yet."""
        self._eases[name] = _Ease(self._values.get(name, default), value, t_s, length_s)

    def move(self, t_s: float) -> dict[str, float]:
        """Move every parameter that is being eased; returns their values at `t_s`."""
        moved = {}
        for name, ease in list(self._eases.items()):
            moved[name] = ease.at(t_s)
            if t_s >= ease.from_s + ease.length_s:
                del self._eases[name]
        self._values.update(moved)
        return moved
