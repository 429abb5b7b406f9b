"""The base of every frozen voice of the form `features`, which reads and gives WORLD's frames: running statistics of
the speaker, and the plan by which such a voice is frozen.

Its sound is made by models.features.vocoded_voice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.features.speech import MCEPS, frame_samples
from models.prepare.voice_facts import SpeakersFacts
from models.training.family import FreezePlan
from models.voices.running_correlation import STATE, WIDTH, RunningCorrelation
from models.voices.speaker_stats import (
    GIVES,
    STATES,
    Denormalizer,
    NormalizedFrames,
    RunningSpeaker,
    floored_stds,
    prior_statistics,
    speaker_fields,
)
from models.voices.transport import Transport


class FrameFeatures(NamedTuple):
    """Some frames and their speaker. normalized: by the speaker's statistics; pitch: the target's ln F0, (1, F);
    correlations: the speaker's running correlations, for Transport, None where unused; source, target: (1,) int64,
    their numbers in Transport; states: the speaker's statistics to carry on."""

    normalized: NormalizedFrames
    pitch: Tensor
    correlations: Tensor | None
    source: Tensor
    target: Tensor
    states: tuple[Tensor, ...]


class FeaturesVoice(nn.Module):
    """Any speaker -> speaker `target` of a run. Subclasses implement forward, see export.artifact.manifest.Manifest."""

    def __init__(
        self,
        sample_rate: int,
        normal: tuple[Tensor, Tensor],
        target: int,
        aperiodicity: Tensor,
        transport: Transport | None,
    ) -> None:
        """normal: means and standard deviations of the run's speakers, float64 (speakers, MCEPS) each, ln F0 in place
        of c0; aperiodicity: (bands,) of the target's voice; transport: if given, the speaker's correlations are tracked
        for it."""
        super().__init__()
        means, stds = normal
        prior = prior_statistics(sample_rate, means, stds)
        stds = floored_stds(stds, prior)
        self.target, self.normal = target, (means, stds)
        self.speaker = RunningSpeaker(means, stds, prior)
        self.denormalizer = Denormalizer(means[target], stds[target], aperiodicity)
        self.correlation = None if transport is None else RunningCorrelation(transport.prior)

    @property
    def states(self) -> dict[str, int]:
        """The states for the speaker, each float32 (1, width), zeros at the start."""
        return STATES if self.correlation is None else STATES | {STATE: WIDTH}

    def observe(
        self, mcep: Tensor, lf0: Tensor, voiced: Tensor, source: Tensor, states: Sequence[Tensor]
    ) -> tuple[FrameFeatures, tuple[Tensor, ...]]:
        """The features, and the rest of `states`, which are a subclass's own."""
        normalized, running = self.speaker(mcep, lf0, voiced, source, states[: len(STATES)])
        correlations = None
        if self.correlation is not None:
            correlations, correlation_off = self.correlation(normalized, states[len(STATES)])
            running = (*running, correlation_off)
        _, pitch = self.denormalizer(normalized.values, voiced)
        source_index = source.clamp(0, len(self.speaker.means) - 1)
        target = torch.full_like(source, self.target)
        return FrameFeatures(normalized, pitch, correlations, source_index, target, running), tuple(
            states[len(self.states) :]
        )


def freeze_plan(
    voice: FeaturesVoice,
    facts: SpeakersFacts,
    frames: int,
    own_states: Mapping[str, Tensor] | None = None,
    lookahead: int = 0,
    context: int = 0,
) -> FreezePlan:
    """The plan for a voice that takes `frames` frames at once. own_states: a subclass's, with their initial values;
    lookahead, context: in frames."""
    states = {name: torch.zeros(1, width) for name, width in voice.states.items()} | dict(own_states or {})
    frame = frame_samples(facts.sample_rate)
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
            "form": "features",
            "reads": ["mcep", "lf0", "voiced"],
            "gives": list(GIVES),
            "states": {name: f"next_{name}" for name in states},
            "sample_rate": facts.sample_rate,
            "hop": frames * frame,
            "lookahead": lookahead * frame,
            "context": context * frame,
            **speaker_fields(facts, *voice.normal, voice.target),
        },
    )
