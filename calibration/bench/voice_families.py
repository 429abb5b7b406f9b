"""The families that are trained for `guise bench voices --work DIR`: by the verbs a user would type, each for some
time.

What is in the folder already is kept, and a training that was interrupted is resumed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Literal, NamedTuple

from calibration.bench.verbs import run_verb

TRAINING_MINUTES = 24.0
"""Of each family, over all its runs."""
SUBJECT = "LibriSpeech, CC BY 4.0; for measuring only"


class TrainingSetup(NamedTuple):
    """How a family is trained here: in how many runs for all speakers, and with which options besides its defaults. The
    networks are smaller where the defaults need hours on a processor."""

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
    """A frozen voice, and the index of the source speaker; 0 where the voice does not know them."""

    path: Path
    source: int


def train_families(
    work: Path, minutes: float, speakers: Mapping[str, Sequence[Path]]
) -> Iterator[tuple[str, dict[tuple[int, int], FamilyVoice]]]:
    """The name of each family, and its voice for each (source, target) by their numbers in `speakers`, on whose
    recordings it is trained. Raises NotMeasured."""
    work.mkdir(parents=True, exist_ok=True)
    for name, recordings in speakers.items():
        if not (work / name / "dataset.json").is_file():
            run_verb("prepare", "voice", *map(str, recordings), "--learn-all", "--out", str(work / name))
    names = list(speakers)
    for family, setup in FAMILIES.items():
        speakers_a_run = {"all": len(names), "pairs": 2, "each": 1}[setup.runs]
        runs = list(combinations(names, speakers_a_run))
        voices: dict[tuple[int, int], FamilyVoice] = {}
        for run in runs:
            frozen = _train_and_freeze(work, family, setup.settings, run, minutes / len(runs))
            for target, path in frozen.items():
                for source in names:
                    source_index = 1 + run.index(source) if source in run else 0
                    # A pair's voice converts only between the two.
                    if source != target and (source_index or setup.runs == "each"):
                        voices[names.index(source), names.index(target)] = FamilyVoice(path, source_index)
        yield family, voices


def _train_and_freeze(
    work: Path, family: str, settings: Sequence[str], speakers: Sequence[str], minutes: float
) -> dict[str, Path]:
    """The frozen voices of one run, by their targets."""
    out = work / "_".join((family, *speakers))
    if not (out / "trained").is_file():
        resume = ["--resume"] if (out / "run.json").is_file() else []
        chosen = [part for setting in settings for part in ("--set", setting)]
        data = [str(work / name) for name in speakers]
        arguments = ["train", family, *data, "--out", str(out), "--minutes", f"{minutes:g}", *chosen, *resume]
        run_verb(*arguments)
        (out / "trained").touch()
    frozen = {name: out / f"{name}.onnx" for name in speakers}
    for name, path in frozen.items():
        if not path.is_file():
            subjects = [part for speaker in speakers for part in ("--subject", f"{speaker}={SUBJECT}")]
            run_verb("export", str(out), "--out", str(path), "--target", name, *subjects)
    return frozen
