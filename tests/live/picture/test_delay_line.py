"""The delay line: constant latency, in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from live.picture.delay_line import DelayLine
from live.picture.picture_parameters import LATENCY
from live.process.frames import Frame, now
from live.process.messages import Fault, Recovered, SetParameter
from live.process.stage_picture import FrameKind, StagePicture
from tests.machine import Machine

from .engine_rig import Rig, Shown


class Stage(Shown):
    """Also keeps when it was written to."""

    def __init__(self) -> None:
        super().__init__()
        self.at: list[float] = []

    def write(self, shown: StagePicture) -> None:
        super().write(shown)
        self.at.append(now())

    def has(self, count: int) -> bool:
        end = now() + 5
        while len(self.at) < count and now() < end:
            time.sleep(0.001)
        return len(self.at) == count


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def line(stage: Stage) -> Iterator[DelayLine]:
    made = DelayLine(stage)
    yield made
    made.close()
    assert made.error is None


def make(line: DelayLine, index: int, captured_at: float) -> None:
    picture = np.full((4, 4, 3), index, np.uint8)
    line.write(StagePicture(picture, FrameKind.GENERATED, captured_at, now(), index))
    picture[:] = 99  # whoever made it makes the next one in the same place


def test_however_long_a_picture_took_its_latency_is_the_same(stage: Stage, line: DelayLine) -> None:
    make(line, 0, now() - 0.01)
    assert stage.indices == [0], "without a latency to keep to it goes at once"
    line.latency_s = 0.15
    with Machine() as machine:
        for index, took_s in enumerate([0.0, 0.03, 0.0, 0.05, 0.01], 1):
            captured_at = now()
            time.sleep(took_s)
            make(line, index, captured_at)
        assert stage.has(6)
    assert stage.indices == list(range(6))
    assert [picture[0, 0, 0] for picture in stage.pictures] == stage.indices
    latencies = np.subtract(stage.at, stage.captured_at)[1:]
    assert latencies.min() >= 0.149
    assert np.median(latencies) < 0.16 + machine.worst_s()


def test_a_picture_that_is_late_goes_at_once_but_overtakes_none(stage: Stage, line: DelayLine) -> None:
    line.latency_s = 0.1
    make(line, 1, now() - 0.2)
    assert stage.indices == [1]
    make(line, 2, now())
    make(line, 3, now() - 0.2)
    assert stage.has(3)
    assert stage.indices == [1, 2, 3]
    assert np.subtract(stage.at, stage.captured_at)[1] >= 0.099


def test_a_shorter_latency_lets_go_and_a_drop_forgets(stage: Stage, line: DelayLine) -> None:
    line.latency_s = 1.9
    make(line, 1, now())
    line.latency_s = 0.0
    assert stage.has(1)
    line.latency_s = 0.1
    make(line, 2, now())
    line.clear()
    make(line, 3, now())
    assert stage.has(2)
    assert stage.indices == [1, 3]


def test_waiting_on_purpose_is_no_latency_of_the_report(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig()
    rig.engine.handle(SetParameter(LATENCY, 0.1))
    rig.go("one")
    rig.clock.pass_(0.1)
    rig.source.put(Frame(rig.still, rig.clock(), 0))
    rig.engine.step(0)
    assert rig.engine.report()["video"]["latency"]["max"] == 0.0


def test_an_output_that_fails_later_is_one_fault_until_it_works_again(rig: Rig) -> None:
    rig.engine.handle(SetParameter(LATENCY, 0.05))
    rig.shown.broken = True
    end = now() + 10
    while not (faults := rig.heard(Fault)):
        assert now() < end
        rig.frame_unseen()
    rig.shown.broken = False
    while not (recovered := rig.heard(Recovered)):
        assert now() < end
        rig.frame_unseen()
    assert [fault.where for fault in faults] == [fault.where for fault in recovered] == ["stage"]
