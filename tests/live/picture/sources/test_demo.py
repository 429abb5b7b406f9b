"""The stand-in performer as camera."""

from __future__ import annotations

from collections.abc import Callable

from live.picture.sources.demo import DemoSource
from live.picture.sources.source import Source

from .conftest import Performer, until


def test_the_demo_performs_thirty_times_a_second(started: Callable[[Source], Source]) -> None:
    source = started(DemoSource(Performer))
    assert until(lambda: source.frames_captured >= 12)
    assert 15 < source.fps < 40
