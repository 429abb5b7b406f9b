"""StarGAN-VC2: any number of speakers by one generator, told who speaks and whom to become; one judge told both.

Kaneko et al., "StarGAN-VC2: Rethinking Conditional Methods for StarGAN-Based Voice Conversion" (arXiv 1907.12279):
conditional instance norm in the middle, a projection discriminator over (source, target), least squares. Here the
source is sometimes left unsaid, so that whoever speaks may; the generator hears no future but `lookahead` frames, and
its norms are settled before they are frozen.

    guise train stargan_vc2 data/anna data/ben data/carl --out RUN
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from pydantic import Field
from torch import Tensor, nn
from torch.optim import Optimizer

from models.datasets.voice_segments import VoiceSegments, several_speakers
from models.features.speech import MCEPS
from models.training.averaging import follow
from models.voices.layers import (
    CausalConv,
    DiscriminatorConv,
    Gated,
    Memory,
    NormalizedConv,
    code_of,
    freeze_norm,
    gradient_penalty,
    least_squares,
    scaled,
)
from models.voices.learned_voice import (
    Converter,
    KnownSpeakers,
    LearnedOptions,
    adams,
    averaged,
    started,
)
from models.voices.many_to_many import ManyToMany
from models.voices.transport import Transport

BLOCKS = 9


class Star2Options(LearnedOptions):
    """What `guise train stargan_vc2 --set` takes."""

    width: float = Field(0.5, gt=0, le=1, description="share of the paper's channels; 1 is the paper's")
    critic: float = Field(0.25, gt=0, le=1, description="likewise, of the discriminator's")
    batch: int = Field(8, ge=1, le=256)
    steps: int = Field(60000, ge=1)
    learning_rate: float = Field(2e-4, gt=0)
    critic_rate: float = Field(1e-4, gt=0)
    cycle: float = Field(10.0, ge=0, description="weight of the L1 between what was said and its way there and back")
    identity: float = Field(
        5.0, ge=0, description="weight of the L1 between speech and what it becomes as its own speaker"
    )
    penalty: float = Field(10.0, ge=0, description="weight of the discriminator's gradient penalty; 0: none")
    unsaid: float = Field(0.25, ge=0, le=1, description="share of the conversions in which nobody says who speaks")


class ConditionalBlock(nn.Module):
    """(N, C, T) -> the same: 5 frames, instance norm by (source, target), gate."""

    def __init__(self, channels: int, targets: int) -> None:
        super().__init__()
        self.conv = CausalConv(channels, 2 * channels, (5,))
        self.normed = NormalizedConv(2 * channels, targets, (1 + targets, targets))

    def forward(self, x: Tensor, memory: Memory, source: Tensor, target: Tensor) -> Tensor:
        return F.glu(self.normed(self.conv(x, memory), target, source, target), 1)


class StarGan2Generator(Converter):
    """2-D down and up, along time alone between; there it is told."""

    def __init__(self, width: float, targets: int, lookahead: int, start: Transport | None) -> None:
        super().__init__(lookahead, start)
        # The paper counts channels before the gate halves them.
        a, b, c = (scaled(channels, width) for channels in (64, 128, 256))
        rows = MCEPS // 4
        self.down = nn.ModuleList(
            [
                Gated(CausalConv(1, 2 * a, (5, 15)), a),
                Gated(CausalConv(a, 2 * b, (5, 5), (2, 2)), b, targets),
                Gated(CausalConv(b, 2 * c, (5, 5), (2, 2)), c, targets),
            ]
        )
        self.narrow = CausalConv(rows * c, c, (1,))
        self.narrow_normed = NormalizedConv(c, targets)
        self.blocks = nn.ModuleList(ConditionalBlock(c, targets) for _ in range(BLOCKS))
        self.widen = CausalConv(c, rows * c, (1,))
        self.up = nn.ModuleList(
            [
                Gated(CausalConv(c, 2 * 4 * b, (5, 5)), b, targets, shuffle=True),
                Gated(CausalConv(b, 2 * 4 * a, (5, 5)), a, targets, shuffle=True),
            ]
        )
        self.last = CausalConv(a, 1, (5, 15))
        self.begin()

    def answers(self, x: Tensor, source: Tensor, target: Tensor, memory: Memory) -> Tensor:
        x = x[:, None]
        for layer in self.down:
            x = layer(x, memory, target)
        n, channels, rows, frames = x.shape
        x = self.narrow_normed(self.narrow(x.reshape(n, channels * rows, frames), memory), target)
        for block in self.blocks:
            x = block(x, memory, source, target)
        x = self.widen(x, memory).reshape(n, channels, rows, frames)
        for layer in self.up:
            x = layer(x, memory, target)
        answer: Tensor = self.last(x, memory)[:, 0]
        return answer


class StarGan2Discriminator(nn.Module):
    """(N, MCEPS, T), a source (N,), 0 for nobody said, and a target (N,) -> (N,) verdicts: has this been that?"""

    def __init__(self, width: float, targets: int) -> None:
        super().__init__()
        a, b, c, d = (scaled(channels, width) for channels in (128, 256, 512, 1024))
        self.layers = nn.Sequential(
            DiscriminatorConv(1, a, (3, 3), (2, 2), norm=False),
            DiscriminatorConv(a, b, (3, 3), (2, 2)),
            DiscriminatorConv(b, c, (3, 3), (2, 2)),
            DiscriminatorConv(c, d, (3, 3), (2, 2)),
            DiscriminatorConv(d, d, (1, 5), (1, 1)),
        )
        self.last = nn.Linear(d, 1)
        self.source, self.target = code_of(1 + targets, d), code_of(targets, d)

    def forward(self, x: Tensor, source: Tensor, target: Tensor) -> Tensor:
        seen = self.layers(x[:, None])
        # The paper sums; the mean is the same but for a factor that then does not grow with the crop.
        pooled = seen.mean((2, 3))
        verdicts: Tensor = self.last(pooled)[:, 0] + ((self.source(source) + self.target(target)) * pooled).sum(1)
        return verdicts


class StarGanVc2(ManyToMany):
    """The family; see models.training.family.Family."""

    name = "stargan_vc2"
    options = Star2Options
    recipes: Mapping[str, Mapping[str, Any]] = {
        "default": {},
        "paper": {"width": 1.0, "critic": 1.0, "steps": 300000, "skip": False, "average": 0.0, "unsaid": 0.0},
    }

    def data(self, folders: Sequence[Path], options: Star2Options) -> VoiceSegments:
        return several_speakers(self.name, folders, options.frames)

    def networks(self, options: Star2Options, facts: Mapping[str, Any]) -> nn.ModuleDict:
        count = len(facts["speakers"])
        networks = nn.ModuleDict(
            {
                "speakers": KnownSpeakers(facts),
                "generator": StarGan2Generator(options.width, count, options.lookahead, started(options, facts)),
                "discriminator": StarGan2Discriminator(options.critic, count),
            }
        )
        averaged(networks, "generator", options)
        return networks

    def optimizers(self, networks: nn.ModuleDict, options: Star2Options) -> dict[str, Optimizer]:
        rates = {"generator": options.learning_rate, "discriminator": options.critic_rate}
        return adams(networks, rates)

    def step(
        self,
        fabric: Fabric,
        networks: Mapping[str, nn.Module],
        optimizers: Mapping[str, Optimizer],
        batch: Mapping[str, Tensor],
        step: int,
        options: Star2Options,
    ) -> dict[str, Tensor]:
        generator, discriminator = networks["generator"], networks["discriminator"]
        freeze_norm(generator, step >= options.settle)
        x, speaker = batch["mcep"], batch["speaker"]
        speakers = networks["speakers"]
        assert isinstance(speakers, KnownSpeakers)
        target, somebody = speakers.drawn(speaker), speakers.drawn(speaker)
        said = torch.rand(speaker.shape, device=speaker.device) >= options.unsaid
        source = torch.where(said, speaker + 1, 0)
        made = generator(x, source, target)

        # What is real has come from nobody: any source is as good.
        came_from = torch.where(said, somebody + 1, 0)
        judged = (
            least_squares(discriminator(x, came_from, speaker), 1)
            + least_squares(discriminator(made.detach(), source, target), 0)
        ) / 2
        losses = {"discriminator": judged}
        if options.penalty:
            losses["slope"] = gradient_penalty(lambda between: discriminator(between, source, target), x, made)
            judged = judged + options.penalty * losses["slope"]
        optimizers["discriminator"].zero_grad()
        fabric.backward(judged)
        optimizers["discriminator"].step()

        discriminator.requires_grad_(False)
        losses["adversarial"] = least_squares(discriminator(made, source, target), 1)
        losses["cycle"] = F.l1_loss(generator(made, target + 1, speaker), x)
        loss = losses["adversarial"] + options.cycle * losses["cycle"]
        if step < options.identity_steps:
            # As its own speaker: by the target's code it would learn to convert nothing.
            losses["identity"] = F.l1_loss(generator(x, source, speaker), x)
            loss = loss + options.identity * losses["identity"]
        optimizers["generator"].zero_grad()
        fabric.backward(loss)
        discriminator.requires_grad_(True)
        optimizers["generator"].step()
        if options.average:
            follow(networks["generator_average"], generator, step, options.average)
        return {name: loss.detach() for name, loss in losses.items()}
