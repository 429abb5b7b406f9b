"""StarGAN-VC: one generator for any number of speakers, conditioned on the target; a discriminator, and a classifier.

Kameoka et al., "StarGAN-VC: Non-parallel Many-to-Many Voice Conversion with Star Generative Adversarial Networks"
(arXiv 1806.02169); recipe `wgan` is the variant with a Wasserstein critic and gradient penalty. Unlike theirs the
generator is causal but for `lookahead` frames, and in the last part of training its norms are constant, as in the
frozen voice.

    guise train stargan_vc data/anna data/ben data/carl --out RUN
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from pydantic import Field, JsonValue
from torch import Tensor, nn
from torch.optim import Optimizer

from models.datasets.voice_segments import VoiceSegments, several_speakers
from models.prepare.voice_facts import MeasuredSpeakersFacts
from models.training.averaging import follow
from models.training.family import Batch, Family
from models.voices.adversarial import adversarial_step
from models.voices.layers import (
    CausalConv,
    CausalUp,
    DiscriminatorConv,
    Gated,
    Memory,
    gradient_penalty,
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

CLASSIFIED = 8
"""The classifier reads this many of the lowest MCEPs."""
NARROWEST = 5
"""Channels of the bottleneck, at any width."""


class StarOptions(LearnedOptions):
    """Options of `guise train stargan_vc` (`--set`)."""

    width: float = Field(1.0, gt=0, le=1, description="share of the paper's channels")
    critic: float = Field(1.0, gt=0, le=1, description="likewise, of the discriminator's")
    adversary: Literal["classic", "wgan"] = Field("classic", description="wgan: a critic with gradient penalty")
    batch: int = Field(8, ge=1, le=256)
    steps: int = Field(60000, ge=1)
    learning_rate: float = Field(2e-4, gt=0)
    critic_rate: float = Field(1e-4, gt=0, description="of the discriminator and the classifier")
    critic_steps: int = Field(1, ge=1, le=20, description="steps of the discriminator for one of the generator")
    cycle: float = Field(10.0, ge=0, description="weight of the L1 between what was said and its way there and back")
    identity: float = Field(
        5.0, ge=0, description="weight of the L1 between speech and what it becomes as its own speaker"
    )
    speaker: float = Field(3.0, ge=0, description="weight of being taken for the target by the classifier")
    penalty: float = Field(10.0, ge=0, description="weight of the gradient penalty, with adversary=wgan")


def with_code(x: Tensor, target: Tensor, targets: int) -> Tensor:
    """(N, C, F, T) and (N,) -> (N, C + targets, F, T): a plane of ones for the target, of zeros for the others."""
    code = F.one_hot(target, targets).to(x.dtype)[:, :, None, None]
    return torch.cat([x, code.expand(-1, -1, *x.shape[2:])], 1)


class StarGanGenerator(Converter):
    """Down to 5 channels of one row; the target's code is joined at every layer up."""

    def __init__(self, width: float, targets: int, lookahead: int, start: Transport | None) -> None:
        super().__init__(lookahead, start)
        self.targets = targets
        a, b, c = (scaled_channels(channels, width) for channels in (32, 64, 128))
        self.down = nn.ModuleList(
            [
                Gated(CausalConv(1, 2 * a, (3, 9)), a, targets),
                Gated(CausalConv(a, 2 * b, (4, 8), (2, 2)), b, targets),
                Gated(CausalConv(b, 2 * c, (4, 8), (2, 2)), c, targets),
                Gated(CausalConv(c, 2 * b, (3, 5)), b, targets),
                Gated(CausalConv(b, 2 * NARROWEST, (9, 5), (9, 1)), NARROWEST, targets),
            ]
        )
        self.up = nn.ModuleList(
            [
                Gated(CausalUp(NARROWEST + targets, 2 * b, (9, 5), (9, 1)), b, targets),
                Gated(CausalConv(b + targets, 2 * c, (3, 5)), c, targets),
                Gated(CausalUp(c + targets, 2 * b, (4, 8), (2, 2)), b, targets),
                Gated(CausalUp(b + targets, 2 * a, (4, 8), (2, 2)), a, targets),
            ]
        )
        self.last = CausalConv(a + targets, 1, (3, 9))
        self.zero_last()

    def predict(self, x: Tensor, source: Tensor, target: Tensor, memory: Memory) -> Tensor:
        x = x[:, None]
        for layer in self.down:
            x = layer(x, memory, target)
        for layer in self.up:
            x = layer(with_code(x, target, self.targets), memory, target)
        output: Tensor = self.last(with_code(x, target, self.targets), memory)[:, 0]
        return output


class StarGanDiscriminator(nn.Module):
    """(N, MCEPS, T) and a speaker (N,) -> (N, frames / 8) logits of being real speech of this speaker."""

    def __init__(self, width: float, targets: int) -> None:
        super().__init__()
        self.targets = targets
        a = scaled_channels(32, width)
        self.layers = nn.ModuleList(
            [
                DiscriminatorConv(1 + targets, a, (3, 9), (1, 1), norm=False),
                DiscriminatorConv(a + targets, a, (3, 8), (1, 2)),
                DiscriminatorConv(a + targets, a, (3, 8), (1, 2)),
                DiscriminatorConv(a + targets, a, (3, 6), (1, 2)),
            ]
        )
        self.last = nn.Conv2d(a + targets, 1, (36, 5), (36, 1), (0, 2))

    def forward(self, x: Tensor, speaker: Tensor) -> Tensor:
        features = x[:, None]
        for layer in self.layers:
            features = layer(with_code(features, speaker, self.targets))
        logits: Tensor = self.last(with_code(features, speaker, self.targets))
        return logits.flatten(1)


class Classifier(nn.Module):
    """(N, MCEPS, T) -> (N, speakers) log probabilities of the speaker."""

    def __init__(self, speakers: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            DiscriminatorConv(1, 8, (4, 4), (2, 2), norm=False),
            DiscriminatorConv(8, 16, (4, 4), (2, 2)),
            DiscriminatorConv(16, 32, (4, 4), (2, 2)),
            DiscriminatorConv(32, 16, (3, 4), (1, 2)),
            nn.Conv2d(16, speakers, (1, 4), (1, 2), (0, 2)),
        )

    def forward(self, x: Tensor) -> Tensor:
        logits = self.layers(x[:, None, :CLASSIFIED]).float().flatten(2)
        log_probabilities: Tensor = F.log_softmax(logits, 1).mean(2)
        return log_probabilities


class StarGanVc(ManyToMany, Family[StarOptions, MeasuredSpeakersFacts]):
    """The family; see models.training.family.Family."""

    name = "stargan_vc"
    options = StarOptions
    facts = MeasuredSpeakersFacts
    recipes: Mapping[str, Mapping[str, JsonValue]] = {
        "default": {},
        "paper": {"steps": 200000, "skip": False, "average": 0.0},
        "wgan": {
            "adversary": "wgan",
            "batch": 32,
            "steps": 200000,
            "learning_rate": 1e-4,
            "critic_steps": 5,
            "speaker": 10.0,
            "skip": False,
            "average": 0.0,
        },
    }

    def data(self, folders: Sequence[Path], options: StarOptions) -> VoiceSegments:
        return several_speakers(self.name, folders, options.frames)

    def networks(self, options: StarOptions, facts: MeasuredSpeakersFacts) -> nn.ModuleDict:
        count = len(facts.speakers)
        networks = nn.ModuleDict(
            {
                "speakers": KnownSpeakers(facts),
                "generator": StarGanGenerator(options.width, count, options.lookahead, start_transport(options, facts)),
                "discriminator": StarGanDiscriminator(options.critic, count),
                "classifier": Classifier(count),
            }
        )
        add_average(networks, "generator", options)
        return networks

    def optimizers(self, networks: nn.ModuleDict, options: StarOptions) -> dict[str, Optimizer]:
        rates = {"generator": options.learning_rate, "discriminator": options.critic_rate}
        rates["classifier"] = options.critic_rate
        return adam_optimizers(networks, rates)

    def step(
        self,
        fabric: Fabric,
        networks: Mapping[str, nn.Module],
        optimizers: Mapping[str, Optimizer],
        batch: Batch,
        step: int,
        options: StarOptions,
    ) -> dict[str, Tensor]:
        generator, discriminator, classifier = (networks[n] for n in ("generator", "discriminator", "classifier"))
        use_running_sums(generator, step >= options.settle)
        x, source = batch["mcep"], batch["speaker"]
        speakers = networks["speakers"]
        assert isinstance(speakers, KnownSpeakers)
        target = speakers.draw(source)
        updates_generator = step % options.critic_steps == options.critic_steps - 1
        with torch.set_grad_enabled(updates_generator):
            fake = generator(x, source + 1, target)

        discriminator_losses = {
            "discriminator": _discriminator_loss(discriminator, x, source, fake.detach(), target, options),
            "classifier": F.nll_loss(classifier(x), source),
        }
        losses = dict(discriminator_losses)

        def generator_loss() -> Tensor:
            losses["adversarial"] = _generator_loss(discriminator(fake, target), options)
            losses["speaker"] = F.nll_loss(classifier(fake), target)
            losses["cycle"] = F.l1_loss(generator(fake, target + 1, source), x)
            weights = {"adversarial": 1.0, "speaker": options.speaker, "cycle": options.cycle}
            if step < options.identity_steps:
                losses["identity"] = F.l1_loss(generator(x, source + 1, source), x)
                weights["identity"] = options.identity
            return torch.stack([weight * losses[name] for name, weight in weights.items()]).sum()

        adversarial_step(
            fabric,
            networks,
            optimizers,
            discriminator_losses,
            ("generator",),
            generator_loss if updates_generator else None,
        )
        if updates_generator and options.average:
            follow(networks["generator_average"], generator, step, options.average)
        return {name: loss.detach() for name, loss in losses.items()}


def _discriminator_loss(
    discriminator: nn.Module, real: Tensor, source: Tensor, fake: Tensor, target: Tensor, options: StarOptions
) -> Tensor:
    """The discriminator's loss."""
    logits_real, logits_fake = discriminator(real, source).float(), discriminator(fake, target).float()
    if options.adversary == "wgan":
        penalty = gradient_penalty(lambda mixed: discriminator(mixed, target), real, fake)
        distance: Tensor = logits_fake.mean() - logits_real.mean()
        return distance + options.penalty * penalty
    return -(_log_probability(logits_real) + torch.log1p(-_log_probability(logits_fake).exp())).mean()


def _generator_loss(logits: Tensor, options: StarOptions) -> Tensor:
    """The generator's adversarial loss."""
    if options.adversary == "wgan":
        return -logits.float().mean()
    return -_log_probability(logits.float()).mean()


def _log_probability(logits: Tensor) -> Tensor:
    """(N, places) -> (N,): log probability of being real, over all places. The paper multiplies their probabilities;
    this is the geometric mean, so that the discriminator's weight does not grow with the crop."""
    return F.logsigmoid(logits).mean(1).clamp(max=-1e-6)
