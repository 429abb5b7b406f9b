"""How often the operator's process and the stage window show each other that they live. Without Qt."""

from __future__ import annotations

from collections.abc import Callable

from live.process.frames import now

SIGN_EVERY_S = 0.2
"""How often each side shows the other that it lives."""
SILENT_S = 1.0
"""Without a sign of life from the operator's Qt thread for this long, the audience sees the safe picture."""
END_AFTER_S = 30.0
"""A window without an operator for this long ends itself."""
_STEADY_S = 0.1


class Steadiness:
    """Whether a thread runs evenly. One that has just begun, or has just woken up, ticks once and then builds its
    windows, for seconds on a busy machine: were that a sign of life, the audience would see a picture flash up."""

    def __init__(self, clock: Callable[[], float] = now) -> None:
        self._clock = clock
        self._ticked_at = self._steady_since = -1e9

    def tick(self) -> bool:
        """Call it every SIGN_EVERY_S. True once it has ticked for a while without a pause of SILENT_S."""
        at = self._clock()
        if at - self._ticked_at > SILENT_S:
            self._steady_since = at
        self._ticked_at = at
        return at - self._steady_since >= _STEADY_S
