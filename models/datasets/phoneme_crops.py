"""Crops of `guise prepare phonemes` for the recogniser: normalised as on stage, and augmented.

Synthesised speech is cleaner and more uniform than human speech, so each crop gets another vocal tract length, another
channel, and noise. A sample depends on its number alone. Uses torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.features.speech import MCEPS, decode_envelope, encode_envelope
from models.prepare.arrays import read_arrays
from models.prepare.data_error import DataError
from models.prepare.phoneme_facts import CropFacts, read_phoneme_facts
from models.prepare.phonemes import PHONEMES
from models.prepare.voice_data import LOUD_NEPERS, LOUDEST_PERCENT
from models.training.family import TrainingData
from models.voices.speaker_stats import (
    PRIOR_16K_MEAN,
    PRIOR_16K_STD,
    PRIOR_MEAN_FRAMES,
    PRIOR_VARIANCE_FRAMES,
    relative_level,
)

RATE = 16000
TRACT_FACTORS = tuple(np.round(np.arange(0.86, 1.17, 0.02), 2).tolist())
"""Factors of the formants' frequencies."""
MIN_FRAMES = 200
"""Frames after which running statistics may be used: a second."""
STATISTICS_EVERY = 4
"""Neighbouring frames are alike: every fourth gives means and standard deviations in a quarter of the time."""
KNEE_HZ = 6000.0
"""Above it the warp decreases, so that the top of the band stays in place."""

Values = NDArray[np.floating]


class PhonemeCrops(TrainingData[CropFacts]):
    """`frames` frames of a recording; all are kept in memory, an hour is 52 MB. Raises DataError for other folders.

    mcep: float32 (MCEPS, frames) as networks read it; phoneme: int64 (frames,), or UNLABELLED; unseen_mcep and
    unseen_phoneme: likewise, of held-out voices, without augmentation.
    """

    def __init__(self, folders: Sequence[Path], frames: int) -> None:
        self.frames = frames
        each = [read_phoneme_facts(folder) for folder in folders]
        self.facts = CropFacts(
            kind="phonemes",
            sample_rate=RATE,
            phonemes=PHONEMES,
            origin=tuple(facts.origin for facts in each),
            digest="+".join(facts.digest for facts in each),
        )
        self._training = _read(folders, "train", frames)
        if not self._training:
            raise DataError(f"{folders[0]} has no recording of {frames * 0.005:g} s: prepare longer ones")
        unseen = _read(folders, "held_out", frames) or self._training[:1]
        self._unseen = [
            (normalised(mcep.astype(np.float32), mcep[::STATISTICS_EVERY].astype(np.float32)), phoneme)
            for mcep, phoneme in unseen
        ]

    def __len__(self) -> int:
        return len(self._training)

    def __getitem__(self, sample: int) -> dict[str, Tensor]:
        rng = np.random.default_rng([sample, 1])
        crop = self._augmented(*self._training[rng.integers(len(self._training))], rng)
        values, phoneme = self._unseen[rng.integers(len(self._unseen))]
        part = self._part(len(phoneme), rng)
        return {**_as_tensors(*crop), **{f"unseen_{k}": v for k, v in _as_tensors(values[part], phoneme[part]).items()}}

    def _part(self, length: int, rng: np.random.Generator) -> slice:
        begin = int(rng.integers(length - self.frames + 1))
        return slice(begin, begin + self.frames)

    def _augmented(
        self, mcep: NDArray[np.float16], phoneme: NDArray[np.uint8], rng: np.random.Generator
    ) -> tuple[Values, NDArray[np.uint8]]:
        part = self._part(len(phoneme), rng)
        # Statistics of a part of the recording, as when the speaker has just begun.
        length = int(np.exp(rng.uniform(np.log(MIN_FRAMES), np.log(len(phoneme)))))
        start = int(rng.integers(len(phoneme) - length + 1))
        warp = vocal_tract_warp(float(rng.choice(TRACT_FACTORS)))
        reference = mcep[start : start + length : STATISTICS_EVERY].astype(np.float32) @ warp
        return perturbed(normalised(mcep[part].astype(np.float32) @ warp, reference), rng), phoneme[part]


def normalised(mcep: Values, reference: Values) -> Values:
    """(t, MCEPS) as networks read them on stage after `reference`, every STATISTICS_EVERYth of the frames before."""
    loudest = np.asarray(np.percentile(reference[:, 0], LOUDEST_PERCENT))
    mean, std = stage_statistics(reference, float(loudest))
    values = (mcep - mean) / std
    values[:, 0] = relative_level(np.asarray(mcep[:, 0]), loudest)
    return values


def _as_tensors(values: Values, phoneme: NDArray[np.uint8]) -> dict[str, Tensor]:
    return {
        "mcep": torch.from_numpy(np.ascontiguousarray(values.T, np.float32)),
        "phoneme": torch.from_numpy(phoneme.astype(np.int64)),
    }


def stage_statistics(reference: Values, loudest: float) -> tuple[Values, Values]:
    """Mean and standard deviation (MCEPS,) as on stage; see `normalised`."""
    loud_frames = reference[reference[:, 0] > loudest - LOUD_NEPERS].astype(np.float64)
    prior_mean, prior_std = np.array(PRIOR_16K_MEAN), np.array(PRIOR_16K_STD)
    count = STATISTICS_EVERY * len(loud_frames)
    mean = prior_mean + count / (count + PRIOR_MEAN_FRAMES) * (loud_frames.mean(0) - prior_mean)
    variance = prior_std**2 + count / (count + PRIOR_VARIANCE_FRAMES) * (loud_frames.var(0) - prior_std**2)
    return mean, np.sqrt(variance)


@lru_cache(maxsize=64)
def vocal_tract_warp(warp: float) -> NDArray[np.float32]:
    """(MCEPS, MCEPS): (t, MCEPS) @ this are MCEPs whose formants are `warp` times as high."""
    # The log envelope is linear in the cepstra, and warping it along frequency is linear, too.
    shapes = np.log(decode_envelope(np.eye(MCEPS), RATE))
    hz = np.linspace(0, RATE / 2, shapes.shape[1])
    knee = KNEE_HZ / max(warp, 1.0)
    warped_hz = np.interp(hz, [0, knee * warp, RATE / 2], [0, knee, RATE / 2])
    warped = np.stack([np.interp(warped_hz, hz, shape) for shape in shapes])
    return encode_envelope(np.exp(warped), RATE)


def perturbed(values: Values, rng: np.random.Generator) -> Values:
    """Augments normalised (t, MCEPS), as by another speaker and channel: gains, offsets and a linear mixture that are
    constant over the crop, and noise that is not."""
    width = values.shape[1]
    values = values * np.exp(0.15 * rng.standard_normal(width)) + 0.2 * rng.standard_normal(width)
    mixture = rng.uniform(0, 0.06) * rng.standard_normal((width, width))
    # The level depends on room and microphone and carries no information on the others.
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
        mcep, phoneme = read_arrays(path, "mcep", "phoneme")
        if len(phoneme) >= max(frames, MIN_FRAMES):
            found.append((mcep, phoneme))
    return found
