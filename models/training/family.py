"""The interface of a family, by which one training loop, one exporter and one command line serve all of them.

A family is one file: its networks, its losses, one training step and its plan for freezing; registry.py names it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import Dataset


class FamilyOptions(BaseModel):
    """A family's own options (`--set KEY=VALUE`); subclasses add fields with defaults and descriptions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    batch: int = 1
    steps: int = 1000
    """0: one pass over all samples, for families that need no more."""


class WrongTarget(Exception):
    """The named person is not among the run's targets; the message is one line that lists them."""


@dataclass(frozen=True)
class FreezePlan:
    """What export turns into a frozen model.

    `module` is in eval mode and takes `inputs` by position, in their order; it returns one tensor, or a tuple as long
    as `outputs`. `manifest` holds the fields of the artifact's manifest that the family knows.
    """

    module: nn.Module
    inputs: Mapping[str, Tensor]
    outputs: tuple[str, ...]
    manifest: Mapping[str, Any] = field(default_factory=dict)


class Family(Protocol):
    """One kind of trainable model. Stateless: all state is in the networks and the options.

    A family whose networks or optimizers were renamed states RENAMED, {old prefix of a key: new prefix}: checkpoints
    with the old keys are then read as before.
    """

    name: str
    kind: str
    options: type[FamilyOptions]
    recipes: Mapping[str, Mapping[str, Any]]
    """Named sets of options; the first is the default."""

    def data(self, folders: Sequence[Path], options: Any) -> Dataset[Any]:
        """The prepared data in `folders`, one person each; its `facts` are written into the run.

        Raises models.prepare.data_error.DataError for folders that hold no such data, or more than the family learns
        from.
        """

    def networks(self, options: Any, facts: Mapping[str, Any]) -> nn.ModuleDict:
        """Freshly initialised networks; the caller has set the seed, `facts` are the data's."""

    def optimizers(self, networks: nn.ModuleDict, options: Any) -> dict[str, Optimizer]:
        """One optimizer for each key of `networks` that is trained by one; counted or averaged networks have none."""

    def step(
        self,
        fabric: Fabric,
        networks: Mapping[str, nn.Module],
        optimizers: Mapping[str, Optimizer],
        batch: Any,
        step: int,
        options: Any,
    ) -> dict[str, Tensor]:
        """One training step; returns the losses to log, detached."""

    def samples(self, networks: Mapping[str, nn.Module], batch: Any) -> Tensor | None:
        """Pictures for the log: float (3, height, width) in 0..1; input, output and target side by side. None: no
        pictures."""

    def freeze(
        self, networks: nn.ModuleDict, options: Any, facts: Mapping[str, Any], target: str | None = None
    ) -> FreezePlan:
        """The plan for export; `facts` are the run's, `target` is whom of them to become. Raises WrongTarget."""


@runtime_checkable
class Audible(Protocol):
    """A family that also gives sounds for the log."""

    def sounds(
        self, networks: Mapping[str, nn.Module], batch: Any, facts: Mapping[str, Any]
    ) -> Mapping[str, tuple[NDArray[np.float32], int]]:
        """Sounds for the log by their names: samples (n,) within -1..1, and Hz; each is input, output and target, one
        after the other. `facts` are the data's."""


def freeze_batch(inputs: Mapping[str, Tensor], module: nn.Module) -> tuple[Tensor, ...]:
    """The output of `module` for `inputs`, always as a tuple, without gradients."""
    with torch.no_grad():
        answer = module(*inputs.values())
    return answer if isinstance(answer, tuple) else (answer,)
