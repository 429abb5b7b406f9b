"""Engine processes: messages both ways, and what happens when an engine or its parent is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from live.process.engine_link import EngineLink
from live.process.engine_process import EngineProcess
from live.process.fork_server import kill_forkserver, start_forkserver, stop_forkserver
from live.process.messages import Event, Fault, Finished, Go, Heartbeat, Note, Panic, Prepare, Ready, Stop
from live.process.metrics import PictureMetrics

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True, scope="module")
def forkserver() -> None:
    start_forkserver(["numpy"])


@pytest.fixture
def engine() -> Iterator[Callable[..., EngineProcess]]:
    started: list[EngineProcess] = []

    def start(entry: str, *arguments: object) -> EngineProcess:
        process = EngineProcess("test", f"tests.live.process.{entry}", arguments)
        started.append(process)
        process.start()
        return process

    yield start
    for process in started:
        process.kill()


def until(condition: Callable[[], bool], timeout_s: float = 10.0) -> bool:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.005)
    return condition()


def collect(process: EngineProcess, kind: type, timeout_s: float = 10.0) -> list[Event]:
    """The events up to and with the first of this kind."""
    found: list[Event] = []

    def arrived() -> bool:
        found.extend(process.events())
        return any(isinstance(event, kind) for event in found)

    assert until(arrived, timeout_s), found
    return found


# ---- engines that run in the processes


def echo(link: EngineLink) -> None:
    """Sends every command back as a note; ends on Stop."""
    while not link.closed:
        for command in link.poll():
            link.send(Note(repr(command)))
            if isinstance(command, Stop):
                link.send(Finished("stopped", {"video": {"fps": 1.0}}))
                return
        link.wait(0.5)


def flood(link: EngineLink) -> None:
    """Sends far more than a pipe holds without waiting, then a note with the time of its twentieth-slowest send: a busy
    machine delays a few, waiting for the reader would delay a hundred and more."""
    took = []
    for number in range(5000):
        began = time.perf_counter()
        link.send(Heartbeat(float(number), PictureMetrics(camera="x" * 2000)))
        took.append(time.perf_counter() - began)
    link.send(Note(f"{sorted(took)[-20]}"))
    link.flush(10.0)


def hang(link: EngineLink) -> None:
    """A loop that hangs and reads nothing."""
    link.send(Note("hanging"))
    time.sleep(300)


def raise_error(link: EngineLink) -> None:
    raise KeyError("nothing\nthere")


def die(link: EngineLink) -> None:
    link.send(Note("about to"))
    link.flush(1.0)
    os.kill(os.getpid(), signal.SIGKILL)


def hold_pythons_lock(link: EngineLink) -> None:
    """A library that never releases Python's lock, with the watchdog set to a few seconds."""
    import ctypes

    import live.process.engine_link

    live.process.engine_link._MAX_HELD_LOCK_S = 2.5
    time.sleep(2.2)  # the watchdog is restarted every two seconds
    link.send(Note("holding"))
    link.flush(1.0)
    ctypes.PyDLL(None).sleep(300)


# ---- with a living parent


def test_commands_and_events_cross_in_order(engine: Callable[..., EngineProcess]) -> None:
    process = engine("test_engine_process:echo")
    commands = [Prepare("a.onnx"), Go(1, "a.onnx", 0.5, {"sound/pitch": -3.0}), Panic(True)]
    for command in commands:
        process.send(command)
    notes: list[str] = []

    def all_arrived() -> bool:
        notes.extend(event.text for event in process.events() if isinstance(event, Note))
        return len(notes) >= 3

    assert until(all_arrived)
    assert notes == [repr(command) for command in commands]
    assert process.alive
    assert process.stop(5.0)
    assert not process.alive
    assert process.events()[-1] == Finished("stopped", {"video": {"fps": 1.0}})


def test_sending_never_waits_for_a_reader(engine: Callable[..., EngineProcess]) -> None:
    process = engine("test_engine_process:flood")
    events: list[Event] = []

    def note_arrived() -> bool:
        events.extend(process.events())
        return any(isinstance(event, Note) for event in events)

    assert until(note_arrived, 20.0)
    (slow,) = (float(event.text) for event in events if isinstance(event, Note))
    assert slow < 0.2
    sent_at = [event.at for event in events if isinstance(event, Heartbeat)]
    assert sent_at == sorted(sent_at), "old heartbeats may be lost, their order not"


def test_sending_to_a_hanging_engine_never_waits_and_stop_kills_it(engine: Callable[..., EngineProcess]) -> None:
    process = engine("test_engine_process:hang")
    collect(process, Note)
    began = time.monotonic()
    for _ in range(2000):
        process.send(Prepare("x" * 2000))
    assert time.monotonic() - began < 5.0, "it hangs for five minutes"
    assert not process.stop(0.3)
    assert time.monotonic() - began < 15.0
    assert not process.alive


def test_an_exception_becomes_a_fault_of_one_line(
    engine: Callable[..., EngineProcess], capfd: pytest.CaptureFixture[str]
) -> None:
    process = engine("test_engine_process:raise_error")
    (fault,) = (event for event in collect(process, Fault) if isinstance(event, Fault))
    assert fault.what.startswith("KeyError: 'nothing\\nthere' (test_engine_process.py:")
    assert until(lambda: not process.alive)
    assert "Traceback" not in capfd.readouterr().err


def test_a_death_is_seen_at_once(engine: Callable[..., EngineProcess]) -> None:
    process = engine("test_engine_process:die")
    collect(process, Note)
    assert until(lambda: not process.alive, 5.0)
    process.kill()


def test_on_change_is_called_for_every_event_and_for_the_end() -> None:
    called_at: list[float] = []
    process = EngineProcess(
        "test", "tests.live.process.test_engine_process:echo", (), lambda: called_at.append(time.monotonic())
    )
    process.start()
    process.send(Panic(True))
    assert until(lambda: len(called_at) == 1)
    assert process.stop()
    assert len(called_at) >= 3  # Panic's note, Stop's note and Finished, then the end


def test_the_fake_engine_prepares_and_sends_heartbeats(engine: Callable[..., EngineProcess]) -> None:
    process = engine("fake_engine:main", "")
    process.send(Prepare("a"))
    events = collect(process, Ready) + collect(process, Heartbeat)
    assert Ready in map(type, events)
    assert process.last_heartbeat is not None


def test_pythons_lock_held_for_ever_ends_the_engine(engine: Callable[..., EngineProcess]) -> None:
    process = engine("test_engine_process:hold_pythons_lock")
    collect(process, Note)
    assert until(lambda: not process.alive, 15.0)


# ---- with a parent that is killed

PARENT = """
import signal, sys, time
from live.process.engine_process import EngineProcess
from live.process.fork_server import start_forkserver
def main():
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it in what it runs in the background
    start_forkserver(["numpy"])
    from live.process.shared_frames import SharedFrames
    frames = SharedFrames.create(100)
    engines = [EngineProcess(e, "tests.live.process." + e, a) for e, a in (
        ("test_engine_process:echo", ()), ("test_engine_process:hang", ()),
        ("fake_engine:main", ("", frames.handle)))]
    for engine in engines: engine.start()
    try:
        print(frames.layout.name, *(engine.pid for engine in engines), flush=True)  # from here on Ctrl-C may come
        while True: time.sleep(0.1)
    except KeyboardInterrupt:
        for engine in engines: engine.stop(0.5)
        frames.close(); frames.unlink()
        print("stopped", flush=True)
if __name__ == "__main__": main()
"""


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()


def running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="the fork server and /dev/shm exist on Linux alone")
def test_nothing_outlives_a_killed_parent(parent: subprocess.Popen[str]) -> None:
    assert parent.stdout is not None
    name, *pids = parent.stdout.readline().split()
    block = Path("/dev/shm", name.lstrip("/"))
    family = {child.pid for child in psutil.Process(parent.pid).children(recursive=True)}
    assert {int(pid) for pid in pids} <= family
    assert len(family) >= 5, "three engines, the fork server, the resource tracker"
    assert block.exists()
    parent.kill()
    assert until(lambda: not any(running(pid) for pid in family), 20.0)
    assert not block.exists()
    assert not [left for left in os.listdir("/dev/shm") if left.startswith("sem.mp-") and str(parent.pid) in left]


@pytest.mark.skipif(sys.platform == "win32", reason="process groups")
def test_ctrl_c_reaches_the_parent_alone_and_nothing_is_printed(parent: subprocess.Popen[str]) -> None:
    assert parent.stdout is not None
    parent.stdout.readline()
    family = {child.pid for child in psutil.Process(parent.pid).children(recursive=True)}
    os.killpg(parent.pid, signal.SIGINT)
    out, err = parent.communicate(timeout=60)
    assert "stopped" in out
    assert err == ""
    assert parent.returncode == 0
    assert until(lambda: not any(running(pid) for pid in family), 20.0)


def test_a_stopped_engine_is_killed_though_its_fork_server_is_gone(engine: Callable[..., EngineProcess]) -> None:
    process = engine("test_engine_process:hang")
    collect(process, Note)
    pid = process.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    kill_forkserver()  # multiprocessing takes its children for dead from now on
    try:
        process.kill()
        assert until(lambda: not running(pid))
    finally:
        stop_forkserver()
        start_forkserver(["numpy"])
