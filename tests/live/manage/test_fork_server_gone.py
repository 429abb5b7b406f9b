"""The fork server is killed or stopped: nobody performs twice, and nobody waits for it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from multiprocessing import forkserver

import psutil
import pytest

from live.process.fork_server import start_forkserver, stop_forkserver
from tests.live.manage.conditions import all_settled, pause, performs, pid_of, until
from tests.live.manage.conftest import Make

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the fork server is Linux's")


@pytest.fixture(autouse=True)
def fresh_forkserver() -> Iterator[None]:
    start_forkserver(["numpy"])
    yield
    stop_forkserver()
    start_forkserver(["numpy"])


def forkserver_pid() -> int:
    pid = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    assert isinstance(pid, int)
    return pid


def test_an_engine_that_stood_still_is_gone_before_another_performs(make: Make) -> None:
    manager = make("one", "three")
    assert until(lambda: all_settled(manager))
    pid = pid_of(manager.state.picture)
    os.kill(forkserver_pid(), signal.SIGKILL)
    os.kill(pid, signal.SIGSTOP)
    assert until(lambda: pid_of(manager.state.picture) != pid and performs(manager, 0))
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    shades: set[int] = set()
    manager.go()
    assert until(lambda: performs(manager, 1))
    manager.audience.subscribe(lambda picture: shades.add(int(picture.picture[0, 0, 0])))
    assert until(lambda: bool(shades))
    assert shades == {len("three")}


def test_a_stopped_fork_server_is_replaced_and_holds_nobody_up(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("live.process.fork_server._LATER_START_S", 0.5)
    manager = make("one", "two")
    pid = pid_of(manager.state.picture)
    os.kill(forkserver_pid(), signal.SIGSTOP)
    os.kill(pid, signal.SIGKILL)
    assert until(lambda: manager.state.picture.health == "restarting")
    pause()
    assert manager.go(), "nobody waits"
    assert until(lambda: performs(manager, 1))
    assert pid_of(manager.state.picture) != pid
