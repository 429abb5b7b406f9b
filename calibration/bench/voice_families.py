"""The families that are trained, for `guise bench voices --work DIR`: by the verbs a user would type, each for a while.

What is in the folder already is kept, and a training that was interrupted is gone on with.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Literal, NamedTuple

from calibration.bench.benchmark import NotMeasured
from calibration.bench.stage_run import GUISE_SCRIPT

TRAINING_MINUTES = 24.0
"""Of each family, over all its runs."""
SUBJECT = "LibriSpeech, CC BY 4.0; for measuring only"


class TrainingSetup(NamedTuple):
    """How a family is trained here, in how many runs for all speakers, and with what beside its defaults: smaller where
    the defaults want hours of a processor."""

    runs: Literal["all", "pairs", "each"]
    settings: tuple[str, ...] = ()


ADVERSARIAL = ("cycle=1", "identity=0.5", "learning_rate=3e-4", "critic_rate=3e-4", "average=0.995")
FAMILIES: dict[str, TrainingSetup] = {
    "gmm_vc": TrainingSetup("all"),
    "cyclegan_vc": TrainingSetup("pairs", (*ADVERSARIAL, "width=0.125", "critic=0.125", "settle=300")),
    "stargan_vc": TrainingSetup("all", (*ADVERSARIAL, "width=0.5", "critic=0.5", "batch=4", "settle=800")),
    "stargan_vc2": TrainingSetup(
        "all", (*ADVERSARIAL, "width=0.25", "critic=0.25", "batch=4", "settle=800", "penalty=0")
    ),
    "ppg_vc": TrainingSetup("each"),
}


class FamilyVoice(NamedTuple):
    """A frozen voice, and the number of who speaks; 0 where it does not know him."""

    path: Path
    source: int


def train_families(
    work: Path, minutes: float, speakers: Mapping[str, Sequence[Path]]
) -> Iterator[tuple[str, dict[tuple[int, int], FamilyVoice]]]:
    """Each family's name, and its voice for each (source, target) by their numbers in `speakers`, whose recordings it
    learns from. Raises NotMeasured."""
    work.mkdir(parents=True, exist_ok=True)
    for name, recordings in speakers.items():
        if not (work / name / "dataset.json").is_file():
            _verb("prepare", "voice", *map(str, recordings), "--learn-all", "--out", str(work / name))
    names = list(speakers)
    for family, trained in FAMILIES.items():
        together = {"all": len(names), "pairs": 2, "each": 1}[trained.runs]
        runs = list(combinations(names, together))
        voices: dict[tuple[int, int], FamilyVoice] = {}
        for run in runs:
            made = _voices(work, family, trained.settings, run, minutes / len(runs))
            for target, path in made.items():
                for source in names:
                    known = 1 + run.index(source) if source in run else 0
                    # A pair's voice is for its own two.
                    if source != target and (known or trained.runs == "each"):
                        voices[names.index(source), names.index(target)] = FamilyVoice(path, known)
        yield family, voices


def _voices(
    work: Path, family: str, settings: Sequence[str], speakers: Sequence[str], minutes: float
) -> dict[str, Path]:
    """The frozen voices of one run, by their targets."""
    out = work / "_".join((family, *speakers))
    if not (out / "trained").is_file():
        resume = ["--resume"] if (out / "run.json").is_file() else []
        chosen = [part for setting in settings for part in ("--set", setting)]
        data = [str(work / name) for name in speakers]
        _verb("train", family, *data, "--out", str(out), "--minutes", f"{minutes:g}", *chosen, *resume)
        (out / "trained").touch()
    frozen = {name: out / f"{name}.onnx" for name in speakers}
    for name, path in frozen.items():
        if not path.is_file():
            subjects = [part for one in speakers for part in ("--subject", f"{one}={SUBJECT}")]
            _verb("export", str(out), "--out", str(path), "--target", name, *subjects)
    return frozen


def _verb(*arguments: str) -> None:
    print(f"guise {' '.join(arguments[:2])} ...", file=sys.stderr)
    ended = subprocess.run(
        [sys.executable, str(GUISE_SCRIPT), *arguments], stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False
    )
    if ended.returncode != 0:
        raise NotMeasured(f"`guise {arguments[0]}` ended with code {ended.returncode}; what it made so far is kept")
