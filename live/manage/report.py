"""Merges the parts of a performance's report and writes it.

May be called from any thread and process. The picture engine and the sound engine each send their part when they end;
the StageManager adds switches, faults and notes, the Audience what was presented.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from live.process.metrics import no_percentiles
from live.process.report import (
    REPORT_VERSION,
    AudioReport,
    EngineReport,
    FaultReport,
    PresentedReport,
    Report,
    SwitchReport,
    SyncReport,
    VideoReport,
)


def empty_report() -> Report:
    """A report with every key and no measurement."""
    return {
        "version": REPORT_VERSION,
        "video": {
            "frames_captured": None,
            "frames_presented": None,
            "frames_dropped": None,
            "fps": None,
            "provider": None,
            "latency": no_percentiles(),
            "stages": {},
            "longest_gap": None,
            "face_lost_frames": None,
        },
        "audio": {
            "sample_rate": None,
            "block": None,
            "latency": None,
            "rtf": None,
            "xruns": None,
            "deadline_misses": None,
            "compute": no_percentiles(),
        },
        "switches": [],
        "sync": {"skew": None, "picture_delay": None, "sound_delay": None},
        "faults": [],
        "warnings": [],
    }


def build_report(
    picture: EngineReport | None = None,
    sound: EngineReport | None = None,
    *,
    switches: list[SwitchReport] | None = None,
    faults: list[FaultReport] | None = None,
    warnings: list[str] | None = None,
    presented: PresentedReport | None = None,
    sync: SyncReport | None = None,
) -> Report:
    """Merge the parts of a report.

    Args:
        picture, sound: sent by the engines with Finished.
        switches, faults: as in the report; None (render) takes the engines' own.
        warnings: added to the engines' own.
        presented: the Audience's metrics.
        sync: as in the report.
    """
    report = empty_report()
    parts = [part for part in (picture, sound) if part is not None]
    for part in parts:
        report["video"] = _merged_video(report["video"], part.get("video"))
        report["audio"] = _merged_audio(report["audio"], part.get("audio"))
    own_switches = [switch for part in parts for switch in part.get("switches", [])]
    own_faults = [fault for part in parts for fault in part.get("faults", [])]
    own_warnings = [warning for part in parts for warning in part.get("warnings", [])]
    report["switches"] = own_switches if switches is None else switches
    report["faults"] = own_faults if faults is None else faults
    report["warnings"] = list(dict.fromkeys([*own_warnings, *(warnings or [])]))
    if sync is not None:
        report["sync"] = sync
    if presented is not None:
        report["video"] = {**report["video"], **presented}
    return report


def _merged_video(known: VideoReport, part: VideoReport | None) -> VideoReport:
    return known if part is None else {**known, **_measured(part)}  # type: ignore[typeddict-item]


def _merged_audio(known: AudioReport, part: AudioReport | None) -> AudioReport:
    return known if part is None else {**known, **_measured(part)}  # type: ignore[typeddict-item]


def _measured(part: Mapping[str, object]) -> dict[str, object]:
    """What is not None."""
    return {key: value for key, value in part.items() if value is not None}


def write_report(path: Path, report: Report) -> None:
    """Write the report atomically. Raises OSError."""
    text = json.dumps(report, indent=1, default=_plain) + "\n"
    # A name that nobody can guess, and a file that was not there: a link laid there by another user is not followed.
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with beside.open("x", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _plain(value: object) -> object:
    """Numbers of numpy and paths as values that json writes."""
    return value.item() if isinstance(value, np.generic) else str(value)
