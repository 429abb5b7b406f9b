"""The thread that reads a source: a device that comes and goes, a thread that hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import pytest

from live.picture.sources import source as source_module
from live.picture.sources.source import MAX_ABANDONED, Grabbed, Source, SourceGone
from live.process.frames import now
from models.features.media.bad_media import BadMedia

from .conftest import until


class Flaky(Source):
    """A device of a test: what it does at each opening is scripted."""

    def __init__(self, *openings: str) -> None:
        super().__init__("flaky")
        self.openings = iter(openings)
        self.let_go = threading.Event()
        self.opened = 0

    def grab(self, reader: Any) -> Grabbed:
        self.opened += 1
        what = next(self.openings, "well")
        if what == "missing":
            raise SourceGone("there is no camera called 'flaky'")
        if what == "hangs at opening":
            self.let_go.wait()
        for i in count():
            if what == "stops" and i == 3:
                raise SourceGone("flaky stopped")
            if what == "breaks" and i == 3:
                raise BadMedia("flaky: pictures in yuv420p cannot be converted")
            if what == "hangs" and i == 3:
                self.let_go.wait()
            if reader.stopping.wait(0.01):
                return
            yield np.zeros((4, 4, 3), np.uint8), now()

    def close(self, timeout_s: float = 1.0) -> None:
        self.let_go.set()
        super().close(timeout_s)


def watched(source: Source, condition: Callable[[], bool]) -> bool:
    def look() -> bool:
        source.watch()
        return condition()

    return until(look)


@pytest.mark.parametrize("error", ["stops", "missing", "breaks"])
def test_a_device_that_stops_or_is_missing_is_opened_again(started: Callable[[Source], Source], error: str) -> None:
    source = Flaky(error)
    began = now()
    started(source)
    assert watched(source, lambda: source.opened == 2 and source.frames_captured > 10)
    assert now() - began < 5
    assert "flaky" in source.error


def test_a_read_that_hangs_is_left_behind(started: Callable[[Source], Source], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "GONE_S", 0.2)
    source = Flaky("hangs")
    began = now()
    started(source)
    assert watched(source, lambda: source.gone)
    assert watched(source, lambda: source.opened == 2 and source.frames_captured > 10)
    assert now() - began < 5
    captured = source.frames_captured
    source.let_go.set()  # The old thread comes back to life: its frames must not be mixed in.
    assert watched(source, lambda: source.frames_captured > captured + 5)


def test_an_opening_that_hangs_is_left_behind_and_threads_do_not_pile_up(
    started: Callable[[Source], Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "GONE_S", 0.02)
    monkeypatch.setattr(source_module, "OPENING_S", 0.02)
    source = Flaky(*["hangs at opening"] * 50)
    started(source)
    end = now() + 0.6
    while now() < end:
        source.watch()
        time.sleep(0.005)
    assert 2 <= source.opened <= MAX_ABANDONED + 1
