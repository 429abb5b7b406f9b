"""What the sync decides reaches the engines: at a heartbeat, at a cue, and after a restart."""

from __future__ import annotations

import pytest

from live.manage import sync_control
from live.manage.engine_supervisor import EngineSupervisor
from live.manage.sync import LOWERED_AFTER_S, RAISED_AFTER_S, Sync
from live.manage.sync_control import SyncControl
from live.process.engine_kind import EngineKind
from live.process.engine_process import EngineProcess
from live.process.messages import Command, SetParameter
from live.process.metrics import PictureMetrics, SoundMetrics


class Recorded(EngineProcess):
    """Keeps what it is sent; no process is started."""

    def __init__(self) -> None:
        super().__init__("recorded", "")
        self.sent: list[Command] = []

    def send(self, command: Command) -> None:
        self.sent.append(command)


class Rig:
    """Two engines that are up, and a clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.t_s = 0.0
        monkeypatch.setattr(sync_control, "now", lambda: self.t_s)
        processes = Recorded(), Recorded()
        self.picture = EngineSupervisor(EngineKind.PICTURE, PictureMetrics(), lambda: processes[0], 0, lambda _: 0)
        self.sound = EngineSupervisor(
            EngineKind.SOUND, SoundMetrics(latency_ms=30.0), lambda: processes[1], 0, lambda _: 0
        )
        self.picture.up = self.sound.up = True
        self.processes = processes
        self.control = SyncControl(Sync(), self.picture, self.sound)

    def beat(self, seconds: float, picture_ms: float) -> None:
        """Heartbeats for so long, of a picture that is so late."""
        latency_ms = {"p50": picture_ms, "p95": picture_ms, "p99": picture_ms, "max": picture_ms}
        self.picture.metrics = PictureMetrics(latency_ms=latency_ms)  # type: ignore[arg-type]
        until_s = self.t_s + seconds
        while self.t_s < until_s:
            self.control.on_heartbeat(EngineKind.PICTURE, None)
            self.t_s += 0.25

    def latest(self) -> dict[str, float]:
        """The newest value of each parameter that was sent."""
        sent = [command for process in self.processes for command in process.sent]
        return {command.name: round(command.value, 4) for command in sent if isinstance(command, SetParameter)}


def test_a_cue_lets_the_sound_wait_less_and_the_picture_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(monkeypatch)
    rig.beat(RAISED_AFTER_S + 2, 62.0)
    assert rig.latest() == {"picture/latency_s": 0.07, "sound/wait_s": 0.04}
    rig.beat(LOWERED_AFTER_S + 2, 35.0)
    assert rig.latest()["sound/wait_s"] == 0.04, "never within a cue"
    rig.control.on_cue()
    assert rig.latest() == {"picture/latency_s": 0.04, "sound/wait_s": 0.01}


def test_nothing_is_sent_twice_and_all_of_it_to_a_new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(monkeypatch)
    rig.beat(2, 20.0)
    assert len(rig.processes[0].sent) == 1
    rig.control.on_engine_started(rig.picture)
    assert rig.processes[0].sent == [SetParameter("picture/latency_s", 0.03)] * 2
    assert rig.processes[1].sent == []
