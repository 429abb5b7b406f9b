"""The exponential moving average of a network's weights, which is frozen: it varies less than the last weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def follow(average: nn.Module, network: nn.Module, step: int, decay: float) -> None:
    """Moves `average` towards `network` after step number `step`; faster at first, so that a short run does not average
    initial noise. Buffers, the norms' running sums, are averages already and are copied."""
    weight = 1 - min(decay, (1 + step) / (10 + step))
    with torch.no_grad():
        old: list[Tensor] = list(average.parameters())
        new = [p.detach().to(o.dtype) for p, o in zip(network.parameters(), old, strict=True)]
        torch._foreach_lerp_(old, new, weight)
        for kept, measured in zip(average.buffers(), network.buffers(), strict=True):
            kept.copy_(measured)
