"""What the families with one generator for all speakers of a run share beyond their papers."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from models.prepare.voice_facts import MeasuredSpeakersFacts
from models.training.family import Batch, FreezePlan, SampledSound
from models.voices.learned_voice import LearnedOptions, convert, final_network, freeze_voice, spectrograms
from models.voices.spoken_samples import sound_samples


class ManyToMany:
    """A part of models.training.family.Family; the network `generator` is conditioned on the target."""

    name: str
    kind = "voice"

    def samples(self, networks: Mapping[str, nn.Module], batch: Batch) -> Tensor:
        """A row for each sample of the batch, converted to the speaker of the next sample: source, converted, a crop of
        the target."""
        x, speaker = batch["mcep"], batch["speaker"]
        converted = convert(final_network(networks, "generator"), x, speaker + 1, torch.roll(speaker, -1))
        return spectrograms(list(zip(x, converted, torch.roll(x, -1, 0), strict=True)))

    def sounds(
        self, networks: Mapping[str, nn.Module], batch: Batch, facts: MeasuredSpeakersFacts
    ) -> dict[str, SampledSound]:
        return sound_samples(final_network(networks, "generator"), batch, facts)

    def freeze(
        self, networks: nn.ModuleDict, options: LearnedOptions, facts: MeasuredSpeakersFacts, target: str | None = None
    ) -> FreezePlan:
        return freeze_voice(
            final_network(networks, "generator"), networks["speakers"], facts, target, options.hop_frames
        )
