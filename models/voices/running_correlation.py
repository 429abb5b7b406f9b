"""The running correlation matrix of an unknown speaker's cepstra, with which models.voices.transport converts an
unknown speaker about as well as a known one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.features.speech import MCEPS
from models.voices.speaker_stats import NormalizedFrames

WIDTH = (MCEPS - 1) ** 2
STATE = "together"
"""The state: the difference of the speaker's correlations from the prior's, float32 (1, WIDTH), zeros at the start. The
name stands in frozen models."""
MAX_STDS = 4.0
"""Standard deviations to which values are clipped: a click is not speech."""
ITERATIONS = 24


class RunningCorrelation(nn.Module):
    """Frames -> the speaker's correlations after each frame, starting at the prior's; frame by frame, as in
    RunningSpeaker."""

    prior: Tensor

    def __init__(self, prior: Tensor) -> None:
        """prior: (MCEPS - 1, MCEPS - 1), of the MCEPs except c0."""
        super().__init__()
        self.register_buffer("prior", prior[None].float())

    def forward(self, frames: NormalizedFrames, off: Tensor) -> tuple[Tensor, Tensor]:
        """Of F frames: (F, MCEPS - 1, MCEPS - 1), and the state."""
        values = frames.values[..., 1:].clamp(-MAX_STDS, MAX_STDS)
        current = off.reshape(1, MCEPS - 1, MCEPS - 1)
        correlations = []
        for frame in range(values.shape[1]):
            value = values[:, frame]
            outer = value[:, :, None] * value[:, None]
            current = current + frames.shares[:, frame, :, None] * (outer - self.prior - current)
            correlations.append(self.prior + current)
        return torch.cat(correlations), current.reshape(1, WIDTH)


def inverse_root(matrices: Tensor) -> Tensor:
    """The inverse square roots of symmetric positive matrices, (n, k, k), by matrix products alone, which every runtime
    has: Denman and Beavers' iteration in Schulz's form (Higham, "Functions of Matrices", 2008, section 6.7)."""
    # Scaled by the trace all eigenvalues are below 1, as convergence requires; the smallest grows by half in each
    # iteration.
    size = torch.diagonal(matrices, dim1=1, dim2=2).sum(-1)[:, None, None]
    one = torch.eye(matrices.shape[-1], dtype=matrices.dtype, device=matrices.device)
    root, inverse = matrices / size, one.expand_as(matrices)
    for _ in range(ITERATIONS):
        step = 1.5 * one - 0.5 * torch.matmul(inverse, root)
        root, inverse = torch.matmul(root, step), torch.matmul(step, inverse)
    return inverse / size.sqrt()
