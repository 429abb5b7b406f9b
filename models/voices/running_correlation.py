"""How whoever speaks moves his cepstra together, found while he speaks: so that models.voices.transport brings anybody
as near the target as somebody it knows."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.features.speech import MCEPS
from models.voices.speaker_stats import NormalizedFrames

WIDTH = (MCEPS - 1) ** 2
STATE = "together"
"""What is carried on: how far his correlations lie from the prior's, float32 (1, WIDTH), zeros at the start."""
FURTHEST = 4.0
"""Spreads: a click is nobody's way to speak."""
ROUNDS = 24


class RunningCorrelation(nn.Module):
    """Frames -> his correlations after each, from the prior's on; one after the other, as in RunningSpeaker."""

    prior: Tensor

    def __init__(self, prior: Tensor) -> None:
        """prior: (MCEPS - 1, MCEPS - 1), of the MCEPs but c0."""
        super().__init__()
        self.register_buffer("prior", prior[None].float())

    def forward(self, heard: NormalizedFrames, off: Tensor) -> tuple[Tensor, Tensor]:
        """Of F frames: (F, MCEPS - 1, MCEPS - 1), and the state."""
        values = heard.values[..., 1:].clamp(-FURTHEST, FURTHEST)
        now = off.reshape(1, MCEPS - 1, MCEPS - 1)
        found = []
        for frame in range(values.shape[1]):
            value = values[:, frame]
            outer = value[:, :, None] * value[:, None]
            now = now + heard.shares[:, frame, :, None] * (outer - self.prior - now)
            found.append(self.prior + now)
        return torch.cat(found), now.reshape(1, WIDTH)


def inverse_root(matrices: Tensor) -> Tensor:
    """(n, k, k), symmetric and positive -> what times itself is their inverse: by products alone, which every runtime
    has. Denman and Beavers' iteration in Schulz's form (Higham, "Functions of Matrices", 2008, section 6.7)."""
    # In their trace everything is below 1, as it must be; the smallest of it grows by half a round.
    size = torch.diagonal(matrices, dim1=1, dim2=2).sum(-1)[:, None, None]
    one = torch.eye(matrices.shape[-1], dtype=matrices.dtype, device=matrices.device)
    root, inverse = matrices / size, one.expand_as(matrices)
    for _ in range(ROUNDS):
        step = 1.5 * one - 0.5 * torch.matmul(inverse, root)
        root, inverse = torch.matmul(root, step), torch.matmul(step, inverse)
    return inverse / size.sqrt()
