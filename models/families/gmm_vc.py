"""gmm_vc: conversion by classes of sounds, with a separate affine map for each class, learned without parallel
sentences.

The classes are a mixture of Gaussians over the target's frames, as in Stylianou et al., "Continuous probabilistic
transform for voice conversion" (IEEE TSAP 6, 1998). Theirs learns the maps from pairs of frames; here
models.voices.transport brings the source near the target, and within each class mean and standard deviation are then
matched to the target's, as in the registration of point clouds. The mixture is trained by on-line
expectation-maximisation (Cappe and Moulines, "On-line expectation-maximization algorithm for latent data models", JRSS
B 71, 2009).

    guise train gmm_vc data/anna data/ben data/carl --out RUN
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from lightning_fabric import Fabric
from pydantic import Field
from torch import Tensor, nn
from torch.optim import Optimizer

from models.datasets.voice_segments import VoiceSegments, several_speakers
from models.features.speech import MCEPS, aperiodicity_bands
from models.prepare.voice_facts import MeasuredSpeakersFacts
from models.training.family import Batch, Family, FamilyOptions, FreezePlan
from models.voices.features_voice import freeze_plan
from models.voices.framewise_voice import FramewiseVoice, Refiner
from models.voices.learned_voice import KnownSpeakers, transport_of
from models.voices.speaker_stats import LEVEL_SCALE, QUIETEST, speaker_names, target_index
from models.voices.transport import Transport

KEYS = 20
"""The lowest MCEPs, from which the class is decided, beside level and voicing."""
LEVEL_WEIGHT, VOICED_WEIGHT = LEVEL_SCALE, 2.0
"""Weights of level and voicing against a standard deviation of an MCEP."""
LOUDEST_LEVEL = 2.5
"""Higher levels do not change the class."""
LEAST_VARIANCE = 0.05
SOFTENING = 0.3
"""Exponent of the posteriors: twenty correlated, non-Gaussian values would else give too certain ones."""
HALF_WEIGHT_SHARE = 0.004
"""A class with this share of a source's frames has half of its map applied."""
MAX_STRETCH = 2.0


class GmmOptions(FamilyOptions):
    """Options of `guise train gmm_vc` (`--set`)."""

    classes: int = Field(64, ge=1, le=512)
    batch: int = Field(16, ge=1, le=1024)
    steps: int = Field(600, ge=2, description="the first two thirds find the classes, the others count in them")
    frames: int = Field(128, ge=32, le=1024, multiple_of=16, description="frames of a crop")
    hop_frames: int = Field(4, ge=1, le=16, description="frames of 5 ms that the frozen voice takes at once")


def keys(x: Tensor, voiced: Tensor) -> Tensor:
    """(..., MCEPS) as networks read it and (...) -> (..., KEYS + 2): the features that classes are told apart by."""
    level = LEVEL_WEIGHT * x[..., :1].clamp(QUIETEST, LOUDEST_LEVEL)
    return torch.cat([x[..., 1 : 1 + KEYS], level, VOICED_WEIGHT * voiced[..., None]], -1)


class Mixtures(nn.Module):
    """A mixture of diagonal Gaussians over each speaker's keys, as running sums per frame."""

    weight: Tensor
    first: Tensor
    second: Tensor

    def __init__(self, speakers: int, classes: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(speakers, classes))
        self.register_buffer("first", torch.zeros(speakers, classes, KEYS + 2))
        self.register_buffer("second", torch.zeros(speakers, classes, KEYS + 2))

    def probabilities(self, speaker: int, key: Tensor, exponent: float = 1.0) -> Tensor:
        """(frames, KEYS + 2) -> (frames, classes)."""
        weight, mean, variance = self.gaussians(speaker)
        logits = gaussian_logits(key, weight, mean, variance)
        return torch.softmax(exponent * logits, -1)

    def gaussians(self, speaker: int) -> tuple[Tensor, Tensor, Tensor]:
        """Weights (classes,), means and variances (classes, KEYS + 2)."""
        weight = self.weight[speaker].clamp(min=1e-6)
        mean = self.first[speaker] / weight[:, None]
        return weight, mean, (self.second[speaker] / weight[:, None] - mean.square()).clamp(min=LEAST_VARIANCE)

    def update(self, speaker: int, key: Tensor, rate: float) -> Tensor:
        """One step of EM with the frames `key`; returns the mean absolute change of the means."""
        classes = len(self.weight[speaker])
        if not self.weight[speaker].any():
            # The initial means are some of the frames, with the variance of all of them.
            chosen_frames = key[torch.linspace(0, len(key) - 1, classes, device=key.device).long()]
            self.weight[speaker] = 1 / classes
            self.first[speaker] = chosen_frames / classes
            self.second[speaker] = (chosen_frames.square() + key.var(0)) / classes
        old_means = self.gaussians(speaker)[1]
        probabilities = self.probabilities(speaker, key) / len(key)
        for sums, batch_sums in (
            (self.weight, probabilities.sum(0)),
            (self.first, probabilities.T @ key),
            (self.second, probabilities.T @ key.square()),
        ):
            sums[speaker].lerp_(batch_sums, rate)
        return (self.gaussians(speaker)[1] - old_means).abs().mean()


def gaussian_logits(key: Tensor, weight: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """ln of each class's joint density up to a constant for each frame; by matrix products, for speed."""
    constant = weight.log() - 0.5 * (variance.log() + mean.square() / variance).sum(-1)
    return key @ (mean / variance).mT - 0.5 * key.square() @ (1 / variance).mT + constant


class ClassSums(nn.Module):
    """Sums over the frames in each class of each target: of the target's own frames, and of each source's transported
    to it."""

    own: Tensor
    transported: Tensor
    aperiodicity: Tensor

    def __init__(self, speakers: int, classes: int, bands: int) -> None:
        """own: (targets, classes, 1 + 2 * MCEPS), count, sum and sum of squares; transported: (sources, targets, ...)
        likewise, source 0 the unknown speaker; aperiodicity: (targets, classes, 1 + bands), of voiced frames."""
        super().__init__()
        for name, size in (
            ("own", (speakers, classes, 1 + 2 * MCEPS)),
            ("transported", (1 + speakers, speakers, classes, 1 + 2 * MCEPS)),
            ("aperiodicity", (speakers, classes, 1 + bands)),
        ):
            self.register_buffer(name, torch.zeros(size, dtype=torch.float64))


def _moments(probabilities: Tensor, values: Tensor) -> Tensor:
    """(frames, classes) and (frames, n) -> (classes, 1 + 2 * n), float64."""
    values = torch.cat([torch.ones_like(values[:, :1]), values, values.square()], -1).double()
    return probabilities.double().T @ values


class ClassRefiner(Refiner):
    """The maps of all classes to one target, mixed by the classes' posteriors."""

    weight: Tensor
    mean: Tensor
    variance: Tensor
    stretch: Tensor
    shift: Tensor
    aperiodicity: Tensor

    def __init__(self, mixtures: Mixtures, counts: ClassSums, target: int) -> None:
        super().__init__()
        for name, part in zip(("weight", "mean", "variance"), mixtures.gaussians(target), strict=True):
            self.register_buffer(name, part.clone())
        own, transported = counts.own[target], counts.transported[:, target]
        mean, std = _mean_and_std(own)
        source_mean, source_std = _mean_and_std(transported)
        share = transported[..., :1] / transported[..., :1].sum(1, keepdim=True).clamp(min=1)
        class_weight = share / (share + HALF_WEIGHT_SHARE)
        class_weight = class_weight * (own[..., :1] / own[..., :1].sum().clamp(min=1) > HALF_WEIGHT_SHARE / 10)
        stretch = (1 + class_weight * (std / source_std - 1)).clamp(1 / MAX_STRETCH, MAX_STRETCH)
        # The level is left to the transport.
        stretch[..., 0] = 1
        shift = source_mean * (1 - stretch) + class_weight * (mean - source_mean)
        shift[..., 0] = 0
        self.register_buffer("stretch", stretch.float())
        self.register_buffer("shift", shift.float())
        overall = counts.aperiodicity[target].sum(0, keepdim=True)
        # A class with hardly any voiced frames gets the target's mean aperiodicity.
        aperiodicity = counts.aperiodicity[target] + 20 * overall / overall[:, :1].clamp(min=1)
        self.register_buffer("aperiodicity", (aperiodicity[:, 1:] / aperiodicity[:, :1].clamp(min=1e-9)).float())

    def forward(self, x: Tensor, voiced: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
        logits = gaussian_logits(keys(x, voiced), self.weight, self.mean, self.variance)
        probabilities = torch.softmax(SOFTENING * logits, -1)
        converted = x * (probabilities @ self.stretch[source]) + probabilities @ self.shift[source]
        return converted, probabilities @ self.aperiodicity


def _mean_and_std(sums: Tensor) -> tuple[Tensor, Tensor]:
    """(..., 1 + 2 * n) -> (..., n) each."""
    mean, square = (sums[..., 1:] / sums[..., :1].clamp(min=1e-9)).chunk(2, -1)
    return mean, (square - mean.square()).clamp(min=1e-3).sqrt()


class GmmVc(Family[GmmOptions, MeasuredSpeakersFacts]):
    """The family; see models.training.family.Family."""

    name = "gmm_vc"
    RENAMED: Mapping[str, str] = {"counts.brought": "counts.transported", "counts.breath": "counts.aperiodicity"}
    kind = "voice"
    options = GmmOptions
    facts = MeasuredSpeakersFacts

    def data(self, folders: Sequence[Path], options: GmmOptions) -> VoiceSegments:
        return several_speakers(self.name, folders, options.frames)

    def networks(self, options: GmmOptions, facts: MeasuredSpeakersFacts) -> nn.ModuleDict:
        count = len(facts.speakers)
        return nn.ModuleDict(
            {
                "speakers": KnownSpeakers(facts),
                "transport": transport_of(facts),
                "mixtures": Mixtures(count, options.classes),
                "counts": ClassSums(count, options.classes, aperiodicity_bands(facts.sample_rate)),
            }
        )

    def optimizers(self, networks: nn.ModuleDict, options: GmmOptions) -> dict[str, Optimizer]:
        return {}

    def step(
        self,
        fabric: Fabric,
        networks: Mapping[str, nn.Module],
        optimizers: Mapping[str, Optimizer],
        batch: Batch,
        step: int,
        options: GmmOptions,
    ) -> dict[str, Tensor]:
        mixtures, counts, transport = (networks[name] for name in ("mixtures", "counts", "transport"))
        assert isinstance(mixtures, Mixtures)
        assert isinstance(counts, ClassSums)
        assert isinstance(transport, Transport)
        if fabric.world_size > 1:
            # Each process counts the samples of all processes, so that their sums stay equal.
            batch = {name: torch.as_tensor(fabric.all_gather(part)).flatten(0, 1) for name, part in batch.items()}
        fit_steps = 2 * options.steps // 3
        mean_change, confidence = [], []
        with torch.no_grad():
            for speaker in sorted(set(batch["speaker"].tolist())):
                chosen = batch["speaker"] == speaker
                x, voiced = batch["mcep"][chosen], (batch["lf0"][chosen] > 0).float()
                if step < fit_steps:
                    mean_change.append(mixtures.update(speaker, keys(x.mT, voiced).flatten(0, 1), (step + 2) ** -0.6))
                    continue
                for target in range(len(mixtures.weight)):
                    confidence.append(_accumulate(mixtures, counts, transport, x, voiced, speaker, target))
                probabilities = mixtures.probabilities(speaker, keys(x.mT, voiced).flatten(0, 1), SOFTENING)
                aperiodicity = batch["aperiodicity"][chosen].mT.flatten(0, 1)
                sums = torch.cat([torch.ones_like(aperiodicity[:, :1]), aperiodicity], -1) * voiced.flatten()[:, None]
                counts.aperiodicity[speaker] += (probabilities.T @ sums).double()
        return {
            name: torch.stack(values).mean()
            for name, values in (("moved", mean_change), ("sure", confidence))
            if values
        }

    def freeze(
        self, networks: nn.ModuleDict, options: GmmOptions, facts: MeasuredSpeakersFacts, target: str | None = None
    ) -> FreezePlan:
        speakers, transport, mixtures, counts = (
            networks[name] for name in ("speakers", "transport", "mixtures", "counts")
        )
        assert isinstance(speakers, KnownSpeakers)
        assert isinstance(transport, Transport)
        assert isinstance(mixtures, Mixtures)
        assert isinstance(counts, ClassSums)
        chosen = target_index(speaker_names(facts), target)
        aperiodicity = torch.tensor(facts.speakers[chosen].aperiodicity)
        normal, refiner = (speakers.means, speakers.stds), ClassRefiner(mixtures, counts, chosen)
        voice = FramewiseVoice(facts.sample_rate, normal, chosen, aperiodicity, transport, refiner)
        return freeze_plan(voice, facts, options.hop_frames)


def _accumulate(
    mixtures: Mixtures, counts: ClassSums, transport: Transport, x: Tensor, voiced: Tensor, speaker: int, target: int
) -> Tensor:
    """Adds the frames x, (N, MCEPS, T), to the target's classes; returns the mean posterior of the likeliest class."""
    targets = torch.full((len(x),), target, device=x.device)
    if speaker == target:
        frames = x.mT
        probabilities = mixtures.probabilities(target, keys(frames, voiced).flatten(0, 1), SOFTENING)
        counts.own[target] += _moments(probabilities, frames.flatten(0, 1))
        return probabilities.amax(-1).mean()
    for source in (0, 1 + speaker):
        frames = transport(x, torch.full_like(targets, source), targets).mT
        probabilities = mixtures.probabilities(target, keys(frames, voiced).flatten(0, 1), SOFTENING)
        counts.transported[source, target] += _moments(probabilities, frames.flatten(0, 1))
    return probabilities.amax(-1).mean()
