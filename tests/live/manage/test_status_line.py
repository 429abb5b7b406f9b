"""The sound in the status line of `guise live --headless`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from live.manage.health import Health
from live.manage.report import build_report
from live.manage.snapshot import EngineState, StageState
from live.manage.status_line import status_text, summary
from live.process.engine_kind import EngineKind
from live.process.metrics import PictureMetrics, SoundMetrics


def state(**metrics: Any) -> StageState:
    cue = SimpleNamespace(name="porcelain")
    return StageState(
        "show", Path("show.toml"), None, (cue,), 0, None, None, False,
        EngineState(EngineKind.PICTURE, Health.PERFORMING, 0.1, 0, PictureMetrics()),
        EngineState(EngineKind.SOUND, Health.PERFORMING, 0.1, 0, SoundMetrics(**metrics)),
        (), (), None, 3.0,
    )  # type: ignore[arg-type]  # fmt: skip


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        ({"voice": "child", "latency_ms": 68.83, "xruns": 0, "deadline_misses": 0}, "child 69 ms"),
        ({"voice": "/show/voices/lj.onnx", "latency_ms": 71.0}, "lj 71 ms"),
        ({"voice": "C:\\show\\voices\\lj.onnx", "latency_ms": 71.0, "mute": True}, "lj 71 ms, muted"),
        ({"voice": "giant", "latency_ms": 70.0, "xruns": 2, "deadline_misses": 5}, "giant 70 ms, 2 xruns, 5 missed"),
        ({"voice": None, "latency_ms": 70.0}, "no voice 70 ms"),
    ],
)
def test_the_sound_is_one_short_part_of_the_line(metrics: dict[str, Any], expected: str) -> None:
    assert status_text(state(**metrics)).endswith(f"porcelain  {expected}")


def test_a_thread_that_hangs_is_said() -> None:
    assert status_text(replace(state(), hanging=("audience",))).endswith("porcelain  audience HANGS")


@pytest.mark.parametrize("metrics", [{}, {"voice": "bypass", "latency_ms": None, "xruns": 0}])
def test_without_a_microphone_there_is_no_sound_part(metrics: dict[str, Any]) -> None:
    assert status_text(state(**metrics)).endswith("porcelain")


def test_the_summary_has_the_sound_where_there_was_one() -> None:
    silent = build_report() | {"start": {"first_frame": 2000.0}}
    assert "sound" not in summary(silent)
    report = build_report(sound={"audio": {"latency": 68.8, "xruns": 1, "deadline_misses": 0}})
    assert "sound 68.8 ms late, 1 xruns, 0 blocks missed" in summary(report | {"start": {"first_frame": 2000.0}})
