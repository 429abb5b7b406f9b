"""What the sound engine asks of a voice, whatever it is made of.

A voice never waits, opens nothing, and knows neither devices nor clocks: the stage, `guise render` and the tests feed
it alike.
"""

from __future__ import annotations

from typing import Protocol

from models.features.types import Mono


class Voice(Protocol):
    """Turns sound into sound: as many samples out as in, in blocks of any length that is a multiple of the block it
    was made for, and the same whatever the blocks are."""

    name: str

    @property
    def latency(self) -> int:
        """Samples by which it is late: what comes out at n was said at n - latency. One figure for its whole life."""

    @property
    def context(self) -> int:
        """Samples of the past (latency included) that it must have heard before what it says is right."""

    def process(self, samples: Mono) -> Mono:
        """The next samples; (n,) in, (n,) out. Finite in, finite out."""

    def reset(self) -> None:
        """Forget everything heard, as if newly made."""

    def set(self, name: str, value: float) -> bool:
        """Set a parameter ("pitch", "formant": semitones); False when it has none of that name. Takes hold within a
        hop, without a click; easing over longer is the caller's."""
