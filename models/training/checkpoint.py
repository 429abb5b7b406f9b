"""Checkpoints of a training run: weights and optimizers as safetensors, everything else as JSON. No pickle.

    RUN/run.json                        family, options, precision, seed, the data's facts, git revision
    RUN/checkpoints/00000500/           networks.safetensors, optimizers.safetensors, state.json: the newest two
    RUN/kept/00000200/                  networks.safetensors, state.json: intermediate states, to be frozen and
                                        compared; they cannot be resumed, and may be removed to free space

A checkpoint is written beside its final path and renamed, so a stop at any moment leaves the one before intact.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from models.prepare.data_facts import DataFacts, first_problem
from models.prepare.whole import whole_folder, write_text_whole
from models.training.family import AnyFamily, FamilyOptions
from models.training.registry import UnknownFamily, family

NEWEST = 2
_MAX_TEXT_BYTES = 1 << 24
"""Of a JSON file, or of the header of a safetensors file."""


class BadRun(Exception):
    """A folder that is not a training run, or one that cannot be resumed; a message of one line."""


@dataclass(frozen=True)
class Run:
    """The content of RUN/run.json."""

    family: AnyFamily
    options: FamilyOptions
    facts: DataFacts
    seed: int
    precision: str
    recipe: str
    revision: str | None


class RunState(TypedDict):
    """The content of state.json: what was done so far. seconds: of training."""

    step: int
    samples_seen: int
    seconds: float


@dataclass(frozen=True)
class LoadedRun:
    """A run with the weights of one of its checkpoints, in memory, on the CPU; `state` is state.json."""

    run: Run
    networks: nn.ModuleDict
    state: RunState


def write_run(folder: Path, run: Run) -> None:
    """Creates the run's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text_whole(folder / "run.json", run_text(run))


def run_text(run: Run) -> str:
    """The content of run.json."""
    facts = {
        "family": run.family.name,
        "options": run.options.model_dump(),
        "facts": run.facts.as_dict(),
        "seed": run.seed,
        "precision": run.precision,
        "recipe": run.recipe,
        "revision": run.revision,
    }
    return json.dumps(facts, indent=1)


def parse_run(text: str) -> Run:
    """The inverse of `run_text`. Raises ValueError, of which pydantic's ValidationError is one, KeyError, TypeError and
    UnknownFamily."""
    stored = json.loads(text)
    kind = family(stored["family"])
    return Run(
        kind,
        kind.options(**stored["options"]),
        kind.facts.model_validate(stored["facts"]),
        int(stored["seed"]),
        str(stored["precision"]),
        str(stored["recipe"]),
        stored["revision"],
    )


def read_run(folder: Path) -> Run:
    """Raises BadRun."""
    path = folder / "run.json"
    try:
        return parse_run(_read_text(path))
    except OSError as error:
        raise BadRun(
            f"{folder} is not a training run: make one with `guise train FAMILY DATA --out {folder}`"
        ) from error
    except ValidationError as error:
        raise BadRun(f"{path} is damaged: {first_problem(error)}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, UnknownFamily) as error:
        raise BadRun(f"{path} is damaged: {error}") from error


def newest(folder: Path) -> Path | None:
    """The newest checkpoint of a run."""
    found = _complete(folder / "checkpoints")
    return found[max(found)] if found else None


def save(
    folder: Path,
    networks: Mapping[str, nn.Module],
    optimizers: Mapping[str, Optimizer],
    state: RunState,
) -> Path:
    """Writes checkpoint `state["step"]`; the older ones but the last are removed. Raises OSError (full disk)."""
    final = _write(folder / "checkpoints", networks, optimizers, state)
    for old in sorted((folder / "checkpoints").glob("[0-9]*"))[:-NEWEST]:
        shutil.rmtree(old, ignore_errors=True)
    return final


def is_kept(step: int) -> bool:
    """100, 200, 500, 1000 and so on: a run of 60,000 steps keeps nine, one of a million thirteen."""
    return step >= 100 and str(step).rstrip("0") in ("1", "2", "5")


def keep(folder: Path, networks: Mapping[str, nn.Module], state: RunState) -> Path:
    """Writes the weights at `state["step"]`, without the optimizers; they are kept. Raises OSError (full disk)."""
    return _write(folder / "kept", networks, None, state)


def _write(
    place: Path, networks: Mapping[str, nn.Module], optimizers: Mapping[str, Optimizer] | None, state: RunState
) -> Path:
    final = place / f"{int(state['step']):08d}"
    with whole_folder(final, replace=True) as work:
        work.mkdir(parents=True)
        weights = {
            f"{name}.{key}": value.detach().contiguous().cpu()
            for name, network in networks.items()
            for key, value in network.state_dict().items()
        }
        _save_tensors(weights, work / "networks.safetensors")
        if optimizers is not None:
            _save_tensors(_flatten(optimizers), work / "optimizers.safetensors")
        write_text_whole(work / "state.json", json.dumps(state, indent=1))
    return final


def _read_text(path: Path) -> str:
    """Raises OSError: of a file that is none, or far too large."""
    return _checked_file(path, _MAX_TEXT_BYTES).read_text("utf-8")


def _load_tensors(path: Path, expected_bytes: int) -> dict[str, Tensor]:
    """Raises OSError, SafetensorError."""
    return load_file(_checked_file(path, 2 * expected_bytes + _MAX_TEXT_BYTES))


def _checked_file(path: Path, most_bytes: int) -> Path:
    """`path`, where an ordinary file of that size is: a pipe would be waited for, and a claim of gigabytes read."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode) or found.st_size > most_bytes:
        raise OSError(errno.EFBIG, f"{path.name} is no file of at most {most_bytes} bytes")
    return path


def _save_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    """Raises OSError (full disk)."""
    try:
        save_file(tensors, path)
    except SafetensorError as error:
        # safetensors tells what the system said, as text: "... No space left on device (os error 28) ...".
        found = re.search(r"os error (\d+)", str(error))
        number = int(found[1]) if found else errno.EIO
        raise OSError(number, os.strerror(number)) from error


def _complete(place: Path) -> dict[int, Path]:
    """The complete checkpoints in a folder, by their steps."""
    return {int(p.name): p for p in place.glob("*") if p.name.isdigit() and (p / "state.json").is_file()}


def load_networks(checkpoint: Path, networks: nn.ModuleDict, family: AnyFamily) -> RunState:
    """Fills the family's `networks` from a checkpoint and returns its state; raises BadRun."""
    try:
        expected = sum(value.numel() * value.element_size() for value in networks.state_dict().values())
        stored = _load_tensors(checkpoint / "networks.safetensors", expected)
        networks.load_state_dict(_current_keys(stored, family))
        state: RunState = json.loads(_read_text(checkpoint / "state.json"))
        return state
    except (OSError, SafetensorError, RuntimeError, ValueError) as error:
        raise BadRun(f"{checkpoint} cannot be read: {str(error).splitlines()[0]}") from error


def load_optimizers(checkpoint: Path, optimizers: Mapping[str, Optimizer], family: AnyFamily) -> None:
    """Restores the states of the family's optimizers. Raises BadRun."""
    if not optimizers:
        return
    try:
        expected = sum(p.numel() * 8 for o in optimizers.values() for group in o.param_groups for p in group["params"])
        stored = _current_keys(_load_tensors(checkpoint / "optimizers.safetensors", 2 * expected), family)
        for name, optimizer in optimizers.items():
            state_dict = optimizer.state_dict()
            state_dict["state"] = {}
            for key, value in stored.items():
                owner, _, rest = key.partition(".")
                if owner == name:
                    index, _, entry = rest.partition(".")
                    state_dict["state"].setdefault(int(index), {})[entry] = value
            optimizer.load_state_dict(state_dict)
    except (OSError, SafetensorError, RuntimeError, ValueError, KeyError) as error:
        raise BadRun(f"{checkpoint} cannot be gone on with: {str(error).splitlines()[0]}") from error


def load_run(folder: Path, step: int | None = None) -> LoadedRun:
    """A run with its newest weights, or those of a given step. Raises BadRun."""
    run = read_run(folder)
    found = _complete(folder / "kept") | _complete(folder / "checkpoints")
    checkpoint = newest(folder) if step is None else found.get(step)
    if checkpoint is None and step is not None and found:
        raise BadRun(f"{folder} has no checkpoint of step {step}: choose from {', '.join(map(str, sorted(found)))}")
    if checkpoint is None:
        raise BadRun(f"{folder} has no checkpoint yet: let the training run longer")
    networks = run.family.networks(run.options, run.facts)
    return LoadedRun(run, networks, load_networks(checkpoint, networks, run.family))


def _current_keys(stored: Mapping[str, Tensor], family: AnyFamily) -> dict[str, Tensor]:
    """The tensors under the family's current keys: the first of its RENAMED prefixes that matches a key is replaced."""

    def current(key: str) -> str:
        old = next((prefix for prefix in family.RENAMED if key.startswith(prefix)), None)
        return key if old is None else family.RENAMED[old] + key.removeprefix(old)

    return {current(key): value for key, value in stored.items()}


def _flatten(optimizers: Mapping[str, Optimizer]) -> dict[str, Tensor]:
    return {
        f"{name}.{index}.{key}": torch.as_tensor(value).detach().contiguous().cpu()
        for name, optimizer in optimizers.items()
        for index, entries in optimizer.state_dict()["state"].items()
        for key, value in entries.items()
    }
