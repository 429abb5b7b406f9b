"""The interface of a family, by which one training loop, one exporter and one command line serve all of them.

A family is one file: its networks, its losses, one training step and its plan for freezing; registry.py names it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, JsonValue
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import Dataset

from models.prepare.data_facts import DataFacts, FactsT

Batch = Mapping[str, Tensor]
"""Some samples of a data set, each of their tensors stacked."""

SampledSound = tuple[NDArray[np.float32], int]
"""Samples (n,) within -1..1, and Hz."""


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
    manifest: Mapping[str, object] = field(default_factory=dict)


class TrainingData(Dataset[dict[str, Tensor]], ABC, Generic[FactsT]):
    """The samples of some prepared folders, numbered from 0; numbers go on through the epochs."""

    facts: FactsT

    @abstractmethod
    def __len__(self) -> int:
        """Samples of an epoch."""

    @abstractmethod
    def __getitem__(self, sample: int) -> dict[str, Tensor]: ...

    def held_out(self) -> TrainingData[FactsT]:
        """The part kept from training; itself where nothing is kept."""
        return self


OptionsT = TypeVar("OptionsT", bound=FamilyOptions)


class Family(ABC, Generic[OptionsT, FactsT]):
    """One kind of trainable model. Stateless: all state is in the networks and the options.

    `facts` in its methods are the data's, as its data set gave them or a run stored them.
    """

    name: str
    kind: str
    options: type[OptionsT]
    facts: type[FactsT]
    recipes: Mapping[str, Mapping[str, JsonValue]] = {"default": {}}
    """Named sets of options; the first is the default."""
    RENAMED: Mapping[str, str] = {}
    """{old prefix of a key: new prefix} of networks or optimizers that were renamed: checkpoints with the old keys are
    read as before."""

    @abstractmethod
    def data(self, folders: Sequence[Path], options: OptionsT) -> TrainingData[FactsT]:
        """The prepared data in `folders`, one person each.

        Raises models.prepare.data_error.DataError for folders that hold no such data, or more than the family learns
        from.
        """

    @abstractmethod
    def networks(self, options: OptionsT, facts: FactsT) -> nn.ModuleDict:
        """Freshly initialised networks; the caller has set the seed."""

    @abstractmethod
    def optimizers(self, networks: nn.ModuleDict, options: OptionsT) -> dict[str, Optimizer]:
        """One optimizer for each key of `networks` that is trained by one; counted or averaged networks have none."""

    @abstractmethod
    def step(
        self,
        fabric: Fabric,
        networks: Mapping[str, nn.Module],
        optimizers: Mapping[str, Optimizer],
        batch: Batch,
        step: int,
        options: OptionsT,
    ) -> dict[str, Tensor]:
        """One training step; returns the losses to log, detached."""

    def samples(self, networks: Mapping[str, nn.Module], batch: Batch) -> Tensor | None:
        """Pictures for the log: float (3, height, width) in 0..1; input, output and target side by side. None: no
        pictures."""
        return None

    def sounds(self, networks: Mapping[str, nn.Module], batch: Batch, facts: FactsT) -> Mapping[str, SampledSound]:
        """Sounds for the log by their names; each is input, output and target, one after the other."""
        return {}

    @abstractmethod
    def freeze(
        self, networks: nn.ModuleDict, options: OptionsT, facts: FactsT, target: str | None = None
    ) -> FreezePlan:
        """The plan for export; `target` is whom of the data's persons to become. Raises WrongTarget."""


AnyFamily = Family[FamilyOptions, DataFacts]
"""A family found by its name: its options and facts are made by itself, so that they fit."""


def freeze_batch(inputs: Mapping[str, Tensor], module: nn.Module) -> tuple[Tensor, ...]:
    """The output of `module` for `inputs`, always as a tuple, without gradients."""
    with torch.no_grad():
        answer = module(*inputs.values())
    return answer if isinstance(answer, tuple) else (answer,)
