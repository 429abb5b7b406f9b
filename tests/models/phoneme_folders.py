"""Phonemes without espeak-ng, random cepstra around a centre for each phoneme; and espeak-ng for tests that need it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from models.features.speech import MCEPS
from models.prepare.data_error import DataError
from models.prepare.espeak import Espeak
from models.prepare.phonemes import PHONEMES
from models.voices.speaker_stats import PRIOR_16K_MEAN, PRIOR_16K_STD

SAID = 5
"""Number of phonemes that occur."""


def espeak_or_skip() -> Espeak:
    """espeak-ng; without it the test is skipped."""
    try:
        return Espeak()
    except DataError as error:
        pytest.skip(str(error))


def write_phonemes(folder: Path, recordings: int = 4, frames: int = 600) -> Path:
    """A folder as `guise prepare phonemes` leaves it; the last recording is held out."""
    places = 1.5 * np.random.default_rng(0).standard_normal((SAID, MCEPS))
    for number in range(recordings):
        rng = np.random.default_rng(number)
        phoneme = np.repeat(rng.integers(0, SAID, frames // 10 + 1), 10)[:frames].astype(np.uint8)
        values = places[phoneme] + 0.3 * rng.standard_normal((frames, MCEPS))
        mcep = np.array(PRIOR_16K_MEAN) + values * np.array(PRIOR_16K_STD)
        part = folder / ("held_out" if number == recordings - 1 else "train")
        part.mkdir(parents=True, exist_ok=True)
        np.savez(part / f"{number:06d}.npz", mcep=mcep.astype(np.float16), phoneme=phoneme)
    facts = {
        "kind": "phonemes",
        "sample_rate": 16000,
        "origin": "a drawing",
        "phonemes": list(PHONEMES),
        "digest": "digest of phonemes",
    }
    (folder / "dataset.json").write_text(json.dumps(facts))
    return folder
