"""What the operator's window shows of the show's state, and what it stores."""

from __future__ import annotations

from pathlib import Path

import pytest
from PyQt5.QtCore import Qt
from pytestqt.qtbot import QtBot

from live.manage.health import Health
from live.manage.model_status import ModelProgress
from live.manage.snapshot import EngineState
from live.manage.sync import SyncState
from live.operator.meters import Meters, _Tile
from live.operator.settings_store import SettingsStore
from live.process.engine_kind import EngineKind
from live.process.metrics import Percentiles, PictureMetrics
from live.process.stage_picture import FrameKind
from live.stage_window.messages import Present, Staleness
from live.stage_window.presentation import Fit, Presentation
from tests.live.operator.fake_stage_manager import cue, fault, note, picture, sound
from tests.live.operator.ui import Ui, log_lines, press


def test_mirror_rotation_and_fit_are_stored_at_once(qtbot: QtBot, ui: Ui) -> None:
    press(qtbot, Qt.Key.Key_M)
    press(qtbot, Qt.Key.Key_R)
    press(qtbot, Qt.Key.Key_F)
    wanted = Presentation(mirror=True, rotation=90, fit=Fit.COVER)
    assert ui.stage.presentation == wanted
    assert ui.process.commands[-1] == Present(True, 90, "cover")
    assert SettingsStore(ui.settings).presentation == wanted, "a crash now would have reset it"


def test_a_spoilt_settings_file_counts_as_none(tmp_path: Path) -> None:
    file = tmp_path / "settings.ini"
    file.write_text("[stage]\nrotation=17\nfit=sideways\nmirror=perhaps\n[operator]\ngeometry=nonsense\n")
    settings = SettingsStore(file)
    assert settings.presentation == Presentation()
    assert settings.read_bytes("operator/geometry") is None


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (FrameKind.GENERATED, "ON STAGE  1 porcelain"),
        (FrameKind.HELD, "FACE LOST"),
        (FrameKind.SAFE, "SAFE PICTURE"),
        (FrameKind.BYPASS, "BYPASS: THE CAMERA"),
    ],
)
def test_the_output_says_what_the_audience_sees(qtbot: QtBot, ui: Ui, kind: FrameKind, status: str) -> None:
    ui.process.answers.append(Staleness(False))
    qtbot.waitUntil(lambda: not ui.stage.stale)
    ui.window.show_stage_picture(picture(0, kind))
    assert ui.window.output.status == status


def test_the_list_says_why_a_cue_is_refused(qtbot: QtBot, ui: Ui) -> None:
    cues = (cue(0, "a"), cue(1, "b", "refused", "is truncated"), cue(2, "c", "loading"), cue(3, "d", "unloaded"))
    ui.manager.become(cues=cues, standby=1)
    qtbot.waitUntil(lambda: len(ui.window.cue_list.cues.rows) == 4)
    assert [row.status for row in ui.window.cue_list.cues.rows] == [
        ModelProgress.READY,
        ModelProgress.REFUSED,
        ModelProgress.LOADING,
        ModelProgress.UNLOADED,
    ]
    assert ui.window.go_panel.next_status.toolTip() == "Refused: is truncated"
    ui.window.grab()  # every way to draw a row is drawn


def test_the_newest_fault_is_on_top_and_shown_once(qtbot: QtBot, ui: Ui) -> None:
    faults = (fault(1, "camera", "is gone", 2.0), fault(5, "microphone", "is gone"))
    ui.manager.become(faults=faults, notes=(note(1, "camera: is gone"), note(9, "fell back to CPU")))
    qtbot.waitUntil(lambda: ui.window.log.count() == 3)
    lines = [line.split("   ")[1] for line in log_lines(ui.window.log)]
    assert lines == ["Fell back to CPU", "Microphone: is gone", "Camera: is gone  (mended after 2.0 s)"]


def texts(meters: Meters) -> dict[str, str]:
    """The text of each tile, by its caption."""
    return {tile.caption: tile.text for tile in meters.findChildren(_Tile)}


def tool_tips(meters: Meters) -> dict[str, str]:
    """The tool tip of each tile, by its caption."""
    return {tile.caption: tile.toolTip() for tile in meters.findChildren(_Tile)}


def test_meters_show_the_metrics_and_a_dash_for_what_is_not_measured(qtbot: QtBot, ui: Ui) -> None:
    latency: Percentiles = {"p50": 20.4, "p95": 31.0, "p99": None, "max": None}
    metrics = PictureMetrics(fps=29.97, latency_ms=latency, provider="CPU")
    ui.manager.become(picture=EngineState(EngineKind.PICTURE, Health.PERFORMING, 0.1, 0, metrics))
    qtbot.waitUntil(lambda: texts(ui.window.meters)["fps"] == "30.0")
    assert texts(ui.window.meters)["p50 · p95 · p99 ms"] == "20 · 31 · –"
    assert texts(ui.window.meters)["xruns"] == "–"
    ui.manager.become(sound=sound(latency_ms=47.2, xruns=2), sync=SyncState(-12.4, 30.0, 0.0))
    qtbot.waitUntil(lambda: texts(ui.window.meters)["xruns"] == "2")
    shown_texts, tips = texts(ui.window.meters), tool_tips(ui.window.meters)
    shown = {caption: shown_texts[caption] for caption in ("sound ms", "drift ppm", "missed", "lips ms")}
    assert shown == {"sound ms": "47", "drift ppm": "+12", "missed": "0", "lips ms": "-12"}
    assert "voice: 37.8 ms" in tips["sound ms"]
    assert "microphone" not in tips["sound ms"].split("\n", 1)[1], "a part that is nothing"
    assert "the picture waits 30 ms, the sound 0 ms" in tips["lips ms"]
