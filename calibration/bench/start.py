"""From the command to the first generated frame on stage, with the window and without; and the memory of all
processes."""

from __future__ import annotations

from typing import TypedDict

import numpy as np

from calibration.bench.benchmark import BenchOptions, NotMeasured
from calibration.bench.stage_run import StagePerformance, has_display, run_stage
from calibration.bench.table import Row, at_most, print_table

SECONDS = 8.0
SAMPLE_S = 0.25
GIGABYTE = 1e9


class StartFigures(TypedDict):
    """One way to start; memory of all processes in bytes."""

    first_frame_s: list[float]
    first_frame_median_s: float
    pss_peak: int
    pss_performing: int


class StartBenchFigures(TypedDict):
    """`guise bench start`. display: there is a screen."""

    runs: int
    display: bool
    window: StartFigures
    headless: StartFigures


def run(options: BenchOptions) -> StartBenchFigures:
    """The demo show, three times with the window and three times without."""
    runs = options.runs or 3

    def measured(*arguments: str) -> StartFigures:
        # The file cache is warm after the first start on a machine; every start is printed.
        return _summary([run_stage(arguments, SECONDS, sample_s=SAMPLE_S) for _ in range(runs)])

    metrics: StartBenchFigures = {
        "runs": runs,
        "display": has_display(),
        "window": measured(),
        "headless": measured("--headless"),
    }
    _print(metrics)
    return metrics


def _summary(performances: list[StagePerformance]) -> StartFigures:
    seconds = [_first_frame_s(performance) for performance in performances]
    peaks = [max((used for _, used in performance.pss), default=0) for performance in performances]
    steady = [
        float(np.median([used for at, used in performance.pss if at > SECONDS / 2] or [0]))
        for performance in performances
    ]
    return {
        "first_frame_s": seconds,
        "first_frame_median_s": float(np.median(seconds)),
        "pss_peak": int(np.median(peaks)),
        "pss_performing": int(np.median(steady)),
    }


def _first_frame_s(performance: StagePerformance) -> float:
    start = performance.report.get("start")
    if start is None or start["first_frame"] is None:
        raise NotMeasured("`guise live` showed no generated frame")
    return start["first_frame"] / 1e3


def _print(metrics: StartBenchFigures) -> None:
    rows = []
    for title, measured in (("with the window", metrics["window"]), ("headless", metrics["headless"])):
        median = measured["first_frame_median_s"]
        each = ", ".join(f"{s:.2f}" for s in measured["first_frame_s"])
        rows.append(
            Row(f"{title}: first generated frame, median", f"{median:.2f} s ({each})", "<= 3 s", at_most(median, 3))
        )
        peak = measured["pss_peak"]
        text = f"{peak / 1e6:.0f} MB (performing {measured['pss_performing'] / 1e6:.0f})"
        rows.append(Row(f"{title}: memory of all processes, peak", text, "< 1 GB", peak < GIGABYTE))
    screen = "a screen" if metrics["display"] else "no screen, so Qt draws offscreen"
    print_table(
        f"start: the demo show, {metrics['runs']} runs each; {screen}",
        rows,
        "memory: PSS, summed over the process tree",
    )
