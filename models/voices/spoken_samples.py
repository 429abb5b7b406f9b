"""What a voice sounds like while it learns: held-out crops of features, spoken by the vocoder, for the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.features.speech import WorldFrames, decode_envelope
from models.features.synthesis import Synthesiser
from models.voices.learned_voice import UNSEEN, Converter, converted
from models.voices.speaker_stats import HIGHEST_HZ, LEVEL_SPREAD, LOUDEST_AT, LOWEST_HZ, PRIOR_16K_MEAN, PRIOR_16K_STD

PAUSE_S = 0.2
PEAK = 0.5

SampledSound = tuple[NDArray[np.float32], int]
"""Samples (n,), and Hz."""


class Crop(NamedTuple):
    """Of one speaker. mcep: (MCEPS, T) as networks read it; lf0: (T,) ln Hz, 0 where unvoiced."""

    mcep: Tensor
    lf0: Tensor
    speaker: int


def spoken(read: Crop, made: Tensor, wanted: Crop, facts: Mapping[str, Any]) -> dict[str, SampledSound]:
    """{"anna as ben": what was read, made (MCEPS, T) and wanted}, one after the other; `facts` are VoiceSegments'."""
    rate = int(facts["sample_rate"])
    source, target = (facts["speakers"][crop.speaker] for crop in (read, wanted))
    was, becomes = np.array(source["normal"]), np.array(target["normal"])
    lf0 = read.lf0.cpu().double().numpy()
    moved = np.where(lf0 > 0, (lf0 - was[0, 0]) / was[1, 0] * becomes[1, 0] + becomes[0, 0], 0.0)
    pause = np.zeros(round(PAUSE_S * rate), np.float32)
    sound = np.concatenate(
        [
            _said(read.mcep, lf0, was, rate),
            pause,
            _said(made, moved, becomes, rate),
            pause,
            _said(wanted.mcep, wanted.lf0.cpu().double().numpy(), becomes, rate),
        ]
    )
    sound *= np.float32(PEAK / max(float(np.abs(sound).max()), 1e-6))
    return {f"{source['name']} as {target['name']}": (sound, rate)}


def spoken_of_many(
    converter: Converter, batch: Mapping[str, Tensor], facts: Mapping[str, Any]
) -> dict[str, SampledSound]:
    """Of a generator of many: each of the batch becomes the next one, where that is somebody else. Once a pair."""
    x, lf0, speaker = batch["mcep"], batch["lf0"], batch["speaker"]
    made = converted(converter, x, speaker + 1, torch.roll(speaker, -1))
    crops = [Crop(*parts) for parts in zip(x, lf0, speaker.tolist(), strict=True)]
    sounds: dict[str, SampledSound] = {}
    for crop, said, following in zip(crops, made, crops[1:] + crops[:1], strict=True):
        if crop.speaker != following.speaker:
            sounds |= spoken(crop, said, following, facts)
    return sounds


def _said(values: Tensor, lf0: NDArray[np.float64], normal: NDArray[np.float64], rate: int) -> NDArray[np.float32]:
    """Normalised frames (MCEPS, T) in the voice of whoever has these means and spreads (2, MCEPS)."""
    # A network that has lost its way may say anything, or what is no number.
    x = np.clip(np.nan_to_num(values.float().cpu().numpy().T.astype(np.float64)), -UNSEEN, UNSEEN)
    mcep = x * normal[1] + normal[0]
    mcep[:, 0] = (x[:, 0] - LOUDEST_AT) * LEVEL_SPREAD + PRIOR_16K_MEAN[0] + LOUDEST_AT * PRIOR_16K_STD[0]
    f0 = np.where(lf0 > 0, np.clip(np.exp(lf0), LOWEST_HZ, HIGHEST_HZ), 0.0)
    envelope = decode_envelope(mcep, rate)
    noisy = np.broadcast_to(np.where(f0 > 0, 0.0, 1.0)[:, None], envelope.shape)
    return Synthesiser(rate).push(WorldFrames(f0, envelope, noisy))
