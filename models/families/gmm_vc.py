"""gmm_vc: another voice by classes of sounds, each with a way of its own from what the performer says to what the
target would say, learned by counting, without parallel sentences.

Which sound it is, is said by a mixture of Gaussians over the target's frames, as in Stylianou et al., "Continuous
probabilistic transform for voice conversion" (IEEE TSAP 6, 1998). Theirs learns the way from pairs; here
models.voices.transport brings the performer near the target, and within each class mean and spread are then brought
onto the target's, as registration of two clouds of points does. The mixture is learned by expectation and maximisation
batch by batch (Cappe and Moulines, "On-line expectation-maximization algorithm for latent data models", JRSS B 71,
2009).

    guise train gmm_vc data/anna data/ben data/carl --out RUN
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from pydantic import Field
from torch import Tensor, nn
from torch.optim import Optimizer

from models.datasets.voice_segments import VoiceSegments, several_speakers
from models.features.speech import MCEPS, aperiodicity_bands
from models.training.family import FamilyOptions, FreezePlan
from models.voices.framewise_voice import FramewiseVoice, Refiner
from models.voices.learned_voice import KnownSpeakers, transport_of
from models.voices.speaker_stats import LEVEL_SPREAD, QUIETEST, speaker_names, target_index
from models.voices.transport import Transport
from models.voices.voice_of_frames import freeze_plan

KEYS = 20
"""So many of the lowest MCEPs say which sound it is, beside level and voicing."""
LOUDER, VOICED = LEVEL_SPREAD, 2.0
"""What level and voicing weigh against a spread of an MCEP."""
LOUDEST = 2.5
"""Levels beyond are no other sound."""
LEAST_VARIANCE = 0.05
UNSURE = 0.3
"""The chances' exponent: twenty numbers that are no Gaussians and no strangers to each other are not so sure."""
BELIEVED = 0.004
"""A class that holds so large a share of somebody's frames is half believed."""
STEEPEST = 2.0


class GmmOptions(FamilyOptions):
    """What `guise train gmm_vc --set` takes."""

    classes: int = Field(64, ge=1, le=512)
    batch: int = Field(16, ge=1, le=1024)
    steps: int = Field(600, ge=2, description="the first two thirds find the classes, the others count in them")
    frames: int = Field(128, ge=32, le=1024, multiple_of=16, description="frames of a crop")
    hop_frames: int = Field(4, ge=1, le=16, description="frames of 5 ms that the frozen voice takes at once")


def keys(said: Tensor, voiced: Tensor) -> Tensor:
    """(..., MCEPS) as networks read it and (...) -> (..., KEYS + 2): by what sounds are told apart."""
    level = LOUDER * said[..., :1].clamp(QUIETEST, LOUDEST)
    return torch.cat([said[..., 1 : 1 + KEYS], level, VOICED * voiced[..., None]], -1)


class Mixtures(nn.Module):
    """Each speaker's mixture of diagonal Gaussians over his own keys, as running sums a frame."""

    weight: Tensor
    first: Tensor
    second: Tensor

    def __init__(self, speakers: int, classes: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(speakers, classes))
        self.register_buffer("first", torch.zeros(speakers, classes, KEYS + 2))
        self.register_buffer("second", torch.zeros(speakers, classes, KEYS + 2))

    def chances(self, speaker: int, key: Tensor, exponent: float = 1.0) -> Tensor:
        """(frames, KEYS + 2) -> (frames, classes)."""
        weight, mean, variance = self.gaussians(speaker)
        logits = gaussian_logits(key, weight, mean, variance)
        return torch.softmax(exponent * logits, -1)

    def gaussians(self, speaker: int) -> tuple[Tensor, Tensor, Tensor]:
        """Weights (classes,), means and variances (classes, KEYS + 2)."""
        weight = self.weight[speaker].clamp(min=1e-6)
        mean = self.first[speaker] / weight[:, None]
        return weight, mean, (self.second[speaker] / weight[:, None] - mean.square()).clamp(min=LEAST_VARIANCE)

    def learn(self, speaker: int, key: Tensor, rate: float) -> Tensor:
        """One step towards the frames `key`; how far the means moved, the mean over all."""
        classes = len(self.weight[speaker])
        if not self.weight[speaker].any():
            # Some frames are the classes at first, each as wide as all of them.
            picked = key[torch.linspace(0, len(key) - 1, classes, device=key.device).long()]
            self.weight[speaker] = 1 / classes
            self.first[speaker] = picked / classes
            self.second[speaker] = (picked.square() + key.var(0)) / classes
        before = self.gaussians(speaker)[1]
        chances = self.chances(speaker, key) / len(key)
        for kept, found in (
            (self.weight, chances.sum(0)),
            (self.first, chances.T @ key),
            (self.second, chances.T @ key.square()),
        ):
            kept[speaker].lerp_(found, rate)
        return (self.gaussians(speaker)[1] - before).abs().mean()


def gaussian_logits(key: Tensor, weight: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """ln of each class's share in each frame, but for what all have in common; by products of matrices: it is fast."""
    constant = weight.log() - 0.5 * (variance.log() + mean.square() / variance).sum(-1)
    return key @ (mean / variance).mT - 0.5 * key.square() @ (1 / variance).mT + constant


class Counts(nn.Module):
    """What lay in the classes of each target: of his own frames, and of each source's as the transport brings them."""

    own: Tensor
    brought: Tensor
    breath: Tensor

    def __init__(self, speakers: int, classes: int, bands: int) -> None:
        """own: (targets, classes, 1 + 2 * MCEPS), count, sum and sum of squares; brought: (sources, targets, ...)
        likewise, source 0 whoever speaks; breath: (targets, classes, 1 + bands), of voiced frames."""
        super().__init__()
        for name, size in (
            ("own", (speakers, classes, 1 + 2 * MCEPS)),
            ("brought", (1 + speakers, speakers, classes, 1 + 2 * MCEPS)),
            ("breath", (speakers, classes, 1 + bands)),
        ):
            self.register_buffer(name, torch.zeros(size, dtype=torch.float64))


def _moments(chances: Tensor, values: Tensor) -> Tensor:
    """(frames, classes) and (frames, n) -> (classes, 1 + 2 * n), float64."""
    values = torch.cat([torch.ones_like(values[:, :1]), values, values.square()], -1).double()
    return chances.double().T @ values


class Classes(Refiner):
    """The ways of all classes to one target, mixed by what is heard."""

    weight: Tensor
    mean: Tensor
    variance: Tensor
    stretch: Tensor
    shift: Tensor
    breath: Tensor

    def __init__(self, mixtures: Mixtures, counts: Counts, target: int) -> None:
        super().__init__()
        for name, part in zip(("weight", "mean", "variance"), mixtures.gaussians(target), strict=True):
            self.register_buffer(name, part.clone())
        own, brought = counts.own[target], counts.brought[:, target]
        mean, spread = _mean_and_spread(own)
        was, was_spread = _mean_and_spread(brought)
        share = brought[..., :1] / brought[..., :1].sum(1, keepdim=True).clamp(min=1)
        believed = share / (share + BELIEVED)
        believed = believed * (own[..., :1] / own[..., :1].sum().clamp(min=1) > BELIEVED / 10)
        stretch = (1 + believed * (spread / was_spread - 1)).clamp(1 / STEEPEST, STEEPEST)
        # The level is the transport's alone.
        stretch[..., 0] = 1
        shift = was * (1 - stretch) + believed * (mean - was)
        shift[..., 0] = 0
        self.register_buffer("stretch", stretch.float())
        self.register_buffer("shift", shift.float())
        everywhere = counts.breath[target].sum(0, keepdim=True)
        # A class where he hardly voices has the breath of all.
        breath = counts.breath[target] + 20 * everywhere / everywhere[:, :1].clamp(min=1)
        self.register_buffer("breath", (breath[:, 1:] / breath[:, :1].clamp(min=1e-9)).float())

    def forward(self, said: Tensor, voiced: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
        logits = gaussian_logits(keys(said, voiced), self.weight, self.mean, self.variance)
        chances = torch.softmax(UNSURE * logits, -1)
        return said * (chances @ self.stretch[source]) + chances @ self.shift[source], chances @ self.breath


def _mean_and_spread(sums: Tensor) -> tuple[Tensor, Tensor]:
    """(..., 1 + 2 * n) -> (..., n) each."""
    mean, square = (sums[..., 1:] / sums[..., :1].clamp(min=1e-9)).chunk(2, -1)
    return mean, (square - mean.square()).clamp(min=1e-3).sqrt()


class GmmVc:
    """The family; see models.training.family.Family."""

    name = "gmm_vc"
    kind = "voice"
    options = GmmOptions
    recipes: Mapping[str, Mapping[str, Any]] = {"default": {}}

    def data(self, folders: Sequence[Path], options: GmmOptions) -> VoiceSegments:
        return several_speakers(self.name, folders, options.frames)

    def networks(self, options: GmmOptions, facts: Mapping[str, Any]) -> nn.ModuleDict:
        count = len(facts["speakers"])
        return nn.ModuleDict(
            {
                "speakers": KnownSpeakers(facts),
                "transport": transport_of(facts),
                "mixtures": Mixtures(count, options.classes),
                "counts": Counts(count, options.classes, aperiodicity_bands(facts["sample_rate"])),
            }
        )

    def optimizers(self, networks: nn.ModuleDict, options: GmmOptions) -> dict[str, Optimizer]:
        return {}

    def step(
        self,
        fabric: Fabric,
        networks: Mapping[str, nn.Module],
        optimizers: Mapping[str, Optimizer],
        batch: Mapping[str, Tensor],
        step: int,
        options: GmmOptions,
    ) -> dict[str, Tensor]:
        mixtures, counts, transport = (networks[name] for name in ("mixtures", "counts", "transport"))
        assert isinstance(mixtures, Mixtures)
        assert isinstance(counts, Counts)
        assert isinstance(transport, Transport)
        if fabric.world_size > 1:
            # Each process counts what all of them have read, so that they stay alike.
            batch = {name: torch.as_tensor(fabric.all_gather(part)).flatten(0, 1) for name, part in batch.items()}
        finding = 2 * options.steps // 3
        moved, sure = [], []
        with torch.no_grad():
            for speaker in sorted(set(batch["speaker"].tolist())):
                chosen = batch["speaker"] == speaker
                x, voiced = batch["mcep"][chosen], (batch["lf0"][chosen] > 0).float()
                if step < finding:
                    moved.append(mixtures.learn(speaker, keys(x.mT, voiced).flatten(0, 1), (step + 2) ** -0.6))
                    continue
                for target in range(len(mixtures.weight)):
                    sure.append(_count(mixtures, counts, transport, x, voiced, speaker, target))
                chances = mixtures.chances(speaker, keys(x.mT, voiced).flatten(0, 1), UNSURE)
                breath = batch["aperiodicity"][chosen].mT.flatten(0, 1)
                sung = torch.cat([torch.ones_like(breath[:, :1]), breath], -1) * voiced.flatten()[:, None]
                counts.breath[speaker] += (chances.T @ sung).double()
        return {name: torch.stack(values).mean() for name, values in (("moved", moved), ("sure", sure)) if values}

    def samples(self, networks: Mapping[str, nn.Module], batch: Mapping[str, Tensor]) -> None:
        return None

    def freeze(
        self, networks: nn.ModuleDict, options: GmmOptions, facts: Mapping[str, Any], target: str | None = None
    ) -> FreezePlan:
        speakers, transport, mixtures, counts = (
            networks[name] for name in ("speakers", "transport", "mixtures", "counts")
        )
        assert isinstance(speakers, KnownSpeakers)
        assert isinstance(transport, Transport)
        assert isinstance(mixtures, Mixtures)
        assert isinstance(counts, Counts)
        chosen = target_index(speaker_names(facts), target)
        breath = torch.tensor(facts["speakers"][chosen]["aperiodicity"])
        normal, finer = (speakers.means, speakers.spreads), Classes(mixtures, counts, chosen)
        voice = FramewiseVoice(facts["sample_rate"], normal, chosen, breath, transport, finer)
        return freeze_plan(voice, facts, options.hop_frames)


def _count(
    mixtures: Mixtures, counts: Counts, transport: Transport, x: Tensor, voiced: Tensor, speaker: int, target: int
) -> Tensor:
    """Adds the frames x, (N, MCEPS, T), to the target's classes; how sure the surest class is, the mean over them."""
    of = torch.full((len(x),), target, device=x.device)
    if speaker == target:
        said = x.mT
        chances = mixtures.chances(target, keys(said, voiced).flatten(0, 1), UNSURE)
        counts.own[target] += _moments(chances, said.flatten(0, 1))
        return chances.amax(-1).mean()
    for source in (0, 1 + speaker):
        said = transport(x, torch.full_like(of, source), of).mT
        chances = mixtures.chances(target, keys(said, voiced).flatten(0, 1), UNSURE)
        counts.brought[source, target] += _moments(chances, said.flatten(0, 1))
    return chances.amax(-1).mean()
