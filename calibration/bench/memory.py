"""Memory of a long performance with cue changes, and what a performance leaves behind, whichever way it ends."""

from __future__ import annotations

import signal
import tempfile
import time
from pathlib import Path
from typing import TypedDict

import numpy as np
import psutil

from calibration.bench.benchmark import BenchOptions, NotMeasured
from calibration.bench.footage import webcam_movie
from calibration.bench.stage_run import StageProcess, shared_memory_names
from calibration.bench.table import Row, ms_text, print_table
from calibration.bench.unet import write_look
from calibration.measure.estimate import robust_slope

MINUTES = 10.0
SAMPLE_S = 1.0
SETTLED_S = 60.0
"""Counted from the second minute."""
FOLLOW_S = 7.0
SHORT_S = 8.0
"""The duration of a short performance."""
GONE_WITHIN_S = 10.0
LOOKS = {"first": (200, 60, 60), "second": (60, 200, 60), "third": (60, 60, 200), "fourth": (200, 200, 60)}


class MemoryFigures(TypedDict):
    """Of a long performance; memory in bytes, the slope with its 95 % interval in % an hour, the gap in ms."""

    minutes: float
    samples: int
    pss_median: int
    pss_first: int
    pss_last: int
    percent_an_hour: float
    interval: tuple[float, float]
    beyond_noise: bool
    switches: int
    fps: float
    longest_gap: float | None
    pss: list[tuple[float, int]]


class LeftBehind(TypedDict):
    """What a performance left: command lines, names of shared memory, temporary files."""

    code: int | None
    processes_seen: int
    processes: list[str]
    shared_memory: list[str]
    files: list[str]
    gone_after_s: float


class MemoryBenchFigures(TypedDict):
    """`guise bench memory`."""

    filmed: str
    soak: MemoryFigures
    left_behind: dict[str, LeftBehind]


def run(options: BenchOptions) -> MemoryBenchFigures:
    """`minutes` of a looping show of four looks, half of the changes dissolving; then three short ones."""
    minutes = options.minutes or MINUTES
    with tempfile.TemporaryDirectory(prefix="guise-memory-") as name:
        folder = Path(name)
        recorded_from = webcam_movie(options, folder / "webcam.mp4", 20)
        show_file = _show(folder)
        arguments = [str(show_file), "--headless", "--camera", str(folder / "webcam.mp4")]
        metrics: MemoryBenchFigures = {
            "filmed": recorded_from,
            "soak": _soak(arguments, minutes),
            "left_behind": {
                "after --seconds": _leftovers(arguments, "end"),
                "after Ctrl-C": _leftovers(arguments, "interrupt"),
                "after the parent was killed": _leftovers(arguments, "kill"),
            },
        }
    _print(metrics)
    return metrics


def _show(folder: Path) -> Path:
    lines = ["[show]", 'name = "memory"', "loop = true"]
    for number, (name, colour) in enumerate(LOOKS.items()):
        write_look(folder / f"{name}.onnx", 32, half=True, seed=number, colour=colour)
        lines += ["", "[[cue]]", f'name = "{name}"', f'look = "{name}.onnx"', f"follow_s = {FOLLOW_S}"]
        lines.append(f"transition_s = {0.5 if number % 2 else 0.0}")
    path = folder / "show.toml"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def _soak(arguments: list[str], minutes: float) -> MemoryFigures:
    seconds = minutes * 60
    with StageProcess([*arguments, "--seconds", f"{seconds:g}"], sample_s=SAMPLE_S) as stage:
        performance = stage.wait_for_report(seconds + 60)
    settled_s = min(SETTLED_S, seconds / 4)
    # In the last seconds processes end.
    settled = [(at, used) for at, used in performance.pss if settled_s <= at <= seconds - 2]
    if len(settled) < 10:
        raise NotMeasured(f"{len(settled)} samples of memory are too few: give it more --minutes")
    at, used = np.array(settled, np.float64).T
    median = float(np.median(used))
    slope = robust_slope(list(at), list(used))
    to_percent_an_hour = 3600 / median * 100
    video = performance.report["video"]
    if not video["fps"]:
        raise NotMeasured(
            f"nothing was performed: {'; '.join(performance.report['warnings']) or 'no picture was generated'}"
        )
    return {
        "minutes": minutes,
        "samples": len(settled),
        "pss_median": int(median),
        "pss_first": int(np.median(used[:10])),
        "pss_last": int(np.median(used[-10:])),
        "percent_an_hour": slope.slope * to_percent_an_hour,
        "interval": (slope.low * to_percent_an_hour, slope.high * to_percent_an_hour),
        "beyond_noise": slope.beyond_noise,
        "switches": len(performance.report["switches"]),
        "fps": video["fps"],
        "longest_gap": video["longest_gap"],
        "pss": [(round(a, 1), int(u)) for a, u in performance.pss],
    }


def _leftovers(arguments: list[str], how: str) -> LeftBehind:
    """What a short performance leaves behind; `how` it ends: end, interrupt or kill."""
    before = shared_memory_names()
    with StageProcess([*arguments, "--seconds", f"{SHORT_S if how == 'end' else 600:g}"]) as stage:
        _watch(stage, SHORT_S - 1)
        processes = len(stage.members)
        if how == "interrupt":
            stage.interrupt()
        elif how == "kill":
            stage.process.send_signal(signal.SIGKILL)
        stopped_at = time.monotonic()
        code = _wait_until_gone(stage, before, GONE_WITHIN_S + (SHORT_S if how == "end" else 0))
        gone_s = time.monotonic() - stopped_at
        return {
            "code": code,
            "processes_seen": processes,
            "processes": sorted(_name(process) for process in stage.running_members()),
            "shared_memory": sorted(shared_memory_names() - before),
            "files": sorted(str(p.relative_to(stage.temporary)) for p in stage.temporary.rglob("*")),
            "gone_after_s": gone_s,
        }


def _watch(stage: StageProcess, seconds: float) -> None:
    """Collects the processes of a performance. Raises NotMeasured when it ends by itself."""
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        stage.find_tree()
        if stage.process.poll() is not None:
            raise NotMeasured(f"`guise live` ended by itself: {stage.last_error_line()}")
        time.sleep(0.2)


def _wait_until_gone(stage: StageProcess, before: set[str], seconds: float) -> int | None:
    """The exit code, None while it runs; returns when nothing is left behind, or after `seconds`."""
    started = time.monotonic()
    code: int | None = None
    while time.monotonic() - started < seconds:
        code = stage.process.poll()
        if code is not None and not stage.running_members() and not shared_memory_names() - before:
            break
        time.sleep(0.05)
    return code


def _name(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())[-80:]
    except psutil.Error:  # It ended meanwhile.
        return str(process.pid)


def _print(metrics: MemoryBenchFigures) -> None:
    soak = metrics["soak"]
    low, high = soak["interval"]
    held = soak["percent_an_hour"] <= 1 or low <= 1
    rows = [
        Row("slope of memory", f"{soak['percent_an_hour']:+.2f} % an hour", "<= 1 % beyond noise", held),
        Row("its 95 % interval", f"{low:+.2f} to {high:+.2f} %"),
        Row("beyond noise", "yes" if soak["beyond_noise"] else "no"),
        Row(
            "memory of all processes, first / last", f"{soak['pss_first'] / 1e6:.1f} / {soak['pss_last'] / 1e6:.1f} MB"
        ),
        Row(
            "cue changes, frames a second, longest gap",
            f"{soak['switches']}, {soak['fps']:.1f}, {ms_text(soak['longest_gap'], 0)}",
        ),
    ]
    rows += [_left_behind_row(name, left) for name, left in metrics["left_behind"].items()]
    print_table(
        f"memory: {soak['minutes']:g} minutes, {soak['samples']} samples from the second minute; {metrics['filmed']}",
        rows,
        "Theil-Sen slope of the summed PSS; interval from the scatter of ten parts' medians: zero within it is noise.",
    )


def _left_behind_row(name: str, left: LeftBehind) -> Row:
    kinds = {"processes": left["processes"], "shared memory": left["shared_memory"], "files": left["files"]}
    found = [f"{len(names)} {kind}" for kind, names in kinds.items() if names]
    text = ", ".join(found) or f"nothing, after {left['gone_after_s']:.1f} s"
    return Row(f"left behind {name}", text, "nothing", not found)
