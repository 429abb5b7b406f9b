"""Which models an engine died or hung with: one that ended it twice within a minute is not tried again for a while.

Used by the EngineSupervisor, under the StageManager's lock.
"""

from __future__ import annotations

from collections.abc import Callable

from live.process.frames import now

MAX_ENDS = 2
WITHIN_S = 60.0
REFUSED_S = 300.0
"""A model that nobody asks for is tried once more after so long: a show may run unattended, and an engine may have died
of something else."""
PROVEN_S = 5.0
"""A model that has performed for so long is not suspected while another is being loaded."""


class FatalModels:
    """Counts the ends of an engine by the model that performed or was being loaded."""

    def __init__(self, clock: Callable[[], float] = now) -> None:
        self._clock = clock
        self._at: dict[str, list[float]] = {}
        self._refused_at: dict[str, float] = {}

    def record_end(self, performing: str | None, performed_s: float, loading: str | None) -> None:
        """The engine has died or hung. performed_s: for how long `performing` had been on stage."""
        if loading is not None:
            self._add(loading)
        if performing is not None and (loading is None or performed_s < PROVEN_S):
            self._add(performing)

    def _add(self, model: str) -> None:
        if model == "bypass":  # it has no model: whatever ended the engine was something else
            return
        at = self._clock()
        recent = [earlier for earlier in self._at.get(model, []) if at - earlier <= WITHIN_S]
        self._at[model] = [*recent, at]
        if len(self._at[model]) >= MAX_ENDS:
            self._refused_at[model] = at

    @property
    def refused(self) -> frozenset[str]:
        """The models that are refused."""
        return frozenset(self._refused_at)

    def is_suspect(self, model: str) -> bool:
        """An engine ended with it: it is loaded when it is asked for, and not ahead."""
        return model in self._at

    def allow(self, model: str) -> None:
        """The operator asks for it: it may be tried once more."""
        self._refused_at.pop(model, None)

    def take_expired(self) -> list[str]:
        """The models that have been refused for REFUSED_S: they may be tried once more."""
        at = self._clock()
        expired = [model for model, refused_at in self._refused_at.items() if at - refused_at >= REFUSED_S]
        for model in expired:
            self.allow(model)
        return expired
