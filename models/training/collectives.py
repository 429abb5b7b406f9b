"""What the processes of one training decide together, so that none goes a step further than the others."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from lightning_fabric import Fabric
from torch import Tensor, distributed


class AllRanks:
    """Among all processes of `fabric`, which make the same calls in the same order; alone it costs nothing.

    Raises RuntimeError when another process has gone.
    """

    def __init__(self, fabric: Fabric) -> None:
        # By gloo on a card too: NCCL's answer would make every step wait until the card has done its work.
        self._group = distributed.new_group(backend="gloo") if fabric.world_size > 1 else None

    def any(self, *asked: bool) -> tuple[bool, ...]:
        """For each question, whether any process says yes."""
        if self._group is None:
            return asked
        answers = torch.tensor(asked, dtype=torch.uint8)
        distributed.all_reduce(answers, distributed.ReduceOp.MAX, self._group)
        return tuple(bool(answer) for answer in answers)

    def mean(self, values: Mapping[str, Tensor]) -> dict[str, float]:
        """The mean over the processes: what one process would have found, had it had all their samples."""
        means = torch.tensor([float(value) for value in values.values()], dtype=torch.float64)
        if self._group is not None:
            distributed.all_reduce(means, distributed.ReduceOp.SUM, self._group)
            means /= distributed.get_world_size(self._group)
        return dict(zip(values, means.tolist(), strict=True))
