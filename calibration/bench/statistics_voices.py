"""The voices of the family `statistics` for `guise bench voices`, trained and frozen by the verbs a user would type.

Its data folders are written here, with the features of whole recordings: `guise prepare voice` would cut sentences and
level them, and the benchmark compares the frozen voice with conversions of the recordings as they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from calibration.bench.verbs import run_verb
from models.prepare.voice_data import Features

SUBJECT = "LibriSpeech, CC BY 4.0"
LICENCE = "CC BY 4.0"


def freeze_statistics(folder: Path, speakers: Mapping[str, Sequence[Features]], sample_rate: int) -> list[Path]:
    """Trains `statistics` on the sentences of all speakers and freezes it once for each as the target, in `folder`.

    Raises NotMeasured.
    """
    data = [str(_write_data(folder / name, name, sentences, sample_rate)) for name, sentences in speakers.items()]
    run = str(folder / "run")
    run_verb("train", "statistics", *data, "--out", run, "--precision", "32-true")
    subjects = [part for name in speakers for part in ("--subject", f"{name}={SUBJECT}")]
    paths = [folder / f"{name}.onnx" for name in speakers]
    for name, path in zip(speakers, paths, strict=True):
        run_verb("export", run, "--out", str(path), "--target", name, "--licence", LICENCE, *subjects)
    return paths


def _write_data(folder: Path, name: str, sentences: Sequence[Features], sample_rate: int) -> Path:
    """A folder as models.prepare.voice_data.VoiceData reads it, without sounds."""
    (folder / "train").mkdir(parents=True)
    for number, sentence in enumerate(sentences):
        np.savez(folder / "train" / f"{number:06d}.npz", **sentence._asdict())
    facts = {
        "kind": "voice",
        "name": name,
        "sample_rate": sample_rate,
        "sentences": {"train": len(sentences), "held_out": 0},
        "statistics": {},
        "digest": "bench",
    }
    (folder / "dataset.json").write_text(json.dumps(facts), "utf-8")
    return folder
