"""How the cost of training grows: with size, width, batch, precision, devices and minutes of footage.

    python -m tests.bench.training [VIDEO]

Runs of a few steps each on synthetic pictures, through the whole loop; the median of the seconds of a step after the
first ones, and the ratio to the run in the first line, which compares across machines. With VIDEO also the seconds that
`guise prepare face` takes for a minute of it. How many steps a minute of footage needs is a question of quality, not of
cost: see docs/figures.md.
"""

from __future__ import annotations

import argparse
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
BASE: dict[str, Any] = {"size": 256, "ngf": 32, "batch": 2, "precision": "32-true", "devices": 1, "compile": False}
VARIANTS: tuple[dict[str, Any], ...] = (
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


def step_s(data: Path, out: Path, configuration: dict[str, Any]) -> tuple[float, float]:
    """Median seconds of a step, and seconds from the command to the end of the first one."""
    pix2pix = family("pix2pix")
    options = pix2pix.options(  # type: ignore[call-arg]
        size=configuration["size"], ngf=configuration["ngf"], batch=configuration["batch"], steps=STEPS, alone=0
    )
    plan_options = {name: configuration[name] for name in ("devices", "precision", "compile")}
    plan = Plan(pix2pix, options, (data,), out, log_every_s=0.0, **plan_options)
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
        base_s = None
        for number, variant in enumerate(VARIANTS):
            configuration = BASE | variant
            step_seconds, first_s = step_s(data, Path(folder) / str(number), configuration)
            base_s = base_s or step_seconds
            samples = configuration["batch"] * configuration["devices"] / step_seconds
            cells = [
                *configuration.values(),
                f"{step_seconds:.3f}",
                f"{step_seconds / base_s:.2f}",
                f"{samples:.1f}",
                f"{first_s:.0f}",
            ]
            print(f"| {' | '.join(map(str, cells))} |", flush=True)
        if video is not None:
            with av.open(str(video)) as movie:
                minutes = float(movie.duration or 0) / av.time_base / 60
            started = time.monotonic()
            prepare_face([video], Path(folder) / "prepared", None, FaceOptions(), lambda *_: None)
            print(f"\nprepare: {(time.monotonic() - started) / minutes:.0f} s for a minute of {video.name}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.training", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("video", type=Path, nargs="?", help="footage of which a minute's preparation is timed")
    main(parser.parse_args().video)
