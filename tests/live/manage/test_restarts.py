"""Engines that die, hang or refuse to start, and what the report says of it."""

from __future__ import annotations

import os
import signal
import time

from live.process.stage_picture import FrameKind
from tests.live.manage.conditions import all_settled, performs, pid_of, recovery_limit_s, until
from tests.live.manage.conftest import Make


def test_a_killed_engine_returns_to_its_cue_and_the_other_is_undisturbed(make: Make) -> None:
    manager = make("one", "two", "three")
    assert until(lambda: all_settled(manager))
    manager.go()
    assert until(lambda: performs(manager, 1))
    pid, sound = pid_of(manager.state.picture), pid_of(manager.state.sound)
    os.kill(pid, signal.SIGKILL)
    assert until(lambda: performs(manager, 1) and pid_of(manager.state.picture) != pid)
    (fault,) = manager.state.faults
    assert fault.where == "picture engine"
    assert fault.recovered_after_s is not None
    assert fault.recovered_after_s < recovery_limit_s(manager)
    assert pid_of(manager.state.sound) == sound
    assert manager.state.sound.restarts == 0
    assert until(lambda: all_settled(manager)), "and preloads again"


def test_a_crash_is_reported_with_its_reason(make: Make) -> None:
    manager = make("one", "crash")
    assert until(lambda: all_settled(manager))
    manager.go()
    assert until(lambda: manager.state.faults and manager.state.faults[0].recovered_after_s is not None)
    assert "RuntimeError: the driver fell over" in manager.state.faults[0].what
    assert until(lambda: performs(manager, 1))


def test_a_hanging_engine_is_replaced(make: Make) -> None:
    manager = make("one", "hang")
    assert until(lambda: all_settled(manager))
    manager.go()
    assert until(lambda: bool(manager.state.faults))
    assert "no heartbeat" in manager.state.faults[0].what
    assert until(lambda: manager.state.faults[0].recovered_after_s is not None)
    recovered_after_s = manager.state.faults[0].recovered_after_s
    assert recovered_after_s is not None
    assert recovered_after_s < recovery_limit_s(manager)
    assert until(lambda: performs(manager, 1))


def test_the_safe_picture_is_shown_while_no_engine_performs(make: Make) -> None:
    manager = make("one", settings="dies young", wait=False)
    kinds: list[FrameKind] = []
    manager.audience.subscribe(lambda picture: kinds.append(picture.kind))
    assert until(lambda: FrameKind.SAFE in kinds)
    assert until(lambda: manager.state.picture.restarts >= 3)
    restarts = manager.state.picture.restarts
    time.sleep(0.5)
    assert manager.state.picture.restarts <= restarts + 1, "an engine that dies at once is restarted after pauses"
    assert len(manager.state.faults) == 1


def test_a_bad_source_ends_the_show(make: Make) -> None:
    manager = make("one", settings="bad", wait=False)
    assert until(lambda: manager.failure is not None)
    assert manager.failure == "no such file"
    assert manager.state.picture.health == "ended"


def test_faults_of_devices_are_logged_with_their_recovery(make: Make) -> None:
    manager = make("camera")
    assert until(lambda: bool(manager.state.faults))
    fault = manager.state.faults[0]
    assert (fault.where, fault.what) == ("camera", "it is gone")
    assert until(lambda: manager.state.faults[0].recovered_after_s == 1.5)
