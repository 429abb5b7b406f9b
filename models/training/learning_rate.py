"""The learning rate of an optimizer while it learns; schedules are the families' own."""

from __future__ import annotations

from torch.optim import Optimizer


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
