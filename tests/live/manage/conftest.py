"""A StageManager with engines that are real processes and misbehave on command (fake_engine.py)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from live.manage.stage_manager import StageManager
from live.process.fork_server import start_forkserver
from live.show.show_file import Cue, Show
from tests.live.manage.conditions import performs, start_times_s, until

FAKE = "tests.live.process.fake_engine:main"
Make = Callable[..., StageManager]


@pytest.fixture(scope="module")
def forkserver() -> None:
    start_forkserver(["numpy"])


@pytest.fixture
def make(tmp_path: Path, forkserver: None) -> Iterator[Make]:
    """Starts a StageManager for cues whose looks have these names, and waits until its first cue is on stage."""
    managers: list[StageManager] = []

    def start(*looks: str, loop: bool = False, wait: bool = True, settings: str = "", **others: object) -> StageManager:
        cues = tuple(look if isinstance(look, Cue) else Cue(look, look) for look in looks)
        show = Show("test", cues, loop=loop)
        manager = StageManager(
            show,
            settings or str(tmp_path / "misbehaved"),
            str(tmp_path / "sound misbehaved"),
            picture_engine=FAKE,
            sound_engine=FAKE,
            stage_bytes=12 * 16 * 3,
            preview_bytes=12 * 16 * 3,
            **others,  # type: ignore[arg-type]
        )
        managers.append(manager)
        began = time.monotonic()
        manager.start()
        if wait:
            assert until(lambda: performs(manager, manager.state.on_stage)), manager.state
            start_times_s[manager] = time.monotonic() - began
        return manager

    yield start
    for manager in managers:
        manager.stop()


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets time pass for the debouncer, and only so."""
    at = [100.0]
    monkeypatch.setattr("live.manage.debounce.now", lambda: at[0])

    def advance(seconds: float) -> None:
        at[0] += seconds

    return advance
