"""What the outputs' tests share: a StageManager that is never started."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from live.manage.stage_manager import StageManager
from live.process.fork_server import start_forkserver
from live.show.show_file import Cue, Show


@pytest.fixture(autouse=True, scope="module")
def forkserver() -> None:
    start_forkserver(["numpy"])


@pytest.fixture
def manager() -> Iterator[StageManager]:
    made = StageManager(Show("x", (Cue("one", "safe"),)), "", "", stage_bytes=3 * 64 * 64)
    yield made
    made.stop()
