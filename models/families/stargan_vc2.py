"""StarGAN-VC2: one generator for any number of speakers, conditioned on source and target; one discriminator, likewise.

Kaneko et al., "StarGAN-VC2: Rethinking Conditional Methods for StarGAN-Based Voice Conversion" (arXiv 1907.12279):
conditional instance norm in the middle, a projection discriminator over (source, target), least squares. Here the
source is sometimes given as unknown, so that any speaker can be converted; the generator is causal but for `lookahead`
frames, and in the last part of training its norms are constant, as in the frozen voice.

    guise train stargan_vc2 data/anna data/ben data/carl --out RUN
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from pydantic import Field, JsonValue
from torch import Tensor, nn
from torch.optim import Optimizer

from models.datasets.voice_segments import VoiceSegments, several_speakers
from models.features.speech import MCEPS
from models.prepare.voice_facts import MeasuredSpeakersFacts
from models.training.averaging import follow
from models.training.family import Batch, Family
from models.voices.adversarial import adversarial_step
from models.voices.layers import (
    CausalConv,
    DiscriminatorConv,
    Gated,
    Memory,
    NormalizedConv,
    code_embedding,
    gradient_penalty,
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
    start_transport,
)
from models.voices.many_to_many import ManyToMany
from models.voices.transport import Transport

BLOCKS = 9


class Star2Options(LearnedOptions):
    """Options of `guise train stargan_vc2` (`--set`)."""

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
    """(N, C, T) -> the same: convolution of 5 frames, instance norm conditioned on (source, target), gate."""

    def __init__(self, channels: int, targets: int) -> None:
        super().__init__()
        self.conv = CausalConv(channels, 2 * channels, (5,))
        self.normed = NormalizedConv(2 * channels, targets, (1 + targets, targets))

    def forward(self, x: Tensor, memory: Memory, source: Tensor, target: Tensor) -> Tensor:
        return F.glu(self.normed(self.conv(x, memory), target, source, target), 1)


class StarGan2Generator(Converter):
    """2-D down and up, convolutions along time between; these are conditioned on the source."""

    def __init__(self, width: float, targets: int, lookahead: int, start: Transport | None) -> None:
        super().__init__(lookahead, start)
        # The paper counts channels before the gate halves them.
        a, b, c = (scaled_channels(channels, width) for channels in (64, 128, 256))
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
        self.zero_last()

    def predict(self, x: Tensor, source: Tensor, target: Tensor, memory: Memory) -> Tensor:
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
        output: Tensor = self.last(x, memory)[:, 0]
        return output


class StarGan2Discriminator(nn.Module):
    """(N, MCEPS, T), a source (N,), 0 for unknown, and a target (N,) -> (N,) scores of being real speech."""

    def __init__(self, width: float, targets: int) -> None:
        super().__init__()
        a, b, c, d = (scaled_channels(channels, width) for channels in (128, 256, 512, 1024))
        self.layers = nn.Sequential(
            DiscriminatorConv(1, a, (3, 3), (2, 2), norm=False),
            DiscriminatorConv(a, b, (3, 3), (2, 2)),
            DiscriminatorConv(b, c, (3, 3), (2, 2)),
            DiscriminatorConv(c, d, (3, 3), (2, 2)),
            DiscriminatorConv(d, d, (1, 5), (1, 1)),
        )
        self.last = nn.Linear(d, 1)
        self.source, self.target = code_embedding(1 + targets, d), code_embedding(targets, d)

    def forward(self, x: Tensor, source: Tensor, target: Tensor) -> Tensor:
        features = self.layers(x[:, None])
        # The paper sums; the mean differs by a factor that then does not grow with the crop.
        pooled = features.mean((2, 3))
        scores: Tensor = self.last(pooled)[:, 0] + ((self.source(source) + self.target(target)) * pooled).sum(1)
        return scores


class StarGanVc2(ManyToMany, Family[Star2Options, MeasuredSpeakersFacts]):
    """The family; see models.training.family.Family."""

    name = "stargan_vc2"
    options = Star2Options
    facts = MeasuredSpeakersFacts
    recipes: Mapping[str, Mapping[str, JsonValue]] = {
        "default": {},
        "paper": {"width": 1.0, "critic": 1.0, "steps": 300000, "skip": False, "average": 0.0, "unsaid": 0.0},
    }

    def data(self, folders: Sequence[Path], options: Star2Options) -> VoiceSegments:
        return several_speakers(self.name, folders, options.frames)

    def networks(self, options: Star2Options, facts: MeasuredSpeakersFacts) -> nn.ModuleDict:
        count = len(facts.speakers)
        networks = nn.ModuleDict(
            {
                "speakers": KnownSpeakers(facts),
                "generator": StarGan2Generator(
                    options.width, count, options.lookahead, start_transport(options, facts)
                ),
                "discriminator": StarGan2Discriminator(options.critic, count),
            }
        )
        add_average(networks, "generator", options)
        return networks

    def optimizers(self, networks: nn.ModuleDict, options: Star2Options) -> dict[str, Optimizer]:
        rates = {"generator": options.learning_rate, "discriminator": options.critic_rate}
        return adam_optimizers(networks, rates)

    def step(
        self,
        fabric: Fabric,
        networks: Mapping[str, nn.Module],
        optimizers: Mapping[str, Optimizer],
        batch: Batch,
        step: int,
        options: Star2Options,
    ) -> dict[str, Tensor]:
        generator, discriminator = networks["generator"], networks["discriminator"]
        use_running_sums(generator, step >= options.settle)
        x, speaker = batch["mcep"], batch["speaker"]
        speakers = networks["speakers"]
        assert isinstance(speakers, KnownSpeakers)
        target, other = speakers.draw(speaker), speakers.draw(speaker)
        source_known = torch.rand(speaker.shape, device=speaker.device) >= options.unsaid
        source = torch.where(source_known, speaker + 1, 0)
        fake = generator(x, source, target)

        # Real speech has no source: any number is as good.
        real_source = torch.where(source_known, other + 1, 0)
        loss_d = (
            least_squares(discriminator(x, real_source, speaker), 1)
            + least_squares(discriminator(fake.detach(), source, target), 0)
        ) / 2
        losses = {"discriminator": loss_d}
        if options.penalty:
            losses["slope"] = gradient_penalty(lambda mixed: discriminator(mixed, source, target), x, fake)
            loss_d = loss_d + options.penalty * losses["slope"]

        def generator_loss() -> Tensor:
            losses["adversarial"] = least_squares(discriminator(fake, source, target), 1)
            losses["cycle"] = F.l1_loss(generator(fake, target + 1, speaker), x)
            loss_g = losses["adversarial"] + options.cycle * losses["cycle"]
            if step < options.identity_steps:
                # With its own speaker as the target: with the target's code the generator would learn to convert
                # nothing.
                losses["identity"] = F.l1_loss(generator(x, source, speaker), x)
                loss_g = loss_g + options.identity * losses["identity"]
            return loss_g

        adversarial_step(fabric, networks, optimizers, {"discriminator": loss_d}, ("generator",), generator_loss)
        if options.average:
            follow(networks["generator_average"], generator, step, options.average)
        return {name: loss.detach() for name, loss in losses.items()}
