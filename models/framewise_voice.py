"""A frozen voice that moves each frame for itself: it waits for none to come, and remembers of those before only who
speaks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from models.family import FreezePlan
from models.features.speech import MCEPS, frame_samples
from models.speakers import (
    GIVES,
    LEVEL_SPREAD,
    STATES,
    Becoming,
    RunningSpeaker,
    as_networks_read,
    speaker_fields,
)
from models.together import STATE, WIDTH, RunningCorrelation
from models.transport import Transport

SILENT = -15.0
"""How far down levels are told apart, as networks read them: 77 dB below loud frames."""


class Finer(nn.Module):
    """What the transport makes of some frames -> what is said in the end."""

    def forward(self, said: Tensor, voiced: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
        """(1, F, MCEPS) as networks read it, (1, F), (1,) int64 -> the same, and the target's aperiodicity there,
        (1, F, bands), as WORLD codes it."""
        raise NotImplementedError


class FramewiseVoice(nn.Module):
    """Some frames in a row -> the target's, and the states: what the stage runs. See export.artifact.Manifest."""

    def __init__(
        self,
        target: int,
        speaker: RunningSpeaker,
        becoming: Becoming,
        transport: Transport | None,
        finer: Finer | None = None,
    ) -> None:
        """Without `transport` each number is moved by mean and spread alone, and the level stays; `finer` needs it."""
        super().__init__()
        self.target = target
        self.speaker, self.becoming, self.transport, self.finer = speaker, becoming, transport, finer
        self.together = None if transport is None else RunningCorrelation(transport.prior)

    @property
    def states(self) -> dict[str, int]:
        """What is carried on, each float32 (1, width), zeros at the start."""
        return STATES if self.together is None else STATES | {STATE: WIDTH}

    def forward(self, mcep: Tensor, lf0: Tensor, voiced: Tensor, source: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        found, running = self.speaker(mcep, lf0, voiced, source, states[: len(STATES)])
        _, pitch = self.becoming(found.values, voiced)
        said, level, breath = found.values, mcep[..., :1], self.becoming.breath(voiced)
        if self.transport is not None and self.together is not None:
            correlations, off = self.together(found, states[-1])
            running = (*running, off)
            x = as_networks_read(mcep, found, SILENT)
            known = source.clamp(0, len(self.speaker.means) - 1)
            said = self.transport(x.mT, known, torch.full_like(source, self.target), correlations).mT
            level = level + LEVEL_SPREAD * (said - x)[..., :1]
            if self.finer is not None:
                said, breath = self.finer(said, voiced, known)
        moved, _ = self.becoming(said, voiced)
        return torch.cat([level, moved], -1), pitch, voiced + 0, breath * voiced[..., None], *running


def freeze_framewise(
    voice: FramewiseVoice, facts: Mapping[str, Any], normal: tuple[Tensor, Tensor], frames: int
) -> FreezePlan:
    """The plan for a voice that takes so many frames at once. normal: means and spreads, (speakers, MCEPS) each, ln F0
    in place of c0."""
    rate = facts["sample_rate"]
    inputs = {
        "mcep": torch.zeros(1, frames, MCEPS),
        "lf0": torch.zeros(1, frames),
        "voiced": torch.zeros(1, frames),
        "source": torch.zeros(1, dtype=torch.int64),
        **{name: torch.zeros(1, width) for name, width in voice.states.items()},
    }
    return FreezePlan(
        module=voice.eval(),
        inputs=inputs,
        outputs=(*GIVES, *(f"next_{name}" for name in voice.states)),
        manifest={
            "reads": ["mcep", "lf0", "voiced"],
            "gives": list(GIVES),
            "states": {name: f"next_{name}" for name in voice.states},
            "sample_rate": rate,
            "hop": frames * frame_samples(rate),
            "lookahead": 0,
            "context": 0,
            **speaker_fields(facts, *normal, voice.target),
        },
    )
