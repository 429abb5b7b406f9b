"""Collective decisions of the processes of one training, so that none takes a step more than the others."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from lightning_fabric import Fabric
from torch import Tensor, distributed

MAX_TEXT_BYTES = 1 << 26
"""A run's facts have some kilobytes."""


class AllRanks:
    """Reductions over all processes of `fabric`, which make the same calls in the same order; no cost with one process.

    Raises RuntimeError when another process has ended.
    """

    def __init__(self, fabric: Fabric) -> None:
        # By gloo even with GPUs: an answer of NCCL would make every step wait for the GPU.
        self._group = distributed.new_group(backend="gloo") if fabric.world_size > 1 else None

    def any(self, *asked: bool) -> tuple[bool, ...]:
        """For each question, whether any process answers yes."""
        if self._group is None:
            return asked
        predict = torch.tensor(asked, dtype=torch.uint8)
        distributed.all_reduce(predict, distributed.ReduceOp.MAX, self._group)
        return tuple(bool(answer) for answer in predict)

    def text_of_first(self, text: str | None) -> str:
        """What the first process gives; the others give None. As bytes: the objects of torch's own collectives are
        pickled, and whoever reaches the port could run code by one."""
        if self._group is None:
            assert text is not None
            return text
        content = (text or "").encode()
        length = torch.tensor([len(content)], dtype=torch.int64)
        distributed.broadcast(length, 0, self._group)
        if not 0 < int(length) <= MAX_TEXT_BYTES:
            raise RuntimeError(f"the first process gives {int(length)} bytes")
        received = torch.frombuffer(bytearray(content.ljust(int(length))), dtype=torch.uint8)
        distributed.broadcast(received, 0, self._group)
        return received.numpy().tobytes().decode()

    def mean(self, values: Mapping[str, Tensor]) -> dict[str, float]:
        """The mean over the processes: what one process with all samples would find."""
        means = torch.tensor([float(value) for value in values.values()], dtype=torch.float64)
        if self._group is not None:
            distributed.all_reduce(means, distributed.ReduceOp.SUM, self._group)
            means /= distributed.get_world_size(self._group)
        return dict(zip(values, means.tolist(), strict=True))
