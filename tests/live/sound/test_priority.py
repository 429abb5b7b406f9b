"""Scheduling priority: processes that the sound process starts must not inherit its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from live.sound.priority import ROUND_ROBIN, raise_priority, reset_priority

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="priorities are set on Linux alone")


def at_priority(function: Callable[[], object], raise_thread: Callable[[], object]) -> None:
    """Run the function in a thread of raised priority, which then ends; skips where the system does not allow one."""
    with ThreadPoolExecutor(1) as thread:
        try:
            thread.submit(raise_thread).result()
        except PermissionError:
            pytest.skip("this system does not allow a raised priority")
        thread.submit(function).result()


def make_real_time() -> None:
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(ROUND_ROBIN))


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)


def test_child_of_a_real_time_thread_gets_ordinary_priority() -> None:
    def start() -> None:
        with sleeper() as child:
            assert os.sched_getscheduler(child.pid) == os.SCHED_RR, "inherited"
            reset_priority(child.pid)
            assert os.sched_getscheduler(child.pid) == os.SCHED_OTHER
            child.kill()
        assert os.sched_getscheduler(0) == os.SCHED_RR, "the starting thread keeps its priority"

    at_priority(start, make_real_time)


def test_child_of_a_raised_thread_gets_ordinary_priority() -> None:
    def start() -> None:
        with sleeper() as child:
            assert os.getpriority(os.PRIO_PROCESS, child.pid) == -5, "inherited"
            reset_priority(child.pid)
            assert os.getpriority(os.PRIO_PROCESS, child.pid) == 0
            child.kill()

    at_priority(start, lambda: os.setpriority(os.PRIO_PROCESS, 0, -5))


def test_lower_priority_is_kept_and_an_ended_process_is_ignored() -> None:
    with sleeper() as child:
        os.setpriority(os.PRIO_PROCESS, child.pid, 19)
        reset_priority(child.pid)
        assert os.getpriority(os.PRIO_PROCESS, child.pid) == 19
        child.kill()
    reset_priority(child.pid)


def test_only_the_thread_itself_is_raised_and_not_what_it_starts() -> None:
    def raise_and_start() -> None:
        if raise_priority() != "real-time":
            pytest.skip("this system does not allow a raised priority")
        with ThreadPoolExecutor(1) as other:
            assert other.submit(os.sched_getscheduler, 0).result() == os.SCHED_OTHER
        assert os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK == os.SCHED_RR

    with ThreadPoolExecutor(1) as thread:
        thread.submit(raise_and_start).result()
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_a_thread_that_computes_without_end_is_lowered_and_nothing_ends() -> None:
    code = """
import os, time
from live.sound.priority import prepare_process, raise_priority
prepare_process()
if raise_priority() == "real-time":
    end = time.process_time() + 3
    while os.sched_getscheduler(0) != os.SCHED_OTHER and time.process_time() < end:
        pass
print(os.sched_getscheduler(0))
"""
    house = str(Path(__file__).resolve().parents[3])
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": house}, stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout.split()) == (0, [b"0"])
