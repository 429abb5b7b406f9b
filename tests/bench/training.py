"""How the cost of training grows: with size, width, batch, precision, devices and minutes of footage.

    python -m tests.bench.training [VIDEO]

Runs of a few steps each on drawn pictures, through the whole loop; the median of a step's seconds after the first ones,
and the ratio to the run in the first line, which is what another machine can be held against. With VIDEO also the
seconds that `guise prepare face` takes for a minute of it. How many steps a minute of footage needs is a question of
quality, not of cost: see docs/figures.md.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import av
import torch

from models.prepare.face import FaceOptions, prepare_face
from models.training import launch
from models.training.registry import family
from models.training.train import Plan, TrainingProgress
from tests.models.face_folders import write_face

STEPS, LEFT_OUT = 12, 4
USUAL: dict[str, Any] = {"size": 256, "ngf": 32, "batch": 2, "precision": "32-true", "devices": 1, "compile": False}
OTHERS: tuple[dict[str, Any], ...] = (
    {},
    {"size": 128},
    {"size": 512},
    {"ngf": 16},
    {"ngf": 64},
    {"batch": 1},
    {"batch": 4},
    {"precision": "bf16-mixed"},
    {"compile": True},
    {"batch": 1, "devices": 2},
    {"devices": 2},
)


def step_s(data: Path, out: Path, way: dict[str, Any]) -> tuple[float, float]:
    """Median seconds of a step, and seconds from the command to the end of the first one."""
    kind = family("pix2pix")
    options = kind.options(  # type: ignore[call-arg]
        size=way["size"], ngf=way["ngf"], batch=way["batch"], steps=STEPS, alone=0
    )
    ways = {name: way[name] for name in ("devices", "precision", "compile")}
    plan = Plan(kind, options, (data,), out, log_every_s=0.0, **ways)
    times = [time.monotonic()]

    def advance(_: TrainingProgress) -> None:
        times.append(time.monotonic())

    launch.train(plan, advance)
    return median(b - a for a, b in zip(times[LEFT_OUT:], times[LEFT_OUT + 1 :], strict=False)), times[1] - times[0]


def main(video: Path | None) -> None:
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {card}; {STEPS} steps, {LEFT_OUT} left out\n")
    print("| size | ngf | batch | precision | devices | compiled | s a step | ratio | samples/s | first step, s |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        data = write_face(Path(folder) / "data", 256, pictures=40)
        usual_s = None
        for number, other in enumerate(OTHERS):
            way = USUAL | other
            taken_s, first_s = step_s(data, Path(folder) / str(number), way)
            usual_s = usual_s or taken_s
            samples = way["batch"] * way["devices"] / taken_s
            cells = [*way.values(), f"{taken_s:.3f}", f"{taken_s / usual_s:.2f}", f"{samples:.1f}", f"{first_s:.0f}"]
            print(f"| {' | '.join(map(str, cells))} |", flush=True)
        if video is not None:
            with av.open(str(video)) as movie:
                minutes = float(movie.duration or 0) / av.time_base / 60
            begun = time.monotonic()
            prepare_face([video], Path(folder) / "prepared", None, FaceOptions(), lambda *_: None)
            print(f"\nprepare: {(time.monotonic() - begun) / minutes:.0f} s for a minute of {video.name}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
