"""CycleGAN-VC and CycleGAN-VC2: conversion between two speakers, learned from unrelated sentences.

Kaneko and Kameoka, "Parallel-Data-Free Voice Conversion Using Cycle-Consistent Adversarial Networks" (arXiv
1711.11293), and Kaneko et al., "CycleGAN-VC2" (arXiv 1904.04631): two-step adversarial losses, 2-1-2D generators,
PatchGAN discriminators. Unlike theirs the generators are causal but for `lookahead` frames, and in the last part of
training their norms are constant, as in the frozen voice.

    guise train cyclegan_vc data/anna data/ben --out RUN
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from pydantic import BeforeValidator, Field, JsonValue
from torch import Tensor, nn
from torch.optim import Optimizer

from models.datasets.voice_segments import VoiceSegments
from models.features.speech import MCEPS
from models.prepare.data_error import DataError
from models.prepare.voice_facts import MeasuredSpeakersFacts
from models.training.averaging import follow
from models.training.family import Batch, Family, FreezePlan, SampledSound, TrainingData
from models.voices.adversarial import adversarial_step
from models.voices.layers import (
    CausalConv,
    DiscriminatorConv,
    Gated,
    Memory,
    NormalizedConv,
    least_squares,
    scaled_channels,
    use_running_sums,
)
from models.voices.learned_voice import (
    Converter,
    KnownSpeakers,
    LearnedOptions,
    adam_optimizers,
    add_average,
    convert,
    final_network,
    freeze_voice,
    spectrograms,
    start_transport,
)
from models.voices.speaker_stats import speaker_names, target_index
from models.voices.spoken_samples import Crop, sound_sample
from models.voices.transport import Transport

BLOCKS = 6
FIRST, SECOND = 0, 1
DIRECTIONS = (("to_second", "first", "second", SECOND), ("to_first", "second", "first", FIRST))
"""(generator, source, target, number of the target)"""


def _as_number(value: object) -> object:
    """What `--set` gives as a text; Literal does not convert."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


class CycleOptions(LearnedOptions):
    """Options of `guise train cyclegan_vc` (`--set`)."""

    version: Annotated[Literal[1, 2], BeforeValidator(_as_number)] = Field(
        2, description="1: CycleGAN-VC, 2: CycleGAN-VC2"
    )
    width: float = Field(
        0.25, gt=0, le=1, description="share of the paper's channels; 1 is the paper's, too slow for the stage"
    )
    critic: float = Field(0.25, gt=0, le=1, description="likewise, of the discriminators'")
    batch: int = Field(1, ge=1, le=64)
    steps: int = Field(30000, ge=1)
    learning_rate: float = Field(2e-4, gt=0)
    critic_rate: float = Field(1e-4, gt=0)
    cycle: float = Field(10.0, ge=0, description="weight of the L1 between what was said and its way there and back")
    identity: float = Field(
        5.0, ge=0, description="weight of the L1 between the target's own speech and what it becomes"
    )


class BothSpeakers(TrainingData[MeasuredSpeakersFacts]):
    """first, second: (MCEPS, frames) of either speaker; first_lf0, second_lf0: (frames,), see VoiceSegments.crop."""

    def __init__(self, segments: VoiceSegments) -> None:
        self._segments = segments
        self.facts = segments.facts

    def __len__(self) -> int:
        return len(self._segments)

    def __getitem__(self, sample: int) -> dict[str, Tensor]:
        crops = {name: self._segments.crop(sample, number) for number, name in enumerate(("first", "second"))}
        return {name: crop["mcep"] for name, crop in crops.items()} | {
            f"{name}_lf0": crop["lf0"] for name, crop in crops.items()
        }

    def held_out(self) -> BothSpeakers:
        return BothSpeakers(self._segments.held_out())


class Residual(nn.Module):
    """(N, C, T) -> the same: a gated convolution of 3 frames to `inside` channels, and one of 3 frames back."""

    def __init__(self, channels: int, inside: int) -> None:
        super().__init__()
        self.there = Gated(CausalConv(channels, 2 * inside, (3,)), inside, 1)
        self.back = CausalConv(inside, channels, (3,))
        self.normed = NormalizedConv(channels, 1)

    def forward(self, x: Tensor, memory: Memory, target: Tensor) -> Tensor:
        residual: Tensor = self.normed(self.back(self.there(x, memory, target), memory), target)
        return x + residual


class Generator1(Converter):
    """CycleGAN-VC's: MCEPs are channels of convolutions along time."""

    def __init__(self, width: float, lookahead: int, start: Transport | None) -> None:
        super().__init__(lookahead, start)
        a, b, c, d = (scaled_channels(channels, width) for channels in (128, 256, 512, 1024))
        self.down = nn.ModuleList(
            [
                Gated(CausalConv(MCEPS, 2 * a, (15,)), a),
                Gated(CausalConv(a, 2 * b, (5,), (2,)), b, 1),
                Gated(CausalConv(b, 2 * c, (5,), (2,)), c, 1),
            ]
        )
        self.blocks = nn.ModuleList(Residual(c, d) for _ in range(BLOCKS))
        self.up = nn.ModuleList(
            [
                Gated(CausalConv(c, 2 * 2 * c, (5,)), c, 1, shuffle=True),
                Gated(CausalConv(c, 2 * 2 * b, (5,)), b, 1, shuffle=True),
            ]
        )
        self.last = CausalConv(b, MCEPS, (15,))
        self.zero_last()

    def predict(self, x: Tensor, source: Tensor, target: Tensor, memory: Memory) -> Tensor:
        no_code = torch.zeros_like(target)
        for layer in (*self.down, *self.blocks, *self.up):
            x = layer(x, memory, no_code)
        output: Tensor = self.last(x, memory)
        return output


class Generator2(Converter):
    """CycleGAN-VC2's: 2-D down and up, convolutions along time between."""

    def __init__(self, width: float, lookahead: int, start: Transport | None) -> None:
        super().__init__(lookahead, start)
        a, b, c = (scaled_channels(channels, width) for channels in (128, 256, 512))
        rows = MCEPS // 4
        self.down = nn.ModuleList(
            [
                Gated(CausalConv(1, 2 * a, (5, 15)), a),
                Gated(CausalConv(a, 2 * b, (5, 5), (2, 2)), b, 1),
                Gated(CausalConv(b, 2 * b, (5, 5), (2, 2)), b, 1),
            ]
        )
        self.narrow = CausalConv(rows * b, b, (1,))
        self.narrow_normed = NormalizedConv(b, 1)
        self.blocks = nn.ModuleList(Residual(b, c) for _ in range(BLOCKS))
        self.widen = CausalConv(b, rows * b, (1,))
        self.widen_normed = NormalizedConv(rows * b, 1)
        self.up = nn.ModuleList(
            [
                Gated(CausalConv(b, 2 * 4 * b, (5, 5)), b, 1, shuffle=True),
                Gated(CausalConv(b, 2 * 4 * a, (5, 5)), a, 1, shuffle=True),
            ]
        )
        self.last = CausalConv(a, 1, (5, 15))
        self.zero_last()

    def predict(self, x: Tensor, source: Tensor, target: Tensor, memory: Memory) -> Tensor:
        no_code = torch.zeros_like(target)
        x = x[:, None]
        for layer in self.down:
            x = layer(x, memory, no_code)
        n, channels, rows, frames = x.shape
        x = self.narrow_normed(self.narrow(x.reshape(n, channels * rows, frames), memory), no_code)
        for block in self.blocks:
            x = block(x, memory, no_code)
        x = self.widen_normed(self.widen(x, memory), no_code).reshape(n, channels, rows, frames)
        for layer in self.up:
            x = layer(x, memory, no_code)
        output: Tensor = self.last(x, memory)[:, 0]
        return output


class Discriminator1(nn.Module):
    """(N, MCEPS, T) -> (N, 1) scores, for crops of `frames` frames."""

    def __init__(self, width: float, frames: int) -> None:
        super().__init__()
        a, b, c, d = (scaled_channels(channels, width) for channels in (128, 256, 512, 1024))
        self.layers = nn.Sequential(
            DiscriminatorConv(1, a, (3, 3), (1, 2), norm=False),
            DiscriminatorConv(a, b, (3, 3), (2, 2)),
            DiscriminatorConv(b, c, (3, 3), (2, 2)),
            DiscriminatorConv(c, d, (6, 3), (1, 2)),
        )
        with torch.no_grad():
            size = self.layers(torch.zeros(1, 1, MCEPS, frames)).numel()
        self.last = nn.Linear(size, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.last(self.layers(x[:, None]).flatten(1)))


class Discriminator2(nn.Module):
    """PatchGAN: (N, MCEPS, T) -> (N, 1, rows, frames / 8) scores."""

    def __init__(self, width: float) -> None:
        super().__init__()
        a, b, c, d = (scaled_channels(channels, width) for channels in (128, 256, 512, 1024))
        self.layers = nn.Sequential(
            DiscriminatorConv(1, a, (3, 3), (1, 1), norm=False),
            DiscriminatorConv(a, b, (3, 3), (2, 2)),
            DiscriminatorConv(b, c, (3, 3), (2, 2)),
            DiscriminatorConv(c, d, (3, 3), (2, 2)),
            DiscriminatorConv(d, d, (1, 5), (1, 1)),
            nn.Conv2d(d, 1, (1, 3), padding=(0, 1)),
        )

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.layers(x[:, None])
        return scores


class Discriminators(nn.Module):
    """The discriminators of a run, by the kind of crop that each tells from real speech."""

    def __init__(self, options: CycleOptions) -> None:
        super().__init__()
        self.by_crop = nn.ModuleDict(
            {
                name: Discriminator1(options.critic, options.frames)
                if options.version == 1
                else Discriminator2(options.critic)
                # Crops converted there and back have discriminators of their own: the second of CycleGAN-VC2's two
                # steps.
                for name in (
                    ("first", "second") if options.version == 1 else ("first", "second", "first_back", "second_back")
                )
            }
        )

    def forward(self, **crops: Tensor) -> dict[str, Tensor]:
        """Their scores: `first`, `second` of conversions, `first_back`, `second_back` of conversions there and back."""
        return {name: self.by_crop[name](crop) for name, crop in crops.items()}


class CycleGanVc(Family[CycleOptions, MeasuredSpeakersFacts]):
    """The family; see models.training.family.Family."""

    name = "cyclegan_vc"
    RENAMED: Mapping[str, str] = {"judges.judges.": "discriminators.by_crop.", "judges.": "discriminators."}
    kind = "voice"
    options = CycleOptions
    facts = MeasuredSpeakersFacts
    recipes: Mapping[str, Mapping[str, JsonValue]] = {
        "default": {},
        "vc1": {"version": 1},
        "paper": {
            "width": 1.0,
            "critic": 1.0,
            "steps": 200000,
            "skip": False,
            "average": 0.0,
        },
    }

    def data(self, folders: Sequence[Path], options: CycleOptions) -> BothSpeakers:
        if len(folders) != 2:
            raise DataError(
                f"cyclegan_vc learns two voices: name two prepared folders, not {len(folders)}; "
                "stargan_vc and stargan_vc2 learn more"
            )
        return BothSpeakers(VoiceSegments(folders, options.frames))

    def networks(self, options: CycleOptions, facts: MeasuredSpeakersFacts) -> nn.ModuleDict:
        networks = nn.ModuleDict({"speakers": KnownSpeakers(facts)})
        for name in ("to_first", "to_second"):
            generator = Generator1 if options.version == 1 else Generator2
            networks[name] = generator(options.width, options.lookahead, start_transport(options, facts))
            add_average(networks, name, options)
        networks["discriminators"] = Discriminators(options)
        return networks

    def optimizers(self, networks: nn.ModuleDict, options: CycleOptions) -> dict[str, Optimizer]:
        rates = {
            "to_first": options.learning_rate,
            "to_second": options.learning_rate,
            "discriminators": options.critic_rate,
        }
        return adam_optimizers(networks, rates)

    def step(
        self,
        fabric: Fabric,
        networks: Mapping[str, nn.Module],
        optimizers: Mapping[str, Optimizer],
        batch: Batch,
        step: int,
        options: CycleOptions,
    ) -> dict[str, Tensor]:
        to_first, to_second, discriminators = networks["to_first"], networks["to_second"], networks["discriminators"]
        for generator in (to_first, to_second):
            use_running_sums(generator, step >= options.settle)
        first, second = batch["first"], batch["second"]
        with_identity = step < options.identity_steps and options.identity > 0
        fake_first, *same_first = _convert(to_first, FIRST, second, *([first] if with_identity else []))
        fake_second, *same_second = _convert(to_second, SECOND, first, *([second] if with_identity else []))
        (back_first,), (back_second,) = _convert(to_first, FIRST, fake_second), _convert(to_second, SECOND, fake_first)
        real = {"first": first, "second": second}
        fake = {"first": fake_first, "second": fake_second}
        if options.version == 2:
            real |= {"first_back": first, "second_back": second}
            fake |= {"first_back": back_first, "second_back": back_second}

        scores_real = discriminators(**real)
        scores_fake = discriminators(**{name: crop.detach() for name, crop in fake.items()})
        loss_d = _sum(least_squares(scores_real[name], 1) + least_squares(scores_fake[name], 0) for name in real) / 2
        losses = {"judges": loss_d}

        def generator_loss() -> Tensor:
            adversarial = _sum(least_squares(score, 1) for score in discriminators(**fake).values())
            cycle = F.l1_loss(back_first, first) + F.l1_loss(back_second, second)
            losses.update(adversarial=adversarial, cycle=cycle)
            loss_g = adversarial + options.cycle * cycle
            if with_identity:
                losses["identity"] = F.l1_loss(same_first[0], first) + F.l1_loss(same_second[0], second)
                loss_g = loss_g + options.identity * losses["identity"]
            return loss_g

        adversarial_step(
            fabric, networks, optimizers, {"discriminators": loss_d}, ("to_first", "to_second"), generator_loss
        )
        if options.average:
            for name in ("to_first", "to_second"):
                follow(networks[f"{name}_average"], networks[name], step, options.average)
        return {name: loss.detach() for name, loss in losses.items()}

    def samples(self, networks: Mapping[str, nn.Module], batch: Batch) -> Tensor:
        rows = []
        for generator, source, target, number in DIRECTIONS:
            (converted,) = _convert(partial(convert, final_network(networks, generator)), number, batch[source])
            rows += [[a, b, c] for a, b, c in zip(batch[source][:2], converted[:2], batch[target][:2], strict=True)]
        return spectrograms(rows)

    def sounds(
        self, networks: Mapping[str, nn.Module], batch: Batch, facts: MeasuredSpeakersFacts
    ) -> dict[str, SampledSound]:
        sounds: dict[str, SampledSound] = {}
        for generator, source, target, number in DIRECTIONS:
            (converted,) = _convert(partial(convert, final_network(networks, generator)), number, batch[source][:1])
            source_crop = Crop(batch[source][0], batch[f"{source}_lf0"][0], 1 - number)
            target_crop = Crop(batch[target][0], batch[f"{target}_lf0"][0], number)
            sounds |= sound_sample(source_crop, converted[0], target_crop, facts)
        return sounds

    def freeze(
        self, networks: nn.ModuleDict, options: CycleOptions, facts: MeasuredSpeakersFacts, target: str | None = None
    ) -> FreezePlan:
        chosen = target_index(speaker_names(facts), target)
        converter = final_network(networks, ("to_first", "to_second")[chosen])
        return freeze_voice(converter, networks["speakers"], facts, target, options.hop_frames)


def _sum(losses: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(losses)).sum()


def _convert(generator: Callable[..., Tensor], target: int, other: Tensor, *own: Tensor) -> tuple[Tensor, ...]:
    """The generator to `target`, applied to the other speaker's crops and to the target's own in one batch."""
    crops = torch.cat([other, *own])
    targets = torch.full((len(crops),), target, device=crops.device)
    sources = 1 + torch.cat([1 - targets[: len(other)], targets[len(other) :]])
    return generator(crops, sources, targets).chunk(1 + len(own))
