"""Whether a training has diverged: a loss that is no number or has left all others behind, or a weight that is no
number. Such a state is never saved: the checkpoint before stays the newest.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from models.training import checkpoint
from models.training.checkpoint import BadRun

MAX_LOSS = 1e8
"""Beyond it nothing is learned any more, whatever the loss."""
MAX_RATIO = 1e4
"""Of a loss to the median of those before: an adversary's may rise a hundredfold and come back."""
FEW = 5
"""So many earlier losses say what is usual."""


class DivergenceWatch:
    """Looks at every step's losses without waiting for the device; asked now and then, and before anything is saved."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._sums: dict[str, Tensor] = {}
        self._steps = 0
        self._usual: dict[str, list[float]] = {}

    def note(self, losses: Mapping[str, Tensor]) -> None:
        """The losses of one step."""
        for name, loss in losses.items():
            size = loss.detach().abs().double()
            self._sums[name] = self._sums[name] + size if name in self._sums else size
        self._steps += 1

    def means(self) -> dict[str, Tensor]:
        """The mean size of each loss since the last `judge`."""
        return {name: total / self._steps for name, total in self._sums.items()}

    def judge(self, means: Mapping[str, float], step: int) -> None:
        """Judges `means` of all processes at `step`, and begins anew. Raises BadRun."""
        self._refuse_wild(means, step)
        for name, mean in means.items():
            self._usual.setdefault(name, []).append(mean)
        self._sums, self._steps = {}, 0

    def check_before_saving(self, networks: Mapping[str, nn.Module], step: int) -> None:
        """In the process that saves. Raises BadRun."""
        self._refuse_wild({name: float(mean) for name, mean in self.means().items()}, step)
        for name, network in networks.items():
            for key, value in network.state_dict().items():
                if value.is_floating_point() and not bool(torch.isfinite(value).all()):
                    raise self._diverged(step, f"{name}.{key} holds what is no number")

    def _refuse_wild(self, means: Mapping[str, float], step: int) -> None:
        for name, mean in means.items():
            usual = self._usual.get(name, [])
            most = MAX_RATIO * max(statistics.median(usual), 0.01) if len(usual) >= FEW else MAX_LOSS
            # Written so that a NaN, for which every comparison is false, is refused as well.
            if not mean <= min(most, MAX_LOSS):
                raise self._diverged(step, f"the loss {name} is {mean:.3g}")

    def _diverged(self, step: int, why: str) -> BadRun:
        newest = checkpoint.newest(self._out)
        kept = "nothing was saved" if newest is None else f"the checkpoint of step {int(newest.name)} is kept"
        return BadRun(f"the training diverged by step {step}: {why}; {kept}; begin again with other options or data")
