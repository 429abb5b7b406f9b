"""When an engine is taken to hang, judged by a clock of the test's own."""

from __future__ import annotations

import pytest

from live.manage.engine_supervisor import SILENT_S, EngineSupervisor
from live.process.engine_kind import EngineKind
from live.process.engine_process import EngineProcess
from live.process.messages import Event, Heartbeat
from live.process.metrics import PictureMetrics
from live.process.silent_time import SilentTime

TICK_S = 0.1


class Scripted(EngineProcess):
    """A process that lives, and sends what the test says."""

    def __init__(self) -> None:
        super().__init__("scripted", "")
        self.arrived: list[Event] = []

    @property
    def alive(self) -> bool:
        return True

    @property
    def last_heartbeat(self) -> float | None:
        return 0.0

    def events(self) -> list[Event]:
        events, self.arrived = self.arrived, []
        return events


class Rig:
    def __init__(self) -> None:
        self.t_s = 0.0
        self.process = Scripted()
        self.supervisor = EngineSupervisor(EngineKind.PICTURE, PictureMetrics(), lambda: self.process, 0, lambda _: 0)
        self.supervisor._silent = SilentTime(lambda: self.t_s)
        self.supervisor.started()

    def ticks(self, seconds: float, beat_every_s: float | None = None) -> list[str]:
        """What is diagnosed while the StageManager ticks for so long."""
        problems = []
        for tick in range(round(seconds / TICK_S)):
            self.t_s += TICK_S
            if beat_every_s is not None and tick % round(beat_every_s / TICK_S) == 0:
                self.process.arrived.append(Heartbeat(self.t_s, PictureMetrics()))
            self.supervisor.events()
            if (problem := self.supervisor.diagnose()) is not None:
                problems.append(problem)
        return problems


def test_an_engine_that_beats_is_well_and_one_that_stops_hangs() -> None:
    rig = Rig()
    assert rig.ticks(20, beat_every_s=0.25) == []
    assert rig.ticks(SILENT_S - 4 * TICK_S) == []
    assert rig.ticks(7 * TICK_S)[0].startswith("no heartbeat for 1.")


@pytest.mark.parametrize("still_s", [2.0, 40.0, 3600.0])
def test_a_machine_that_stood_still_punishes_nobody(still_s: float) -> None:
    rig = Rig()
    rig.ticks(5, beat_every_s=0.25)
    rig.t_s += still_s
    # The StageManager may wake several times before the engine's first heartbeat arrives.
    assert rig.ticks(0.5) == []
    assert rig.ticks(5, beat_every_s=0.25) == []
