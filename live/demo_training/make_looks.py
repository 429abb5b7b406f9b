"""Makes the demo's looks again, by the verbs an artist uses. Run by hand; needs the extra `train`.

    python -m live.demo_training.make_looks WORK_FOLDER [NAME...] [--minutes 40]

For each character its minute of footage is drawn, prepared, trained on at ngf 32, and frozen with fp16 weights into
live/demo/looks/. A step whose result is in WORK_FOLDER already is skipped; a training run is resumed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from live.demo_training.characters import CHARACTERS
from live.demo_training.characters.footage import write_footage

LOOKS = Path(__file__).resolve().parents[1] / "demo" / "looks"
SUBJECT = "fictional: a character drawn by this project's own code (live/demo_training/characters)"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make_looks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("work", type=Path, help="folder for footage, data and training runs")
    parser.add_argument("names", nargs="*", default=list(CHARACTERS), help="characters; all of them by default")
    parser.add_argument("--minutes", type=float, default=40.0, help="of training, for each")
    given = parser.parse_args()
    for name in given.names:
        make_look(name, given.work, given.minutes)
    return 0


def make_look(name: str, work: Path, minutes: float) -> Path:
    """Makes the frozen look of one character and returns its path. Raises CalledProcessError when a verb fails; it has
    printed why."""
    work.mkdir(parents=True, exist_ok=True)
    movie, data, run, look = work / f"{name}.mp4", work / "data" / name, work / "runs" / name, LOOKS / f"{name}.onnx"
    if not movie.is_file():
        write_footage(name, movie)
    if not data.is_dir():
        data.parent.mkdir(exist_ok=True)
        _guise("prepare", "face", movie, "--out", data)
    resume = ["--resume"] if (run / "run.json").is_file() else []
    _guise("train", "pix2pix", data, "--out", run, "--minutes", minutes, "--steps", 100_000, "--set", "ngf=32", *resume)
    LOOKS.mkdir(exist_ok=True)
    _guise("export", run, "--out", look, "--subject", SUBJECT, "--name", name, "--precision", "fp16")
    return look


def _guise(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "guise", *map(str, arguments)], check=True)


if __name__ == "__main__":
    sys.exit(main())
