"""A frozen voice that moves each frame for itself: it waits for none to come, and remembers of those before only who
speaks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.voices.speaker_stats import LEVEL_SPREAD, as_networks_read
from models.voices.transport import Transport
from models.voices.voice_of_frames import VoiceOfFrames

SILENT = -15.0
"""How far down levels are told apart, as networks read them: 77 dB below loud frames."""


class Refiner(nn.Module):
    """What the transport makes of some frames -> what is said in the end."""

    def forward(self, said: Tensor, voiced: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
        """(1, F, MCEPS) as networks read it, (1, F), (1,) int64 -> the same, and the target's aperiodicity there,
        (1, F, bands), as WORLD codes it."""
        raise NotImplementedError


class FramewiseVoice(VoiceOfFrames):
    """Some frames in a row -> the target's, and the states: what the stage runs. See
    export.artifact.manifest.Manifest."""

    def __init__(
        self,
        sample_rate: int,
        normal: tuple[Tensor, Tensor],
        target: int,
        breath: Tensor,
        transport: Transport | None,
        finer: Refiner | None = None,
    ) -> None:
        """Without `transport` each number is moved by mean and spread alone, and the level stays; `finer` needs it."""
        super().__init__(sample_rate, normal, target, breath, transport)
        self.transport, self.finer = transport, finer

    def forward(self, mcep: Tensor, lf0: Tensor, voiced: Tensor, source: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        now, _ = self.listen(mcep, lf0, voiced, source, states)
        said, level, breath = now.heard.values, mcep[..., :1], self.becoming.breath(voiced)
        if self.transport is not None:
            x = as_networks_read(mcep, now.heard, SILENT)
            said = self.transport(x.mT, now.source, now.target, now.correlations).mT
            level = level + LEVEL_SPREAD * (said - x)[..., :1]
            if self.finer is not None:
                said, breath = self.finer(said, voiced, now.source)
        moved, _ = self.becoming(said, voiced)
        return torch.cat([level, moved], -1), now.pitch, voiced + 0, breath * voiced[..., None], *now.states
