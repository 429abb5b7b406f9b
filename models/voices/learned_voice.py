"""The common base of the learned voices: the interface of a converter network, how it is frozen, and its pictures for
the log.

A converter reads mel-cepstra normalised by the speaker's statistics (models.voices.speaker_stats) and learns what to
add to the output of models.voices.transport, which is the conversion of the family `statistics`. F0 is converted by the
statistics of ln F0.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from models.features.speech import MCEPS, decode_envelope
from models.prepare.voice_facts import MeasuredSpeakersFacts
from models.training.family import FamilyOptions, FreezePlan
from models.voices.features_voice import FeaturesVoice, freeze_plan
from models.voices.layers import Memory
from models.voices.speaker_stats import (
    INPUT_LIMIT,
    LEVEL_SCALE,
    PRIOR_16K_MEAN,
    PRIOR_16K_STD,
    network_input,
    normals,
    speaker_names,
    target_index,
)
from models.voices.transport import MAX_BOOST_NEPERS, MAX_CUT_NEPERS, People, Transport, universal_prior

STRIDES = 4
"""Frames that the networks take at once: the product of their strides along time."""
SILENCE_LEVEL = -18.0
"""About the level that WORLD finds for digital silence; initial value of the delayed level."""


class LearnedOptions(FamilyOptions):
    """Options of all learned voices (`--set`)."""

    lookahead: int = Field(4, ge=0, le=16, multiple_of=STRIDES, description="frames of 5 ms it waits before it answers")
    hop_frames: int = Field(
        4, ge=STRIDES, le=16, multiple_of=STRIDES, description="frames of 5 ms that the frozen voice takes at once"
    )
    frames: int = Field(128, ge=32, le=1024, multiple_of=16, description="frames of a crop")
    skip: bool = Field(
        True,
        description="the network learns what to add to the voice by statistics, nothing at first; False is the paper's",
    )
    identity_steps: int = Field(
        10000, ge=0, description="first steps in which a target's own speech must stay as it is"
    )
    settle: int = Field(
        1000, ge=1, description="first steps in which norms go by each crop, as in the paper; then as they are frozen"
    )
    average: float = Field(
        0.999, ge=0, lt=1, description="decay of the averaged generator that is frozen; 0 freezes the last one"
    )


class Converter(nn.Module):
    """(N, MCEPS, T) normalised frames of a source -> (N, MCEPS, T), the target's; T is a multiple of STRIDES.

    Subclasses implement `predict` and set `last`, the layer that starts at zero where the network learns a
    correction.
    """

    last: nn.Module

    def __init__(self, lookahead: int, start: Transport | None) -> None:
        """start: the transport that the prediction is added to; None: the prediction is the output."""
        super().__init__()
        self.lookahead, self.start = lookahead, start

    def zero_last(self) -> None:
        """Zeroes the last layer if the prediction is added to a transport; else leaves the drawn weights."""
        if self.start is not None:
            for weights in self.last.parameters():
                nn.init.zeros_(weights)

    def predict(self, x: Tensor, source: Tensor, target: Tensor, memory: Memory) -> Tensor:
        """The network's output; at each frame it belongs to the frame `lookahead` before. source: (N,) int64, 0 for an
        unknown speaker, then the run's speakers; target: (N,) int64, from 0."""
        raise NotImplementedError

    def combine(
        self, x: Tensor, predicted: Tensor, source: Tensor, target: Tensor, correlations: Tensor | None = None
    ) -> Tensor:
        """The conversion of x, given the prediction for the same frames; correlations: see Transport."""
        return predicted if self.start is None else self.start(x, source, target, correlations) + predicted

    def forward(self, x: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """Of crops, which are extended by reflection for the lookahead."""
        padded = F.pad(x, (0, self.lookahead), mode="reflect") if self.lookahead else x
        predicted = self.predict(padded.clamp(-INPUT_LIMIT, INPUT_LIMIT), source, target, Memory())
        return self.combine(x, predicted[..., self.lookahead :].float(), source, target)


class KnownSpeakers(nn.Module):
    """Means and standard deviations of a run's speakers, as measured by models.datasets.voice_segments; saved in
    checkpoints."""

    normal: Tensor

    def __init__(self, facts: MeasuredSpeakersFacts) -> None:
        super().__init__()
        self.register_buffer("normal", normals(facts.speakers))

    def draw(self, template: Tensor) -> Tensor:
        """Random speaker numbers, in the shape of `template`."""
        return torch.randint(0, len(self.normal), template.shape, device=template.device)

    @property
    def means(self) -> Tensor:
        """float64 (speakers, MCEPS), ln F0 in place of c0."""
        return self.normal[:, 0]

    @property
    def stds(self) -> Tensor:
        return self.normal[:, 1]


def start_transport(options: LearnedOptions, facts: MeasuredSpeakersFacts) -> Transport | None:
    """The transport that a converter adds to; None where the option `skip` is off."""
    return transport_of(facts) if options.skip else None


def transport_of(facts: MeasuredSpeakersFacts) -> Transport:
    """From an unknown speaker, or a speaker of the run, to each of its speakers."""
    speakers, normal = facts.speakers, normals(facts.speakers)
    lower = torch.tril_indices(MCEPS - 1, MCEPS - 1, -1)
    correlations = torch.eye(MCEPS - 1, dtype=torch.float64).repeat(len(speakers), 1, 1)
    for correlation, speaker in zip(correlations, speakers, strict=True):
        lower_part = torch.tensor(speaker.correlation, dtype=torch.float64)
        correlation[lower[0], lower[1]] = correlation[lower[1], lower[0]] = lower_part
    levels = torch.tensor([speaker.levels for speaker in speakers], dtype=torch.float64)
    people = People(normal[:, 0], normal[:, 1], correlations, levels)
    return Transport(people, universal_prior(facts.sample_rate, people))


def add_average(networks: nn.ModuleDict, name: str, options: LearnedOptions) -> None:
    """Adds a copy of network `name` that averages its weights, if the options ask for one."""
    if options.average:
        networks[f"{name}_average"] = copy.deepcopy(networks[name]).requires_grad_(False)


def adam_optimizers(networks: nn.ModuleDict, rates: Mapping[str, float]) -> dict[str, Optimizer]:
    """Adam for each named network at its rate, with the moment decays usual for adversarial networks."""
    return {
        name: Adam(networks[name].parameters(), rate, betas=(0.5, 0.999), fused=True) for name, rate in rates.items()
    }


def final_network(networks: nn.ModuleDict | Mapping[str, nn.Module], name: str) -> Converter:
    """The network to freeze: the averaged copy where there is one."""
    average = f"{name}_average"
    network = networks[average] if average in networks else networks[name]
    assert isinstance(network, Converter)
    return network


class LearnedVoice(FeaturesVoice):
    """Consecutive frames -> the target's, and the states: the frozen module. See export.artifact.manifest.Manifest."""

    def __init__(
        self, sample_rate: int, normal: tuple[Tensor, Tensor], target: int, aperiodicity: Tensor, converter: Converter
    ) -> None:
        super().__init__(sample_rate, normal, target, aperiodicity, converter.start)
        self.converter = converter

    def forward(self, mcep: Tensor, lf0: Tensor, voiced: Tensor, source: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """`states`: those of `self.states`, `late` where there is a lookahead, and the network's memory."""
        features, past = self.observe(mcep, lf0, voiced, source, states)
        x = network_input(mcep, features.normalized)
        current = torch.cat([x, mcep[..., :1] - SILENCE_LEVEL, features.pitch[..., None], voiced[..., None]], -1)
        delayed: tuple[Tensor, ...] = ()
        if self.converter.lookahead:
            joined = torch.cat([past[0], current], 1)
            current, delayed, past = joined[:, : x.shape[1]], (joined[:, x.shape[1] :],), past[1:]
        memory = Memory(past)
        normalized = x.transpose(1, 2).clamp(-INPUT_LIMIT, INPUT_LIMIT)
        predicted = self.converter.predict(normalized, features.source, features.target, memory)
        delayed_input = current[..., :MCEPS]
        output = self.converter.combine(
            delayed_input.mT, predicted, features.source, features.target, features.correlations
        ).mT
        moved, _ = self.denormalizer(output, voiced)
        gain = (LEVEL_SCALE * (output - delayed_input)[..., :1]).clamp(-MAX_CUT_NEPERS, MAX_BOOST_NEPERS)
        level = current[..., MCEPS : MCEPS + 1] + SILENCE_LEVEL + gain
        return (
            torch.cat([level, moved], -1),
            current[..., MCEPS + 1] + 0,
            current[..., MCEPS + 2] + 0,
            self.denormalizer.aperiodicity(current[..., MCEPS + 2]),
            *features.states,
            *delayed,
            *memory.kept,
        )


def freeze_voice(
    converter: Converter, speakers: nn.Module, facts: MeasuredSpeakersFacts, target: str | None, frames: int
) -> FreezePlan:
    """The plan for `converter` with the named target, `frames` frames at once. Raises WrongTarget."""
    assert isinstance(speakers, KnownSpeakers)
    chosen = target_index(speaker_names(facts), target)
    # A copy: freezing must not change the run's networks.
    converter = copy.deepcopy(converter).float().eval().requires_grad_(False)
    aperiodicity = torch.tensor(facts.speakers[chosen].aperiodicity)
    voice = LearnedVoice(facts.sample_rate, (speakers.means, speakers.stds), chosen, aperiodicity, converter)
    memory = Memory()
    one = torch.zeros(1, dtype=torch.int64)
    with torch.no_grad():
        converter.predict(torch.zeros(1, MCEPS, frames), one, one, memory)
    delayed = {"late": torch.zeros(1, converter.lookahead, MCEPS + 3)} if converter.lookahead else {}
    kept = {f"memory_{number}": torch.zeros_like(part) for number, part in enumerate(memory.kept)}
    return freeze_plan(voice, facts, frames, delayed | kept, converter.lookahead, round(memory.reach * frames))


def spectrograms(rows: Sequence[Sequence[Tensor]]) -> Tensor:
    """(3, height, width) in 0..1: a row of spectrograms for each of `rows`, of (MCEPS, T) normalised by the universal
    prior, high frequencies at the top."""
    pictures = [np.concatenate([_spectrogram(one) for one in row], 1) for row in rows]
    return torch.from_numpy(np.concatenate(pictures, 0))[None].expand(3, -1, -1).clone()


def _spectrogram(values: Tensor) -> NDArray[np.float32]:
    """(MCEPS, T) -> (height, T), 60 dB from black to white."""
    mcep = values.float().cpu().numpy().T * np.array(PRIOR_16K_STD) + np.array(PRIOR_16K_MEAN)
    db = 10 * np.log10(np.maximum(decode_envelope(mcep, 16000), 1e-20))
    shade = np.clip((db - db.max() + 60) / 60, 0, 1).astype(np.float32)
    # A quarter of the bins: the cepstra resolve no more.
    return np.ascontiguousarray(np.pad(shade[:, ::4].T[::-1], 1))


def convert(converter: Converter, x: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """The converter's output in eval mode, as it would be frozen."""
    training = converter.training
    converter.eval()
    with torch.no_grad():
        output: Tensor = converter(x, source, target)
    converter.train(training)
    return output
