"""statistics: conversion of F0 and of the distribution of mel-cepstra, frame by frame; learned in one pass over the
sentences.

F0: ln f0' = (ln f0 - mean_s) / std_s * std_t + mean_t on voiced frames. The MCEPs are converted by
models.voices.transport; with `--recipe spread` each MCEP but the level is converted like F0, and the level stays the
performer's. The frozen voice also tracks the statistics of an unknown speaker, so that any speaker can be converted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from pydantic import Field, JsonValue
from torch import Tensor, nn
from torch.optim import Optimizer

from models.features.speech import MCEPS, aperiodicity_bands
from models.prepare.voice_data import LEVELS, Features, VoiceData, below_loudest, measured_frames
from models.prepare.voice_facts import SpeakersFacts
from models.training.family import Batch, Family, FamilyOptions, FreezePlan, TrainingData
from models.voices.features_voice import freeze_plan
from models.voices.framewise_voice import FramewiseVoice
from models.voices.speaker_stats import floored_stds, prior_statistics, speaker_names, target_index
from models.voices.transport import People, Transport, universal_prior

BINS, LOWEST, HIGHEST = 1000, -18.0, 2.0
"""Bins and range of the histogram of levels, in nepers below the loudest."""


class StatisticsOptions(FamilyOptions):
    """Options of `guise train statistics` (`--set`)."""

    batch: int = Field(8, ge=1, le=1024, description="sentences a step")
    steps: int = Field(0, ge=0, description="0: one pass over all sentences")
    transport: bool = Field(True, description="move the cepstra together, and the level; False: each for itself")
    hop_frames: int = Field(4, ge=1, le=16, description="frames of 5 ms that the frozen voice takes at once")


class SentenceMoments(TrainingData[SpeakersFacts]):
    """Each sentence's contribution to its speaker's sums; zero in later passes, so that each counts once."""

    def __init__(self, data: VoiceData) -> None:
        self.data = data
        self.facts = data.facts

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, sample: int) -> dict[str, Tensor]:
        """speaker () int64; mcep, lf0, levels, aperiodicity: see `moments`."""
        weight = float(sample < len(self))
        speaker = self.data.sentences[sample % len(self)][0]
        sums = moments(self.data.features(sample % len(self)))
        return {"speaker": torch.tensor(speaker), **{name: weight * part for name, part in sums.items()}}

    def held_out(self) -> SentenceMoments:
        return SentenceMoments(self.data.held_out())


def moments(sentence: Features) -> dict[str, Tensor]:
    """A sentence's sums, float64. mcep: (1 + MCEPS, 1 + MCEPS), the sum over loud frames of the outer product of (1,
    mcep); lf0: (3,) count, sum and sum of squares; levels: (BINS,) histogram of levels below the loudest; aperiodicity:
    (bands,) its sum over the frames that lf0 counts."""
    loud, pitched = measured_frames(sentence)
    mcep, lf0 = sentence.mcep[loud].astype(np.float64), sentence.lf0[pitched].astype(np.float64)
    with_one = np.concatenate([np.ones((len(mcep), 1)), mcep], 1)
    levels, _ = np.histogram(np.clip(below_loudest(sentence), LOWEST, HIGHEST), BINS, (LOWEST, HIGHEST))
    return {
        "mcep": torch.from_numpy(with_one.T @ with_one),
        "lf0": torch.tensor([len(lf0), lf0.sum(), (lf0**2).sum()], dtype=torch.float64),
        "levels": torch.from_numpy(levels.astype(np.float64)),
        "aperiodicity": torch.from_numpy(sentence.aperiodicity[pitched].astype(np.float64).sum(0)),
    }


class Speakers(nn.Module):
    """The sums of each speaker so far, see `moments`, in float64: an hour's sums of squares exceed the precision of
    float32."""

    mcep: Tensor
    lf0: Tensor
    levels: Tensor
    aperiodicity: Tensor

    def __init__(self, speakers: int, bands: int) -> None:
        super().__init__()
        sizes = {"mcep": (1 + MCEPS, 1 + MCEPS), "lf0": (3,), "levels": (BINS,), "aperiodicity": (bands,)}
        for name, size in sizes.items():
            self.register_buffer(name, torch.zeros(speakers, *size, dtype=torch.float64))

    def add(self, sums: Mapping[str, Tensor]) -> None:
        """sums: as `moments`, for each speaker."""
        for name, part in sums.items():
            getattr(self, name).add_(part)

    def people(self) -> People:
        sums = self.mcep / self.mcep[:, :1, :1].clamp(min=1)
        means = sums[:, 0, 1:].clone()
        covariances = sums[:, 1:, 1:] - means[:, :, None] * means[:, None]
        stds = covariances.diagonal(dim1=1, dim2=2).clamp(min=0).sqrt()
        divisor = stds.clamp(min=1e-6)
        correlations = (covariances / divisor[:, :, None] / divisor[:, None])[:, 1:, 1:]
        lf0 = self.lf0 / self.lf0[:, :1].clamp(min=1)
        means[:, 0], stds[:, 0] = lf0[:, 1], (lf0[:, 2] - lf0[:, 1] ** 2).clamp(min=0).sqrt()
        return People(means, stds, correlations, self._quantiles())

    def mean_aperiodicity(self) -> Tensor:
        """(speakers, bands): each speaker's mean aperiodicity, dB."""
        return self.aperiodicity / self.lf0[:, :1].clamp(min=1)

    def _quantiles(self) -> Tensor:
        """Quantiles of the levels, see LEVELS: linearly interpolated within a bin."""
        edges = np.linspace(LOWEST, HIGHEST, BINS + 1)
        below = np.concatenate([np.zeros((len(self.levels), 1)), self.levels.cpu().numpy().cumsum(1)], 1)
        rows = [np.interp(np.array(LEVELS) * row[-1], row, edges) for row in below]
        return torch.from_numpy(np.stack(rows))


class StatisticsFamily(Family[StatisticsOptions, SpeakersFacts]):
    """The family; see models.training.family.Family."""

    name = "statistics"
    kind = "voice"
    options = StatisticsOptions
    facts = SpeakersFacts
    recipes: Mapping[str, Mapping[str, JsonValue]] = {"default": {}, "spread": {"transport": False}}

    def data(self, folders: Sequence[Path], options: StatisticsOptions) -> SentenceMoments:
        return SentenceMoments(VoiceData(folders))

    def networks(self, options: StatisticsOptions, facts: SpeakersFacts) -> nn.ModuleDict:
        return nn.ModuleDict({"speakers": Speakers(len(facts.speakers), aperiodicity_bands(facts.sample_rate))})

    def optimizers(self, networks: nn.ModuleDict, options: StatisticsOptions) -> dict[str, Optimizer]:
        return {}

    def step(
        self,
        fabric: Fabric,
        networks: Mapping[str, nn.Module],
        optimizers: Mapping[str, Optimizer],
        batch: Batch,
        step: int,
        options: StatisticsOptions,
    ) -> dict[str, Tensor]:
        speakers = networks["speakers"]
        assert isinstance(speakers, Speakers)
        before = speakers.people().means
        added = {
            name: torch.zeros_like(getattr(speakers, name)).index_add_(0, batch["speaker"], batch[name])
            for name in ("mcep", "lf0", "levels", "aperiodicity")
        }
        if fabric.world_size > 1:
            added = {name: torch.as_tensor(fabric.all_reduce(part, reduce_op="sum")) for name, part in added.items()}
        speakers.add(added)
        return {"means_moved": (speakers.people().means - before).abs().amax()}

    def freeze(
        self, networks: nn.ModuleDict, options: StatisticsOptions, facts: SpeakersFacts, target: str | None = None
    ) -> FreezePlan:
        chosen = target_index(speaker_names(facts), target)
        speakers = networks["speakers"]
        assert isinstance(speakers, Speakers)
        people, rate = speakers.people(), facts.sample_rate
        people = people._replace(stds=floored_stds(people.stds, prior_statistics(rate, people.means, people.stds)))
        transport = Transport(people, universal_prior(rate, people)) if options.transport else None
        normal = people.means, people.stds
        voice = FramewiseVoice(rate, normal, chosen, speakers.mean_aperiodicity()[chosen], transport)
        return freeze_plan(voice, facts, options.hop_frames)
