"""What a family must offer, so that one training loop, one exporter and one command line serve them all.

A family is one file: its networks, its losses, one training step and what freezing needs; registry.py names it.
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
    """0: as many as it takes to see every sample once, for families that learn in one pass."""


class WrongTarget(Exception):
    """The person asked for is not one this run can become; the message is one line that lists those it can."""


@dataclass(frozen=True)
class FreezePlan:
    """What export turns into a frozen model.

    `module` is in eval mode and takes `inputs` by position, in their order; it returns one tensor, or a tuple as
    long as `outputs`. `manifest` holds the fields of the artifact's manifest that the family knows.
    """

    module: nn.Module
    inputs: Mapping[str, Tensor]
    outputs: tuple[str, ...]
    manifest: Mapping[str, Any] = field(default_factory=dict)


class Family(Protocol):
    """One kind of trainable model. Stateless: everything it knows is in the networks and the options."""

    name: str
    kind: str
    options: type[FamilyOptions]
    recipes: Mapping[str, Mapping[str, Any]]
    """Named sets of options; the first is the default."""

    def data(self, folders: Sequence[Path], options: Any) -> Dataset[Any]:
        """The prepared data in `folders`, a person each; its `facts` go into the run.

        Raises models.prepare.data_error.DataError when they are none, or more than the family learns from.
        """

    def networks(self, options: Any, facts: Mapping[str, Any]) -> nn.ModuleDict:
        """Freshly initialised networks; the seed is the caller's, `facts` the data's."""

    def optimizers(self, networks: nn.ModuleDict, options: Any) -> dict[str, Optimizer]:
        """One optimizer for each key of `networks` that is trained by one; what is counted or averaged needs none."""

    def step(
        self,
        fabric: Fabric,
        networks: Mapping[str, nn.Module],
        optimizers: Mapping[str, Optimizer],
        batch: Any,
        step: int,
        options: Any,
    ) -> dict[str, Tensor]:
        """One training step; the losses to be logged, detached."""

    def samples(self, networks: Mapping[str, nn.Module], batch: Any) -> Tensor | None:
        """Pictures for the log: float (3, height, width) in 0..1; what was read, made and wanted side by side.
        None: there is nothing to see."""

    def freeze(
        self, networks: nn.ModuleDict, options: Any, facts: Mapping[str, Any], target: str | None = None
    ) -> FreezePlan:
        """The plan for export; `facts` are the data's, as training kept them, `target` the person of them to become.

        Raises WrongTarget.
        """


@runtime_checkable
class Audible(Protocol):
    """A family that may also be listened to while it learns."""

    def sounds(
        self, networks: Mapping[str, nn.Module], batch: Any, facts: Mapping[str, Any]
    ) -> Mapping[str, tuple[NDArray[np.float32], int]]:
        """Sounds for the log by their names: samples (n,) within -1..1, and Hz; of each what was read, made and wanted,
        one after the other. `facts` are the data's."""


def freeze_batch(inputs: Mapping[str, Tensor], module: nn.Module) -> tuple[Tensor, ...]:
    """What `module` answers to `inputs`, always as a tuple, without gradients."""
    with torch.no_grad():
        answer = module(*inputs.values())
    return answer if isinstance(answer, tuple) else (answer,)
