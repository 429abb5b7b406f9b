"""The protocol between the sound engine and a voice of any kind.

A voice never waits, opens nothing, and knows neither devices nor clocks: the stage, `guise render` and the tests use
it alike. It belongs to one thread at a time.
"""

from __future__ import annotations

from typing import Protocol

from models.features.types import Mono


class Voice(Protocol):
    """Turns sound into sound: as many samples out as in, in blocks of any length that is a multiple of the block size
    it was built for; the output does not depend on the block length."""

    name: str

    @property
    def latency_samples(self) -> int:
        """The delay: output n belongs to input n - latency_samples. Constant for the life of the voice."""

    @property
    def context(self) -> int:
        """Samples of the past (latency included) that it must have processed before its output is right."""

    def process(self, samples: Mono) -> Mono:
        """The next samples; (n,) in, (n,) out. Finite in, finite out."""

    def reset(self) -> None:
        """Return to the state of a new voice."""

    def set(self, name: str, value: float) -> bool:
        """Set a parameter ("pitch", "formant": semitones); False when it has none of that name. Takes effect within a
        hop, without a click; easing over a longer time is the caller's task."""
