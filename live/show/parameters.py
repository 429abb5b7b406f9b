"""The picture's parameters: where each stands, and those on their way. A cue's are eased over its transition.

Belongs to the picture engine's loop. Pure mathematics of time: whoever asks says when it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(slots=True)
class _Ease:
    """A parameter on its way."""

    begin: float
    end: float
    from_s: float
    length_s: float

    def at(self, t_s: float) -> float:
        share = (t_s - self.from_s) / self.length_s if self.length_s > 0 else 1.0
        return self.begin + (self.end - self.begin) * min(max(share, 0.0), 1.0)


class Parameters:
    """Values by their full names, `picture/...`."""

    def __init__(self) -> None:
        self._values: dict[str, float] = {}
        self._eases: dict[str, _Ease] = {}

    @property
    def values(self) -> Mapping[str, float]:
        """All that were ever set, as they stood when last moved."""
        return self._values

    def ease(self, name: str, value: float, default: float, t_s: float, length_s: float) -> None:
        """From `t_s` on it goes to `value` within `length_s`, from where it stands; `default`: where that is when
        nobody has set it yet."""
        self._eases[name] = _Ease(self._values.get(name, default), value, t_s, length_s)

    def move(self, t_s: float) -> dict[str, float]:
        """Moves every parameter that is on its way; gives their values at `t_s`."""
        moved = {}
        for name, ease in list(self._eases.items()):
            moved[name] = ease.at(t_s)
            if t_s >= ease.from_s + ease.length_s:
                del self._eases[name]
        self._values.update(moved)
        return moved
