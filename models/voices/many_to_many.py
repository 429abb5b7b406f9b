"""What the families share whose one generator speaks as any of a run's speakers: all that no paper says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from models.training.family import FreezePlan
from models.voices.learned_voice import LearnedOptions, best, converted, freeze_voice, pictures
from models.voices.spoken_samples import SampledSound, spoken_of_many


class ManyToMany:
    """A part of models.training.family.Family; the network `generator` is told whom to become."""

    name: str
    kind = "voice"

    def samples(self, networks: Mapping[str, nn.Module], batch: Mapping[str, Tensor]) -> Tensor:
        """A row for each of the batch, who becomes the next one; the last is one of his own."""
        x, speaker = batch["mcep"], batch["speaker"]
        made = converted(best(networks, "generator"), x, speaker + 1, torch.roll(speaker, -1))
        return pictures(list(zip(x, made, torch.roll(x, -1, 0), strict=True)))

    def sounds(
        self, networks: Mapping[str, nn.Module], batch: Mapping[str, Tensor], facts: Mapping[str, Any]
    ) -> dict[str, SampledSound]:
        return spoken_of_many(best(networks, "generator"), batch, facts)

    def freeze(
        self, networks: nn.ModuleDict, options: LearnedOptions, facts: Mapping[str, Any], target: str | None = None
    ) -> FreezePlan:
        return freeze_voice(best(networks, "generator"), networks["speakers"], facts, target, options.hop_frames)
