"""The stand-in performer as camera."""

from __future__ import annotations

from collections.abc import Callable

from live.picture.sources.demo import DemoSource
from live.picture.sources.source import Source
from tests.machine import Machine

from .conftest import Performer, until


def test_the_demo_performs_thirty_times_a_second(started: Callable[[Source], Source]) -> None:
    with Machine() as machine:
        source = started(DemoSource(Performer))
        assert until(lambda: source.frames_captured >= 12)
        fps = source.fps
    assert 1 / (1 / 15 + machine.lost_s / 12) < fps < 40
