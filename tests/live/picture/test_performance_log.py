"""What was not measured is None in the report and on screen, and never 0."""

from __future__ import annotations

from live.picture.performance_log import PerformanceLog
from live.process.stage_picture import FrameKind

from .engine_rig import Rig


def test_rates_and_gaps_of_too_few_pictures_are_not_measured() -> None:
    log = PerformanceLog(lambda event: None)
    log.present(FrameKind.SAFE, 1.0, 1.0, -1)
    assert (log.recent_fps(1.0), log.fps(), log.longest_gap_ms, log.presented) == (None, None, None, 0)
    log.present(FrameKind.GENERATED, 1.0, 1.1, 0)
    assert (log.recent_fps(1.1), log.fps(), log.longest_gap_ms) == (0.0, None, None)
    log.present(FrameKind.GENERATED, 1.1, 1.2, 1)
    assert (log.recent_fps(1.2), log.fps(), log.longest_gap_ms) == (10.0, 10.0, 100.0)
    assert log.recent_fps(60.0) == 0.0, "none comes any more"


def test_an_engine_whose_source_gives_nothing_reports_no_figures(rig: Rig) -> None:
    metrics, video = rig.engine.metrics(), rig.engine.report()["video"]
    assert (metrics.fps, metrics.longest_gap_ms, metrics.face_lost_frames) == (None, None, None)
    assert [key for key in ("fps", "longest_gap", "face_lost_frames") if video[key] is not None] == []  # type: ignore[literal-required]
    assert video["frames_captured"] == 0
