"""Sound samples of a voice in training: held-out crops of features, synthesised by the vocoder, for the log."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.features.speech import WorldFrames, decode_envelope
from models.features.synthesis import Synthesiser
from models.prepare.voice_facts import MeasuredSpeakersFacts
from models.training.family import Batch, SampledSound
from models.voices.learned_voice import Converter, convert
from models.voices.speaker_stats import (
    HIGHEST_HZ,
    INPUT_LIMIT,
    LEVEL_SCALE,
    LOUDEST_AT,
    LOWEST_HZ,
    PRIOR_16K_MEAN,
    PRIOR_16K_STD,
)

PAUSE_S = 0.2
PEAK = 0.5


class Crop(NamedTuple):
    """Of one speaker. mcep: (MCEPS, T) as networks read it; lf0: (T,) ln Hz, 0 where unvoiced."""

    mcep: Tensor
    lf0: Tensor
    speaker: int


def sound_sample(
    source: Crop, converted: Tensor, target: Crop, facts: MeasuredSpeakersFacts
) -> dict[str, SampledSound]:
    """{"anna as ben": source, conversion (MCEPS, T) and a crop of the target}, one after the other; `facts` are
    VoiceSegments'."""
    rate = facts.sample_rate
    source_speaker, target_speaker = (facts.speakers[crop.speaker] for crop in (source, target))
    source_normal, target_normal = np.array(source_speaker.normal), np.array(target_speaker.normal)
    lf0 = source.lf0.cpu().double().numpy()
    target_lf0 = np.where(
        lf0 > 0, (lf0 - source_normal[0, 0]) / source_normal[1, 0] * target_normal[1, 0] + target_normal[0, 0], 0.0
    )
    pause = np.zeros(round(PAUSE_S * rate), np.float32)
    sound = np.concatenate(
        [
            _synthesise(source.mcep, lf0, source_normal, rate),
            pause,
            _synthesise(converted, target_lf0, target_normal, rate),
            pause,
            _synthesise(target.mcep, target.lf0.cpu().double().numpy(), target_normal, rate),
        ]
    )
    sound *= np.float32(PEAK / max(float(np.abs(sound).max()), 1e-6))
    return {f"{source_speaker.name} as {target_speaker.name}": (sound, rate)}


def sound_samples(converter: Converter, batch: Batch, facts: MeasuredSpeakersFacts) -> dict[str, SampledSound]:
    """Of a many-to-many generator: each sample of the batch converted to the speaker of the next one, where that is
    another speaker. Each pair once."""
    x, lf0, speaker = batch["mcep"], batch["lf0"], batch["speaker"]
    converted = convert(converter, x, speaker + 1, torch.roll(speaker, -1))
    crops = [Crop(*parts) for parts in zip(x, lf0, speaker.tolist(), strict=True)]
    sounds: dict[str, SampledSound] = {}
    for crop, output, next_crop in zip(crops, converted, crops[1:] + crops[:1], strict=True):
        if crop.speaker != next_crop.speaker:
            sounds |= sound_sample(crop, output, next_crop, facts)
    return sounds


def _synthesise(
    values: Tensor, lf0: NDArray[np.float64], normal: NDArray[np.float64], rate: int
) -> NDArray[np.float32]:
    """Normalised frames (MCEPS, T) synthesised with these means and standard deviations (2, MCEPS)."""
    # A diverged network may give any value, or NaN.
    x = np.clip(np.nan_to_num(values.float().cpu().numpy().T.astype(np.float64)), -INPUT_LIMIT, INPUT_LIMIT)
    mcep = x * normal[1] + normal[0]
    mcep[:, 0] = (x[:, 0] - LOUDEST_AT) * LEVEL_SCALE + PRIOR_16K_MEAN[0] + LOUDEST_AT * PRIOR_16K_STD[0]
    f0 = np.where(lf0 > 0, np.clip(np.exp(lf0), LOWEST_HZ, HIGHEST_HZ), 0.0)
    envelope = decode_envelope(mcep, rate)
    aperiodicity = np.broadcast_to(np.where(f0 > 0, 0.0, 1.0)[:, None], envelope.shape)
    return Synthesiser(rate).push(WorldFrames(f0, envelope, aperiodicity))
