"""Who is urgent, and who is not: what the sound process starts must not be as urgent as itself."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from live.sound.priority import ROUND_ROBIN, reset_priority

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux is asked for urgency")


def urgently(what: Callable[[], object], make_urgent: Callable[[], object]) -> None:
    """In a thread that is urgent and ends with it; skips where the system does not allow one."""
    with ThreadPoolExecutor(1) as thread:
        try:
            thread.submit(make_urgent).result()
        except PermissionError:
            pytest.skip("this system lets nobody here be urgent")
        thread.submit(what).result()


def real_time() -> None:
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(ROUND_ROBIN))


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)


def test_a_child_of_real_time_is_as_any_other() -> None:
    def start() -> None:
        with sleeper() as child:
            assert os.sched_getscheduler(child.pid) == os.SCHED_RR, "inherited"
            reset_priority(child.pid)
            assert os.sched_getscheduler(child.pid) == os.SCHED_OTHER
            child.kill()
        assert os.sched_getscheduler(0) == os.SCHED_RR, "who started it stays urgent"

    urgently(start, real_time)


def test_a_child_of_the_raised_is_as_any_other() -> None:
    def start() -> None:
        with sleeper() as child:
            assert os.getpriority(os.PRIO_PROCESS, child.pid) == -5, "inherited"
            reset_priority(child.pid)
            assert os.getpriority(os.PRIO_PROCESS, child.pid) == 0
            child.kill()

    urgently(start, lambda: os.setpriority(os.PRIO_PROCESS, 0, -5))


def test_one_that_asks_for_less_keeps_it_and_one_that_is_over_is_no_trouble() -> None:
    with sleeper() as child:
        os.setpriority(os.PRIO_PROCESS, child.pid, 19)
        reset_priority(child.pid)
        assert os.getpriority(os.PRIO_PROCESS, child.pid) == 19
        child.kill()
    reset_priority(child.pid)
