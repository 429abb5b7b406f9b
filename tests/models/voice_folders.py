"""Prepared voices without a recording: random features with a known mean and standard deviation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from models.features.speech import MCEPS
from models.prepare.voice_data import Features


def drawn_sentence(rng: np.random.Generator, lf0_mean: float, lf0_std: float, tilt: float, frames: int) -> Features:
    """Syllables of half a second: voiced where they are loud, with random F0 and cepstra."""
    swell = np.sin(2 * np.pi * 2 * np.arange(frames) * 0.005 + rng.uniform(0, 6))
    voiced = swell > -0.3
    mcep = rng.standard_normal((frames, MCEPS)) * (0.8 / np.arange(1, MCEPS + 1))
    mcep[:, 0] = -9 + 4 * swell
    mcep[:, 1] += tilt
    lf0 = np.where(voiced, lf0_mean + lf0_std * rng.standard_normal(frames), 0.0)
    return Features(mcep.astype(np.float32), lf0.astype(np.float32), voiced, np.zeros((frames, 1), np.float32))


def write_voice(folder: Path, name: str, sentences: list[Features], held_out: int = 1) -> Path:
    """A folder as `guise prepare voice` writes it, without sounds, plots and report; the last sentences are held
    out."""
    for part in ("train", "held_out"):
        (folder / part).mkdir(parents=True)
    for number, sentence in enumerate(sentences):
        part = "train" if number < len(sentences) - held_out else "held_out"
        np.savez(folder / part / f"{number:06d}.npz", **sentence._asdict())
    facts = {
        "kind": "voice",
        "name": name,
        "digest": f"digest of {name}",
        "sample_rate": 16000,
        "sentences": {"train": len(sentences) - held_out, "held_out": held_out},
        "statistics": {},
    }
    (folder / "dataset.json").write_text(json.dumps(facts))
    return folder
