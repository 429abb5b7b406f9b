"""What all frozen voices share that read and give WORLD's frames: whoever speaks is followed while he speaks, and the
plan by which such a voice is frozen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from models.features.speech import MCEPS, frame_samples
from models.training.family import FreezePlan
from models.voices.running_correlation import STATE, WIDTH, RunningCorrelation
from models.voices.speaker_stats import (
    GIVES,
    STATES,
    Denormalizer,
    NormalizedFrames,
    RunningSpeaker,
    not_still,
    prior_statistics,
    speaker_fields,
)
from models.voices.transport import Transport


class FrameFeatures(NamedTuple):
    """Some frames, and who speaks them. heard: by his own means and spreads; pitch: the target's ln F0, (1, F);
    correlations: how he moves his cepstra together, for Transport, None where nobody asks; source, target: (1,) int64,
    their numbers as Transport has them; states: what is carried on of him."""

    heard: NormalizedFrames
    pitch: Tensor
    correlations: Tensor | None
    source: Tensor
    target: Tensor
    states: tuple[Tensor, ...]


class VoiceOfFrames(nn.Module):
    """Whoever speaks -> speaker `target` of a run. Subclasses give forward, as export.artifact.manifest.Manifest has
    it."""

    def __init__(
        self, sample_rate: int, normal: tuple[Tensor, Tensor], target: int, breath: Tensor, transport: Transport | None
    ) -> None:
        """normal: means and spreads of the run's speakers, float64 (speakers, MCEPS) each, ln F0 in place of c0;
        breath: (bands,), the aperiodicity of the target's voice; transport: that for which it is followed how
        somebody moves his cepstra together, if any."""
        super().__init__()
        means, spreads = normal
        prior = prior_statistics(sample_rate, means, spreads)
        spreads = not_still(spreads, prior)
        self.target, self.normal = target, (means, spreads)
        self.speaker = RunningSpeaker(means, spreads, prior)
        self.becoming = Denormalizer(means[target], spreads[target], breath)
        self.together = None if transport is None else RunningCorrelation(transport.prior)

    @property
    def states(self) -> dict[str, int]:
        """What is carried on of who speaks, each float32 (1, width), zeros at the start."""
        return STATES if self.together is None else STATES | {STATE: WIDTH}

    def listen(
        self, mcep: Tensor, lf0: Tensor, voiced: Tensor, source: Tensor, states: Sequence[Tensor]
    ) -> tuple[FrameFeatures, tuple[Tensor, ...]]:
        """Also those of `states` that are a subclass's own."""
        heard, running = self.speaker(mcep, lf0, voiced, source, states[: len(STATES)])
        correlations = None
        if self.together is not None:
            correlations, off = self.together(heard, states[len(STATES)])
            running = (*running, off)
        _, pitch = self.becoming(heard.values, voiced)
        known = source.clamp(0, len(self.speaker.means) - 1)
        target = torch.full_like(source, self.target)
        return FrameFeatures(heard, pitch, correlations, known, target, running), tuple(states[len(self.states) :])


def freeze_plan(
    voice: VoiceOfFrames,
    facts: Mapping[str, Any],
    frames: int,
    own_states: Mapping[str, Tensor] | None = None,
    lookahead: int = 0,
    context: int = 0,
) -> FreezePlan:
    """The plan for a voice that takes so many frames at once. own_states: a subclass's, as they are at the start;
    lookahead, context: in frames."""
    states = {name: torch.zeros(1, width) for name, width in voice.states.items()} | dict(own_states or {})
    frame = frame_samples(facts["sample_rate"])
    return FreezePlan(
        module=voice.eval(),
        inputs={
            "mcep": torch.zeros(1, frames, MCEPS),
            "lf0": torch.zeros(1, frames),
            "voiced": torch.zeros(1, frames),
            "source": torch.zeros(1, dtype=torch.int64),
            **states,
        },
        outputs=(*GIVES, *(f"next_{name}" for name in states)),
        manifest={
            "reads": ["mcep", "lf0", "voiced"],
            "gives": list(GIVES),
            "states": {name: f"next_{name}" for name in states},
            "sample_rate": facts["sample_rate"],
            "hop": frames * frame,
            "lookahead": lookahead * frame,
            "context": context * frame,
            **speaker_fields(facts, *voice.normal, voice.target),
        },
    )
