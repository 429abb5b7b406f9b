"""Crops of `guise prepare phonemes` for a recogniser: normalised as the stage does, and made unlike each other.

What a synthesiser says is cleaner and more alike than what people do, so each crop comes from a throat of another
length, through another channel, and is blurred anew. A sample is drawn from its number alone. Uses torch.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from models.features.speech import MCEPS, decode_envelope, encode_envelope
from models.prepare.data_error import DataError
from models.prepare.phonemes import PHONEMES
from models.prepare.voice_data import LOUD_NEPERS, LOUDEST_PERCENT
from models.voices.speaker_stats import (
    PRIOR_16K_MEAN,
    PRIOR_16K_STD,
    PRIOR_MEAN_FRAMES,
    PRIOR_VARIANCE_FRAMES,
    relative_level,
)

RATE = 16000
THROATS = tuple(np.round(np.arange(0.86, 1.17, 0.02), 2).tolist())
"""By how much formants are moved."""
SHORTEST = 200
"""Frames after which somebody may already be judged: a second."""
STATISTICS_EVERY = 4
"""Neighbours tell the same: every fourth frame gives means and spreads in a quarter of the time."""
KNEE_HZ = 6000.0
"""Above it less and less, so that the top of the band stays where it is."""

Values = NDArray[np.floating[Any]]


class PhonemeCrops(Dataset[dict[str, Tensor]]):
    """`frames` frames of a recording; all lie in memory, an hour is 52 MB. Raises DataError for folders that are none.

    mcep: float32 (MCEPS, frames) as networks read it; phoneme: int64 (frames,), or UNLABELLED; unseen_mcep and
    unseen_phoneme: likewise, of voices that are held out, as they are.
    """

    def __init__(self, folders: Sequence[Path], frames: int) -> None:
        self.frames = frames
        each = [_facts(folder) for folder in folders]
        self.facts: dict[str, Any] = {
            "kind": "phonemes",
            "sample_rate": RATE,
            "phonemes": list(PHONEMES),
            "origin": [facts["origin"] for facts in each],
            "digest": "+".join(facts["digest"] for facts in each),
        }
        self._learned = _read(folders, "train", frames)
        if not self._learned:
            raise DataError(f"{folders[0]} has no recording of {frames * 0.005:g} s: prepare longer ones")
        unseen = _read(folders, "held_out", frames) or self._learned[:1]
        self._unseen = [
            (normalised(mcep.astype(np.float32), mcep[::STATISTICS_EVERY].astype(np.float32)), phoneme)
            for mcep, phoneme in unseen
        ]

    def __len__(self) -> int:
        return len(self._learned)

    def __getitem__(self, sample: int) -> dict[str, Tensor]:
        rng = np.random.default_rng([sample, 1])
        crop = self._changed(*self._learned[rng.integers(len(self._learned))], rng)
        values, phoneme = self._unseen[rng.integers(len(self._unseen))]
        part = self._part(len(phoneme), rng)
        return {**_as_tensors(*crop), **{f"unseen_{k}": v for k, v in _as_tensors(values[part], phoneme[part]).items()}}

    def _part(self, length: int, rng: np.random.Generator) -> slice:
        begin = int(rng.integers(length - self.frames + 1))
        return slice(begin, begin + self.frames)

    def _changed(
        self, mcep: NDArray[np.float16], phoneme: NDArray[np.uint8], rng: np.random.Generator
    ) -> tuple[Values, NDArray[np.uint8]]:
        part = self._part(len(phoneme), rng)
        # Judged by a part of what he said, as when somebody has just begun to speak.
        length = int(np.exp(rng.uniform(np.log(SHORTEST), np.log(len(phoneme)))))
        start = int(rng.integers(len(phoneme) - length + 1))
        longer = throat(float(rng.choice(THROATS)))
        heard = mcep[start : start + length : STATISTICS_EVERY].astype(np.float32) @ longer
        return disturbed(normalised(mcep[part].astype(np.float32) @ longer, heard), rng), phoneme[part]


def normalised(mcep: Values, heard: Values) -> Values:
    """(t, MCEPS) as networks read them on stage, after frames of which `heard` are every STATISTICS_EVERYth."""
    loudest = np.asarray(np.percentile(heard[:, 0], LOUDEST_PERCENT))
    mean, std = as_heard(heard, float(loudest))
    values = (mcep - mean) / std
    values[:, 0] = relative_level(np.asarray(mcep[:, 0]), loudest)
    return values


def _as_tensors(values: Values, phoneme: NDArray[np.uint8]) -> dict[str, Tensor]:
    return {
        "mcep": torch.from_numpy(np.ascontiguousarray(values.T, np.float32)),
        "phoneme": torch.from_numpy(phoneme.astype(np.int64)),
    }


def as_heard(heard: Values, loudest: float) -> tuple[Values, Values]:
    """Mean and spread (MCEPS,) that the stage would have; see `normalised`."""
    loud = heard[heard[:, 0] > loudest - LOUD_NEPERS].astype(np.float64)
    prior_mean, prior_std = np.array(PRIOR_16K_MEAN), np.array(PRIOR_16K_STD)
    count = STATISTICS_EVERY * len(loud)
    mean = prior_mean + count / (count + PRIOR_MEAN_FRAMES) * (loud.mean(0) - prior_mean)
    variance = prior_std**2 + count / (count + PRIOR_VARIANCE_FRAMES) * (loud.var(0) - prior_std**2)
    return mean, np.sqrt(variance)


@lru_cache(maxsize=64)
def throat(longer: float) -> NDArray[np.float32]:
    """(MCEPS, MCEPS): (t, MCEPS) @ this are MCEPs whose formants lie so many times as high."""
    # The logarithm of the envelope is linear in the cepstra, and moving it along frequency is too.
    shapes = np.log(decode_envelope(np.eye(MCEPS), RATE))
    hz = np.linspace(0, RATE / 2, shapes.shape[1])
    knee = KNEE_HZ / max(longer, 1.0)
    moved = np.interp(hz, [0, knee * longer, RATE / 2], [0, knee, RATE / 2])
    warped = np.stack([np.interp(moved, hz, shape) for shape in shapes])
    return encode_envelope(np.exp(warped), RATE)


def disturbed(values: Values, rng: np.random.Generator) -> Values:
    """Normalised (t, MCEPS) -> the same said by somebody else, somewhere else: gains, offsets and a linear mixture that
    stay for the crop, and a blur that does not."""
    width = values.shape[1]
    values = values * np.exp(0.15 * rng.standard_normal(width)) + 0.2 * rng.standard_normal(width)
    mixture = rng.uniform(0, 0.06) * rng.standard_normal((width, width))
    # The level is the room's and the microphone's: the others do not tell of it.
    mixture[0] = mixture[:, 0] = 0
    values = values + values @ mixture
    blur = rng.uniform(0, 0.4) * rng.standard_normal(values.shape)
    if rng.random() < 0.5:
        blur = np.apply_along_axis(np.convolve, 0, blur, np.ones(4) / 2, "same")
    blur[:, 0] *= 0.3
    values = values + blur
    if rng.random() < 0.3:
        first = int(rng.integers(1, width))
        values[:, first : first + int(rng.integers(1, 7))] = 0
    return values


def _read(folders: Sequence[Path], part: str, frames: int) -> list[tuple[NDArray[np.float16], NDArray[np.uint8]]]:
    found = []
    for path in sorted(path for folder in folders for path in (folder / part).glob("*.npz")):
        try:
            with np.load(path, allow_pickle=False) as stored:
                mcep, phoneme = stored["mcep"], stored["phoneme"]
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(f"{path} cannot be read ({error}): prepare the data again") from error
        if len(phoneme) >= max(frames, SHORTEST):
            found.append((mcep, phoneme))
    return found


def _facts(folder: Path) -> dict[str, Any]:
    path = folder / "dataset.json"
    try:
        facts = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{folder} holds no phonemes: make them with `guise prepare phonemes --out DIR`") from error
    if not isinstance(facts, dict) or facts.get("kind") != "phonemes":
        raise DataError(f"{folder} holds no phonemes: make them with `guise prepare phonemes --out DIR`")
    if facts["phonemes"] != list(PHONEMES):
        raise DataError(f"{folder} was prepared with other phonemes: prepare it again")
    return facts
