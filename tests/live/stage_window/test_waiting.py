"""Windows that were left alone: who finds them, and who does not; and who counts as silent."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from live.process.silent_time import MAX_TICK_S, SilentTime
from live.stage_window import waiting
from live.stage_window.link import MessageLink
from live.stage_window.messages import ShowSafe, StageMessage, Waiting
from live.stage_window.waiting import VERSION, WaitingPlace, display_name, find_waiting, runtime_folder


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short: a Unix socket's path may not be long."""
    with tempfile.TemporaryDirectory(prefix="guise-") as short:
        yield Path(short) / "run"


@pytest.fixture
def window(folder: Path) -> Iterator[Callable[[StageMessage], list[MessageLink]]]:
    """Starts a window that greets whoever comes with this message; returns the links of those who came."""
    over = threading.Event()
    threads: list[threading.Thread] = []
    links: list[MessageLink] = []

    def begin(greeting: StageMessage) -> list[MessageLink]:
        place = WaitingPlace(folder)

        def greet() -> None:
            while not over.wait(0.01):
                if (link := place.accept()) is not None:
                    links.append(link)
                    link.send(greeting)
            place.close()

        threads.append(threading.Thread(target=greet))
        threads[-1].start()
        return links

    yield begin
    over.set()
    for thread in threads:
        thread.join()
    for link in links:
        link.close()


def test_a_window_of_this_display_is_found(folder: Path, window: Callable[[StageMessage], list[MessageLink]]) -> None:
    window(Waiting(VERSION, display_name(), "HDMI-1"))
    found = find_waiting(folder)
    assert found is not None
    assert found.on_screen == "HDMI-1"
    assert found.pid in (None, os.getpid())
    found.link.close()


@pytest.mark.parametrize(
    "greeting", [Waiting(VERSION, "another display", None), Waiting(VERSION + 1, display_name(), None), ShowSafe(True)]
)
def test_another_display_another_version_and_no_window_are_left_alone(
    folder: Path, window: Callable[[StageMessage], list[MessageLink]], greeting: StageMessage
) -> None:
    links = window(greeting)
    assert find_waiting(folder) is None
    assert len(links) == 1


def test_nothing_is_found_where_nothing_waits_and_the_dead_are_removed(folder: Path) -> None:
    assert find_waiting(folder) is None
    folder.mkdir(mode=0o700)
    assert find_waiting(folder) is None
    dead = folder / "stage-1.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(dead))
    assert find_waiting(folder) is None
    assert not dead.exists()


def test_silent_windows_cost_the_time_of_one(
    folder: Path, window: Callable[[StageMessage], list[MessageLink]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "_GREETING_S", 60.0)
    folder.mkdir(mode=0o700)
    silent = []
    for number in range(5):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(folder / f"stage-0{number}.sock"))
        listener.listen(1)
        silent.append(listener)
    window(Waiting(VERSION, display_name(), "HDMI-1"))
    found = find_waiting(folder)
    assert found is not None, "the silent ones, which come first, kept the one that answers from being found"
    found.link.close()
    for listener in silent:
        listener.close()


def test_a_folder_that_others_may_enter_is_not_used(folder: Path) -> None:
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    with pytest.raises(PermissionError, match="only this user"):
        WaitingPlace(folder)
    elsewhere = folder.with_name("elsewhere")
    elsewhere.mkdir(mode=0o700)
    folder.rmdir()
    folder.symlink_to(elsewhere)
    with pytest.raises(PermissionError):
        WaitingPlace(folder)
    assert find_waiting(folder) is None


def test_another_users_connection_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = WaitingPlace(folder)
    with socket.socket(socket.AF_UNIX) as visitor:
        visitor.connect(str(folder / f"stage-{os.getpid()}.sock"))
        monkeypatch.setattr(waiting.os, "getuid", lambda: 12345)
        assert place.accept() is None
    monkeypatch.undo()
    place.close()
    assert not folder.exists(), "nothing is left behind"


def test_where_windows_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GUISE_RUNTIME_DIR")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    assert runtime_folder() == Path("/run/user/1000/guise")
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert runtime_folder() == Path(tempfile.gettempdir(), f"guise-{os.getuid()}")


def test_a_machine_that_stood_still_makes_nobody_silent() -> None:
    at = [100.0]
    silent = SilentTime(lambda: at[0])
    for _ in range(10):
        at[0] += 0.05
        silent.tick()
    assert silent.seconds == pytest.approx(0.5)
    at[0] += 3600.0
    silent.tick()
    assert silent.seconds == pytest.approx(0.5 + MAX_TICK_S)
    silent.reset()
    assert silent.seconds == 0.0
