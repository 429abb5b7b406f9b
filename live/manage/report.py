"""The report of a performance: one JSON object. Times in ms; null where nothing was measured.

May be called from any thread and process. The picture engine and the sound engine each send their part when they end;
the StageManager adds switches, faults and notes, the Audience what was presented.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

Report = dict[str, Any]


def _empty_spread() -> Report:
    return {"p50": None, "p95": None, "p99": None, "max": None}


def empty_report() -> Report:
    """A report with every key and no measurement."""
    return {
        "video": {
            "frames_captured": None,
            "frames_presented": None,
            "frames_dropped": None,
            "fps": None,
            "provider": None,
            "latency": _empty_spread(),
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
            "compute": _empty_spread(),
        },
        "switches": [],
        "sync": {"skew": None, "picture_delay": None, "sound_delay": None},
        "faults": [],
        "warnings": [],
    }


def build_report(
    picture: Report | None = None,
    sound: Report | None = None,
    *,
    switches: list[Report] | None = None,
    faults: list[Report] | None = None,
    warnings: list[str] | None = None,
    presented: Report | None = None,
    sync: Report | None = None,
) -> Report:
    """Merge the parts of a report.

    Args:
        picture, sound: sent by the engines with Finished: {"video": ...}, {"audio": ...}, and optionally "switches",
            "faults" and "warnings".
        switches, faults: as in the report; None (render) takes the engines' own.
        warnings: added to the engines' own.
        presented: the Audience's metrics.
        sync: as in the report.
    """
    report = empty_report()
    for part in (picture or {}, sound or {}):
        for name in ("video", "audio"):
            report[name].update({key: value for key, value in (part.get(name) or {}).items() if value is not None})
        for name in ("switches", "faults", "warnings"):
            report[name].extend(part.get(name) or [])
    if switches is not None:
        report["switches"] = switches
    if faults is not None:
        report["faults"] = faults
    report["warnings"] = list(dict.fromkeys([*report["warnings"], *(warnings or [])]))
    if sync is not None:
        report["sync"] = sync
    if presented:
        report["video"].update(presented)
    return report


def write_report(path: Path, report: Report) -> None:
    """Write the report atomically. Raises OSError."""
    text = json.dumps(report, indent=1, default=_plain) + "\n"
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _plain(value: Any) -> Any:
    """Numbers of numpy and paths as values that json writes."""
    return value.item() if isinstance(value, np.generic) else str(value)
