"""The StageManager's thread and the audience's: what they raise and where they hang is told, and they go on."""

from __future__ import annotations

import threading
import time

import pytest

from live.manage.watched_loop import WatchedLoop
from live.process.frames import now
from tests.live.manage.conditions import until
from tests.live.manage.conftest import Make


def raise_error(*_: object) -> None:
    raise RuntimeError("a listener fell over")


def test_listeners_that_raise_are_told_once_and_the_others_are_called(make: Make) -> None:
    manager = make("one")
    pictures: list[object] = []
    manager.audience.subscribe(raise_error)
    manager.audience.subscribe(pictures.append)
    manager.subscribe(raise_error)
    assert until(lambda: len(pictures) > 5)
    assert until(lambda: {fault.where for fault in manager.state.faults} == {"audience", "stage manager"})
    assert len(manager.state.faults) == 2
    assert "RuntimeError: a listener fell over" in manager.state.faults[0].what


def test_listeners_that_hang_are_left_out_and_another_thread_goes_on(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = make("one")
    manager._loop._limit_s = manager.audience._loop._limit_s = 2.0
    go_on = threading.Event()
    pictures: list[object] = []
    try:
        manager.audience.subscribe(lambda picture: go_on.wait(60) and None)
        manager.audience.subscribe(pictures.append)
        manager.subscribe(lambda: go_on.wait(60) and None)
        manager.note("listen")
        assert until(lambda: "stage manager" in manager.state.hanging), "before another thread goes on"
        assert until(lambda: {fault.where for fault in manager.state.faults} == {"audience", "stage manager"})
        assert until(lambda: len(pictures) > 5)
        assert until(lambda: manager.state.hanging == ())
        assert "one of its listeners, which hears no more" in manager.state.faults[0].what
        assert manager.go() is False  # and it still takes orders
    finally:
        go_on.set()


def test_a_loop_that_hangs_always_is_not_replaced_without_end() -> None:
    at, go_on = [0.0], threading.Event()
    loop = WatchedLoop("hangs", lambda: go_on.wait(20) and None, lambda error: None, lambda: at[0])
    loop.start()
    replaced = []
    for tick in range(400):
        at[0] = tick / 10
        if loop.watch() is not None:
            replaced.append(at[0])
    go_on.set()
    loop.stop(5.0)
    assert 2 <= len(replaced) <= 4


def test_a_machine_that_stood_still_is_told(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = make("one")
    late_s = [0.0]
    monkeypatch.setattr("live.manage.stage_manager.now", lambda: now() + late_s[0])
    time.sleep(0.3)
    late_s[0] = 2.3
    assert until(lambda: any("the machine stood still for 2." in note.text for note in manager.state.notes))
    assert manager.state.faults == ()


def test_panic_reaches_the_audience_whoever_holds_the_lock(make: Make) -> None:
    manager = make("one")
    with manager._lock:
        thread = threading.Thread(target=manager.panic)
        thread.start()
        assert until(lambda: manager.audience._panic)
    thread.join()
