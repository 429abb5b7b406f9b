"""What the learned voices share: what a network that converts must offer, how it is frozen, and what is seen of it.

A network reads mel-cepstra normalised by whoever speaks, see models.voices.speaker_stats, and learns what is to be
added to what models.voices.transport makes of them, which is the conversion of the family `statistics`. F0 goes by ln
statistics.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from models.features.speech import MCEPS, decode_envelope
from models.training.family import FamilyOptions, FreezePlan
from models.voices.layers import Memory
from models.voices.speaker_stats import (
    LEVEL_SPREAD,
    PRIOR_16K_MEAN,
    PRIOR_16K_STD,
    as_networks_read,
    speaker_names,
    target_index,
)
from models.voices.transport import LOUDER_NEPERS, QUIETER_NEPERS, People, Transport, anybody
from models.voices.voice_of_frames import VoiceOfFrames, freeze_plan

STRIDES = 4
"""Frames that the networks take at once: the product of their strides along time."""
QUIET = -18.0
"""The level of what WORLD makes of digital silence, about: what is said before anything was."""
UNSEEN = 6.0
"""Spreads beyond which no network was ever taught: noise must not drive it there."""


class LearnedOptions(FamilyOptions):
    """What all learned voices take by `--set`."""

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
    """(N, MCEPS, T) normalised frames of somebody -> (N, MCEPS, T), the target's; T is a multiple of STRIDES.

    Subclasses give `answers`, and `last`, the layer whose weights are 0 at first where it learns what to add.
    """

    last: nn.Module

    def __init__(self, lookahead: int, start: Transport | None) -> None:
        """start: what its answer is added to; None: the answer is all it says."""
        super().__init__()
        self.lookahead, self.start = lookahead, start

    def begin(self) -> None:
        """Makes it add nothing, where it adds to something; else it stays as it was drawn."""
        if self.start is not None:
            for weights in self.last.parameters():
                nn.init.zeros_(weights)

    def answers(self, x: Tensor, source: Tensor, target: Tensor, memory: Memory) -> Tensor:
        """What it says at a frame of the frame `lookahead` before. source: (N,) int64, 0 for whoever speaks, then the
        speakers; target: (N,) int64, from 0 on."""
        raise NotImplementedError

    def said(self, x: Tensor, answer: Tensor, source: Tensor, target: Tensor, found: Tensor | None = None) -> Tensor:
        """The conversion of x by the answer to just these frames; found: see Transport."""
        return answer if self.start is None else self.start(x, source, target, found) + answer

    def forward(self, x: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """Of crops; beyond their ends they are mirrored."""
        beyond = F.pad(x, (0, self.lookahead), mode="reflect") if self.lookahead else x
        answer = self.answers(beyond.clamp(-UNSEEN, UNSEEN), source, target, Memory())
        return self.said(x, answer[..., self.lookahead :].float(), source, target)


class KnownSpeakers(nn.Module):
    """Means and spreads of a run's speakers, as models.datasets.voice_segments measured them: part of a checkpoint."""

    normal: Tensor

    def __init__(self, facts: Mapping[str, Any]) -> None:
        super().__init__()
        self.register_buffer("normal", _normal_of(facts))

    def drawn(self, like: Tensor) -> Tensor:
        """Numbers of any of them, as many as `like` has."""
        return torch.randint(0, len(self.normal), like.shape, device=like.device)

    @property
    def means(self) -> Tensor:
        """float64 (speakers, MCEPS), ln F0 in place of c0."""
        return self.normal[:, 0]

    @property
    def spreads(self) -> Tensor:
        return self.normal[:, 1]


def _normal_of(facts: Mapping[str, Any]) -> Tensor:
    return torch.tensor([speaker["normal"] for speaker in facts["speakers"]], dtype=torch.float64)


def started(options: LearnedOptions, facts: Mapping[str, Any]) -> Transport | None:
    """What a converter is to add to; None where the options say that it adds to nothing."""
    return transport_of(facts) if options.skip else None


def transport_of(facts: Mapping[str, Any]) -> Transport:
    """From anybody, or a speaker of the run, to each of its speakers."""
    speakers, normal = facts["speakers"], _normal_of(facts)
    lower = torch.tril_indices(MCEPS - 1, MCEPS - 1, -1)
    correlations = torch.eye(MCEPS - 1, dtype=torch.float64).repeat(len(speakers), 1, 1)
    for correlation, speaker in zip(correlations, speakers, strict=True):
        found = torch.tensor(speaker["correlation"], dtype=torch.float64)
        correlation[lower[0], lower[1]] = correlation[lower[1], lower[0]] = found
    levels = torch.tensor([speaker["levels"] for speaker in speakers], dtype=torch.float64)
    people = People(normal[:, 0], normal[:, 1], correlations, levels)
    return Transport(people, anybody(facts["sample_rate"], people))


def averaged(networks: nn.ModuleDict, name: str, options: LearnedOptions) -> None:
    """Gives network `name` another beside it that follows, where the options ask for one."""
    if options.average:
        networks[f"{name}_average"] = copy.deepcopy(networks[name]).requires_grad_(False)


def adams(networks: nn.ModuleDict, rates: Mapping[str, float]) -> dict[str, Optimizer]:
    """Adam for each network named, with its rate, and the moments' decays that adversarial networks want."""
    return {
        name: Adam(networks[name].parameters(), rate, betas=(0.5, 0.999), fused=True) for name, rate in rates.items()
    }


def best(networks: nn.ModuleDict | Mapping[str, nn.Module], name: str) -> Converter:
    """The network that is frozen: the average, where there is one."""
    average = f"{name}_average"
    found = networks[average] if average in networks else networks[name]
    assert isinstance(found, Converter)
    return found


class LearnedVoice(VoiceOfFrames):
    """Some frames in a row -> the target's, and the states: what the stage runs. See
    export.artifact.manifest.Manifest."""

    def __init__(
        self, sample_rate: int, normal: tuple[Tensor, Tensor], target: int, breath: Tensor, converter: Converter
    ) -> None:
        super().__init__(sample_rate, normal, target, breath, converter.start)
        self.converter = converter

    def forward(self, mcep: Tensor, lf0: Tensor, voiced: Tensor, source: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """`states`: those of `self.states`, `late` where there is a lookahead, and the network's memory."""
        spoken, past = self.listen(mcep, lf0, voiced, source, states)
        x = as_networks_read(mcep, spoken.heard)
        now = torch.cat([x, mcep[..., :1] - QUIET, spoken.pitch[..., None], voiced[..., None]], -1)
        late: tuple[Tensor, ...] = ()
        if self.converter.lookahead:
            whole = torch.cat([past[0], now], 1)
            now, late, past = whole[:, : x.shape[1]], (whole[:, x.shape[1] :],), past[1:]
        memory = Memory(past)
        heard = x.transpose(1, 2).clamp(-UNSEEN, UNSEEN)
        answer = self.converter.answers(heard, spoken.source, spoken.target, memory)
        answered = now[..., :MCEPS]
        said = self.converter.said(answered.mT, answer, spoken.source, spoken.target, spoken.correlations).mT
        moved, _ = self.becoming(said, voiced)
        louder = (LEVEL_SPREAD * (said - answered)[..., :1]).clamp(-QUIETER_NEPERS, LOUDER_NEPERS)
        level = now[..., MCEPS : MCEPS + 1] + QUIET + louder
        return (
            torch.cat([level, moved], -1),
            now[..., MCEPS + 1] + 0,
            now[..., MCEPS + 2] + 0,
            self.becoming.breath(now[..., MCEPS + 2]),
            *spoken.states,
            *late,
            *memory.kept,
        )


def freeze_voice(
    converter: Converter, speakers: nn.Module, facts: Mapping[str, Any], target: str | None, frames: int
) -> FreezePlan:
    """The plan for `converter` to become the person named, so many frames at once. Raises WrongTarget."""
    assert isinstance(speakers, KnownSpeakers)
    chosen = target_index(speaker_names(facts), target)
    # A copy: freezing must leave the run's networks as they were.
    converter = copy.deepcopy(converter).float().eval().requires_grad_(False)
    breath = torch.tensor(facts["speakers"][chosen]["aperiodicity"])
    voice = LearnedVoice(facts["sample_rate"], (speakers.means, speakers.spreads), chosen, breath, converter)
    memory = Memory()
    one = torch.zeros(1, dtype=torch.int64)
    with torch.no_grad():
        converter.answers(torch.zeros(1, MCEPS, frames), one, one, memory)
    late = {"late": torch.zeros(1, converter.lookahead, MCEPS + 3)} if converter.lookahead else {}
    kept = {f"memory_{number}": torch.zeros_like(part) for number, part in enumerate(memory.kept)}
    return freeze_plan(voice, facts, frames, late | kept, converter.lookahead, round(memory.reach * frames))


def pictures(rows: Sequence[Sequence[Tensor]]) -> Tensor:
    """(3, height, width) in 0..1: a row of spectrograms for each of `rows`, normalised (MCEPS, T) of nobody in
    particular, high frequencies on top."""
    drawn = [np.concatenate([_spectrogram(one) for one in row], 1) for row in rows]
    return torch.from_numpy(np.concatenate(drawn, 0))[None].expand(3, -1, -1).clone()


def _spectrogram(values: Tensor) -> np.ndarray[Any, np.dtype[np.float32]]:
    """(MCEPS, T) -> (height, T), 60 dB from black to white."""
    mcep = values.float().cpu().numpy().T * np.array(PRIOR_16K_STD) + np.array(PRIOR_16K_MEAN)
    db = 10 * np.log10(np.maximum(decode_envelope(mcep, 16000), 1e-20))
    shade = np.clip((db - db.max() + 60) / 60, 0, 1).astype(np.float32)
    # A quarter of the bins: the cepstra hold no more.
    return np.ascontiguousarray(np.pad(shade[:, ::4].T[::-1], 1))


def converted(converter: Converter, x: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """What `converter` says when it is as it would be frozen."""
    training = converter.training
    converter.eval()
    with torch.no_grad():
        said: Tensor = converter(x, source, target)
    converter.train(training)
    return said
