"""What the StageManager's tests wait for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from live.manage.debounce import DOUBLE_PRESS_S
from live.manage.snapshot import EngineState
from live.manage.stage_manager import StageManager

start_times_s: WeakKeyDictionary[StageManager, float] = WeakKeyDictionary()
"""How long the first start of both engines took, on this machine as busy as it is."""


def until(condition: Callable[[], object], timeout_s: float = 20.0) -> bool:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.005)
    return bool(condition())


def recovery_limit_s(manager: StageManager) -> float:
    """The time within which an engine must be back: 2 s, more on a machine that took longer for the first start."""
    return max(2.0, 3 * start_times_s[manager])


def performs(manager: StageManager, cue: int | None) -> bool:
    """Both engines report that they perform this cue."""
    state = manager.state
    cues = [getattr(engine.metrics, "cue", None) for engine in (state.picture, state.sound)]
    return cue is not None and cues == [cue, cue]


def pid_of(engine: EngineState[Any]) -> int:
    """The process of a fake engine."""
    return int(getattr(engine.metrics, "pid", 0))


def statuses(manager: StageManager) -> list[str]:
    return [cue.status for cue in manager.state.cues]


def all_settled(manager: StageManager) -> bool:
    """Every cue is ready or refused."""
    return all(status in ("ready", "refused") for status in statuses(manager))


def pause() -> None:
    """Wait until the next press counts as a press of its own."""
    time.sleep(DOUBLE_PRESS_S + 0.05)
