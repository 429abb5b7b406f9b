"""What a smaller look saves: the U-Net in every size and precision, run in turn against the classic one of ngf 64.

Random weights take the same time as trained ones; the quality of a reduced look is measured by `guise reduce`, on a
trained one. Run as on the stage: its session, its threads, on the CPU. The classic one has transposed convolutions, as
pix2pix was published; the others have sub-pixel convolutions, as `guise export` freezes them.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TypedDict

import numpy as np

from calibration.bench.benchmark import BenchOptions
from calibration.bench.table import Row, at_most, ms_text, print_table
from calibration.bench.unet import build_unet, moving_face, write_look
from export.artifact import model_file
from export.graph.quantise import to_int8
from export.runtime.session import open_session
from export.runtime.session_options import physical_cores
from export.runtime.speed import time_interleaved
from models.features.face_lines import draw_lines
from models.features.types import Picture

SIZE = 256
ROUNDS = 100
CLASSIC = "ngf 64, fp32, classic"
DEFAULT_NGF, SMALL_NGF = 32, 16
WANTED = 0.5
"""Relative to the classic one's p95."""


class ReducedLook(TypedDict):
    """One look; of_classic_p95: its p95 over that of the classic one."""

    megabytes: float
    p50_ms: float
    p95_ms: float
    of_classic_p95: float


class ReductionFigures(TypedDict):
    """`guise bench reduction`."""

    rounds: int
    cores: int
    looks: dict[str, ReducedLook]


def run(options: BenchOptions) -> ReductionFigures:
    """`runs` times 100 runs of each."""
    rounds = ROUNDS * (options.runs or 1)
    inputs = [{"lines": draw_lines(points, SIZE)[None]} for points in moving_face(SIZE, 12)]
    with tempfile.TemporaryDirectory(prefix="guise-reduction-") as name, ExitStack() as stack:
        sessions = {
            what: stack.enter_context(open_session(path, "cpu")) for what, path in _looks(Path(name), inputs).items()
        }
        megabytes = {what: session.path.stat().st_size / 1e6 for what, session in sessions.items()}
        times_ms = time_interleaved(sessions, inputs, rounds)
    classic = float(np.percentile(times_ms[CLASSIC], 95))
    metrics: ReductionFigures = {"rounds": rounds, "cores": physical_cores(), "looks": {}}
    for what, times in times_ms.items():
        p50, p95 = (float(value) for value in np.percentile(times, [50, 95]))
        metrics["looks"][what] = {
            "megabytes": megabytes[what],
            "p50_ms": p50,
            "p95_ms": p95,
            "of_classic_p95": p95 / classic,
        }
    _print(metrics)
    return metrics


def _looks(folder: Path, inputs: list[dict[str, Picture]]) -> dict[str, Path]:
    classic = folder / "classic.onnx"
    manifest = write_look(classic, 64, SIZE)
    looks = {CLASSIC: classic}
    for ngf in (DEFAULT_NGF, SMALL_NGF):
        fp32 = build_unet(ngf, SIZE, subpixel=True)
        models = {
            "fp32": fp32,
            "fp16 stored": build_unet(ngf, SIZE, half=True, subpixel=True),
            "int8": to_int8(fp32, inputs),
        }
        for precision, model in models.items():
            path = folder / f"{ngf}-{precision.split()[0]}.onnx"
            model_file.write_model(path, model, manifest)
            looks[f"ngf {ngf}, {precision}"] = path
    return looks


def _print(metrics: ReductionFigures) -> None:
    rows = []
    for what, look in metrics["looks"].items():
        times = f"p50 {ms_text(look['p50_ms'])}  p95 {ms_text(look['p95_ms'])}"
        text = f"{look['megabytes']:.1f} MB  {times}  x{look['of_classic_p95']:.2f}"
        reduced = what != CLASSIC
        held = at_most(look["of_classic_p95"], WANTED) if reduced else None
        rows.append(Row(what, text, f"p95 x{WANTED:g}" if reduced else "", held))
    title = f"reduction: {metrics['rounds']} runs of each in turn, CPU with {metrics['cores']} cores, random weights"
    print_table(title, rows, "x: p95 against the classic one's; quality is told by `guise reduce`, of a trained look")
