"""A features voice that converts each frame independently of the others, for the families that count instead of
descending gradients: no lookahead, and no memory but the running statistics of the speaker."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.voices.features_voice import FeaturesVoice
from models.voices.speaker_stats import LEVEL_SCALE, network_input
from models.voices.transport import Transport

SILENT = -15.0
"""Lower limit of levels as networks read them: 77 dB below loud frames."""


class Refiner(nn.Module):
    """Modifies the transport's output before it is denormalised."""

    def forward(self, output: Tensor, voiced: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
        """(1, F, MCEPS) as networks read it, (1, F), (1,) int64 -> the same, and the target's aperiodicity there, (1,
        F, bands), as WORLD codes it."""
        raise NotImplementedError


class FramewiseVoice(FeaturesVoice):
    """Consecutive frames -> the target's, and the states: the frozen module. See export.artifact.manifest.Manifest."""

    def __init__(
        self,
        sample_rate: int,
        normal: tuple[Tensor, Tensor],
        target: int,
        aperiodicity: Tensor,
        transport: Transport | None,
        refiner: Refiner | None = None,
    ) -> None:
        """Without `transport` each coefficient is moved by mean and standard deviation alone, and the level is
        unchanged; `refiner` requires `transport`."""
        super().__init__(sample_rate, normal, target, aperiodicity, transport)
        self.transport, self.refiner = transport, refiner

    def forward(self, mcep: Tensor, lf0: Tensor, voiced: Tensor, source: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        features, _ = self.observe(mcep, lf0, voiced, source, states)
        output, level, aperiodicity = features.normalized.values, mcep[..., :1], self.denormalizer.aperiodicity(voiced)
        if self.transport is not None:
            x = network_input(mcep, features.normalized, SILENT)
            output = self.transport(x.mT, features.source, features.target, features.correlations).mT
            level = level + LEVEL_SCALE * (output - x)[..., :1]
            if self.refiner is not None:
                output, aperiodicity = self.refiner(output, voiced, features.source)
        moved, _ = self.denormalizer(output, voiced)
        return (
            torch.cat([level, moved], -1),
            features.pitch,
            voiced + 0,
            aperiodicity * voiced[..., None],
            *features.states,
        )
