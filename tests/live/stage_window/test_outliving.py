"""What the audience sees while the operator's process is killed, stopped or hung: the safe picture, nothing raw.

Real processes. The camera's every pixel carries a mark and the cue shows it raw, so that whatever reaches the window's
own pixels is seen.

    python -m pytest -m slow tests/live/stage_window/test_outliving.py        with the true half minute
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.live.stage_window.operator_rig import ROOT, OperatorRun, runs, until
from tests.machine import Machine

SAFE_WITHIN_S = 1.5
Start = Callable[..., OperatorRun]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts an operator's process and waits until the audience sees its camera, after the time given."""
    started: list[OperatorRun] = []
    with tempfile.TemporaryDirectory(prefix="guise-") as short:  # a Unix socket's path may not be long

        def begin(end_after_s: float = 60.0, since: float = 0.0) -> OperatorRun:
            run = OperatorRun(tmp_path / f"operator{len(started)}", Path(short) / "run", end_after_s)
            started.append(run)
            assert run.performs(since), run.log.read_text()
            return run

        yield begin
        for run in started:
            run.end()


def assert_safe_soon(run: OperatorRun, since: float, machine: Machine) -> float:
    """The safe picture is there in time, and from then on nothing else. Returns when it was seen first."""
    assert until(lambda: run.sees("safe", since)), run.looks(since)[-5:]
    time.sleep(0.5)
    seen = run.looks(since)
    first = next(look.at for look in seen if look.seen == "safe")
    raw = [look.at - since for look in seen if look.seen != "safe" and look.at > since + SAFE_WITHIN_S]
    assert not [at for at in raw if at > SAFE_WITHIN_S + 3 * machine.worst_s()], raw
    return first


def test_a_stopped_or_hung_operator_is_replaced_by_the_safe_picture_and_returns(start: Start) -> None:
    run = start()
    with Machine() as machine:
        stopped = run.signal(signal.SIGSTOP)
        first = assert_safe_soon(run, stopped, machine)
        continued = run.signal(signal.SIGCONT)
        assert all(look.seen == "safe" for look in run.looks(first) if look.at < continued)
        assert run.performs(after=continued)
        for word in ("block", "hold"):
            hung = run.command(word)
            first = assert_safe_soon(run, hung, machine)
            assert run.performs(after=first), "the picture did not return"
    assert run.faults == []
    assert run.state["drawn"], "the window tells how long pictures take"


def test_a_panic_is_safe_also_without_an_operator_and_ends_with_it(start: Start) -> None:
    run = start()
    with Machine() as machine:
        first = assert_safe_soon(run, run.command("panic"), machine)
        run.signal(signal.SIGSTOP)
        time.sleep(1.5)
        continued = run.signal(signal.SIGCONT)
        time.sleep(0.5)
        assert all(look.seen == "safe" for look in run.looks(first))
        run.command("panic")
    assert run.performs(after=continued)


def leaves_nothing(run: OperatorRun, end_after_s: float) -> None:
    """Kills the operator's process; the audience sees the safe picture, and then nothing is left."""
    family, memory = run.family(), Path("/dev/shm", str(run.state["memory"]).lstrip("/"))
    assert memory.exists()
    with Machine() as machine:
        killed = run.signal(signal.SIGKILL)
        run.process.wait()
        first = assert_safe_soon(run, killed, machine)
    window = psutil.Process(run.window)
    others = [process for process in family if process.pid != window.pid]
    assert until(lambda: not any(map(runs, others))), "the window keeps nothing else alive"
    assert until(lambda: not memory.exists())
    assert until(lambda: not runs(window), end_after_s + 60)
    seen = run.looks(first)
    assert {look.seen for look in seen} == {"safe"}
    assert end_after_s - 1.5 < seen[-1].at - killed
    assert not list(run.runtime.glob("*.sock"))
    assert not list(run.temporary.glob("pymp-*"))
    if not [process for process in family if runs(process)]:
        return
    raise AssertionError(f"left: {family}")


def test_a_killed_operator_leaves_the_safe_picture_and_then_nothing(start: Start) -> None:
    leaves_nothing(start(end_after_s=4.0), 4.0)


@pytest.mark.slow
def test_35_s_after_a_kill_nothing_is_left(start: Start) -> None:
    run = start(end_after_s=30.0)
    killed = time.monotonic()
    with Machine() as machine:
        leaves_nothing(run, 30.0)
    assert time.monotonic() - killed < 35.0 + 3 * machine.worst_s()


@pytest.mark.slow
def test_guise_live_itself_leaves_nothing(tmp_path: Path) -> None:
    """The demo show with both windows, killed."""
    with tempfile.TemporaryDirectory(prefix="guise-") as short:
        runtime, temporary = Path(short, "run"), Path(short, "t")
        temporary.mkdir()
        environment = dict(os.environ, PYTHONPATH=str(ROOT), TMPDIR=str(temporary), GUISE_RUNTIME_DIR=str(runtime))
        environment["HOME"] = str(tmp_path)
        live = subprocess.Popen(
            [sys.executable, "-m", "guise", "live", "--mic", "none", "--speaker", "none"], env=environment
        )
        try:
            ours = psutil.Process(live.pid)
            assert until(lambda: len(ours.children(recursive=True)) == 5), "tracker, fork server, engines, stage window"
            memory = {Path(mapped.path) for mapped in ours.memory_maps() if "/guise-" in mapped.path}
            assert len(memory) == 2
            family = ours.children(recursive=True)
        finally:
            live.kill()
            live.wait()
        killed = time.monotonic()
        with Machine() as machine:
            assert until(lambda: list(runtime.glob("*.sock"))), "the window waits to be taken over"
            assert until(lambda: not any(map(runs, family)))
        assert time.monotonic() - killed < 35.0 + 3 * machine.worst_s()
        assert not any(path.exists() for path in memory)
        assert not list(runtime.glob("*"))
        assert not list(temporary.glob("pymp-*"))


def test_the_next_operator_takes_the_window_over_in_place(start: Start) -> None:
    before = start()
    window = before.window
    killed = before.signal(signal.SIGKILL)
    before.process.wait()
    assert until(lambda: before.sees("safe", killed))
    safe = next(look.at for look in before.looks(killed) if look.seen == "safe")
    after = start(since=safe)
    assert after.window == window
    assert after.state["taken_over"]
    assert not list(after.runtime.glob("*.sock")), "a window that is attended to waits for nobody"
    seen = {look.seen for look in after.looks(safe)}
    assert seen == {"safe", "mark"}, "the window was never away"
    after.command("end")
    assert until(lambda: after.process.poll() is not None)
    assert until(lambda: not psutil.pid_exists(window) or not runs(psutil.Process(window)))


def test_an_operator_that_wakes_up_too_late_has_no_window_any_more(start: Start) -> None:
    before = start()
    window = before.window
    stopped = before.signal(signal.SIGSTOP)
    assert until(lambda: before.sees("safe", stopped))
    after = start(since=next(look.at for look in before.looks(stopped) if look.seen == "safe"))
    assert after.window == window
    before.signal(signal.SIGCONT)
    assert until(lambda: before.state["lost"])
    time.sleep(1.0)
    assert before.window == window, "it has started no other"
    assert [what for what, _ in before.faults] == ["was taken over by another Guise"], "and no engine is blamed"
    assert after.performs(after=time.monotonic())
    before.command("end")
    assert until(lambda: before.process.poll() is not None)
    assert runs(psutil.Process(window)), "an operator that has lost the window does not close it"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_window_that_dies_or_hangs_is_started_anew(start: Start, number: signal.Signals) -> None:
    run = start()
    window = run.window
    psutil.Process(window).send_signal(number)
    assert until(lambda: run.window not in (0, window))
    assert run.performs()
    assert until(lambda: run.faults and run.faults[0][1] is not None)
    (what, _), *others = run.faults
    assert what.endswith("it is started anew")
    assert not others
    assert not psutil.pid_exists(window) or not runs(psutil.Process(window))
