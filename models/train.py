"""THE training loop: every family, every device, one visible loop.

    guise train pix2pix DATA --out RUN

Chance is drawn from the seed and the sample's number alone, and a checkpoint holds everything that the next step
reads, so a run stopped and resumed goes on exactly as if it had not been.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler
from torch.utils.tensorboard import SummaryWriter

from models import checkpoint
from models.checkpoint import BadRun, Run
from models.family import Family, Options
from models.prepare.data_error import DataError

LOG_EVERY_S = 5.0
SAMPLES_EVERY_S = 120.0
SAVE_EVERY_S = 300.0


@dataclass(frozen=True)
class Plan:
    """What the command line asked for."""

    family: Family
    options: Options
    data: Sequence[Path]
    out: Path
    recipe: str = "default"
    minutes: float | None = None
    seed: int = 0
    resume: bool = False
    init: Path | None = None
    devices: int = 1
    nodes: int = 1
    precision: str = "auto"
    workers: int = 0


@dataclass(frozen=True)
class Advance:
    """Where training stands, for whoever shows it."""

    step: int
    steps: int
    left_s: float
    losses: Mapping[str, float]


class Shuffled(Sampler[int]):
    """Sample numbers from `start` on, for ever; each epoch a new order, known from the seed and the epoch alone.

    Rank r of n takes every n-th, so n processes see together what one would.
    """

    def __init__(self, length: int, seed: int, start: int, rank: int, world: int) -> None:
        self.length, self.seed, self.start, self.rank, self.world = length, seed, start, rank, world

    def __iter__(self) -> Iterator[int]:
        number = self.start + self.rank
        epoch, order = -1, np.zeros(0, np.int64)
        while True:
            if number // self.length != epoch:
                epoch = number // self.length
                order = np.random.default_rng([self.seed, epoch]).permutation(self.length)
            yield epoch * self.length + int(order[number % self.length])
            number += self.world


def train(plan: Plan, advance: Callable[[Advance], None]) -> Path:
    """Trains until the steps or minutes are over or Ctrl-C; returns the newest checkpoint.

    Raises DataError (data), BadRun (a run that is there already, or cannot be resumed).
    """
    fabric = _fabric(plan)
    fabric.launch()
    run = _begin(plan, fabric)
    options = run.options
    data = plan.family.data(plan.data, options)
    if len(data) == 0:  # type: ignore[arg-type]
        folders = ", ".join(map(str, plan.data))
        raise DataError(f"{folders}: there is nothing to learn from; prepare it again with more footage")
    steps = options.steps or -(-len(data) // (options.batch * fabric.world_size))  # type: ignore[arg-type]

    fabric.seed_everything(plan.seed, verbose=False)
    networks = plan.family.networks(options, run.facts)
    if plan.init is not None:
        _start_from(plan.init, networks)
    state: dict[str, Any] = {"step": 0, "samples_seen": 0, "seconds": 0.0}
    newest = checkpoint.newest(plan.out) if plan.resume else None
    if newest is not None:
        state |= checkpoint.load_networks(newest, networks)
    networks = networks.to(fabric.device)
    optimizers = plan.family.optimizers(networks, options)
    chance = checkpoint.load_optimizers(newest, optimizers) if newest is not None else None
    trained = {}
    for name, network in networks.items():
        if name in optimizers:
            trained[name], optimizers[name] = fabric.setup(network, optimizers[name])
        else:
            trained[name] = network
    loader = _loader(plan, fabric, data, state["samples_seen"])
    log = SummaryWriter(str(plan.out / "log"), purge_step=state["step"]) if fabric.is_global_zero else None
    shown = _samples_shown(data, fabric)

    if chance is not None:
        torch.set_rng_state(chance)
    begun, before = time.monotonic(), float(state["seconds"])
    first_step = int(state["step"])
    limit_s = None if plan.minutes is None else 60 * plan.minutes
    logged, sampled, saved = -np.inf, begun, begun
    losses: Mapping[str, Tensor] = {}
    with _stop_asked(fabric) as stopped:
        for batch in loader:
            if state["step"] >= steps or stopped() or (limit_s is not None and state["seconds"] >= limit_s):
                break
            losses = plan.family.step(fabric, trained, optimizers, batch, state["step"], options)
            state["step"] += 1
            state["samples_seen"] += options.batch * fabric.world_size
            now = time.monotonic()
            state["seconds"] = before + now - begun
            if not fabric.is_global_zero:
                continue
            if now - logged >= LOG_EVERY_S:
                logged = now
                values = {name: float(value) for name, value in losses.items()}
                for name, value in values.items():
                    log.add_scalar(f"loss/{name}", value, state["step"])  # type: ignore[union-attr]
                rate = (state["step"] - first_step) / max(now - begun, 1e-6)
                left_s = (steps - state["step"]) / rate
                if limit_s is not None:
                    left_s = min(left_s, limit_s - state["seconds"])
                advance(Advance(state["step"], steps, left_s, values))
            if now - sampled >= SAMPLES_EVERY_S:
                sampled = now
                _log_samples(plan, trained, shown, log, state["step"])
            if now - saved >= SAVE_EVERY_S:
                saved = now
                checkpoint.save(plan.out, dict(networks.items()), optimizers, state, torch.get_rng_state())
    fabric.barrier()
    if log is not None:
        _log_samples(plan, trained, shown, log, state["step"])
        log.close()
        checkpoint.save(plan.out, dict(networks.items()), optimizers, state, torch.get_rng_state())
    fabric.barrier()
    found = checkpoint.newest(plan.out)
    assert found is not None
    return found


def best_precision() -> str:
    """bf16 where the machine multiplies it in hardware (AMX, recent GPUs): three times as fast here; else fp32."""
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    return "bf16-mixed" if torch.cpu._is_amx_tile_supported() else "32-true"


def _fabric(plan: Plan) -> Fabric:
    precision = best_precision() if plan.precision == "auto" else plan.precision
    accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    strategy = "ddp" if plan.devices * plan.nodes > 1 else "auto"
    return Fabric(
        accelerator=accelerator,
        devices=plan.devices,
        num_nodes=plan.nodes,
        strategy=strategy,
        precision=precision,  # type: ignore[arg-type]
    )


def _begin(plan: Plan, fabric: Fabric) -> Run:
    """The run's run.json: written, or on resume read; a resumed run keeps its own options but for the steps."""
    facts = getattr(plan.family.data(plan.data, plan.options), "facts", {})
    if plan.resume:
        old = checkpoint.read_run(plan.out)
        if old.family.name != plan.family.name:
            raise BadRun(f"{plan.out} is a run of {old.family.name}, not of {plan.family.name}")
        if old.facts.get("digest") != facts.get("digest"):
            raise BadRun(f"{plan.out} was begun with other data: go on with that, or name another folder for a new run")
        options = old.options.model_copy(update={"steps": plan.options.steps})
        return Run(old.family, options, old.facts, old.seed, old.precision, old.recipe, old.revision)
    if (plan.out / "run.json").exists():
        raise BadRun(f"{plan.out} holds a run already: go on with it by --resume, or name another folder")
    run = Run(plan.family, plan.options, facts, plan.seed, _precision_name(fabric), plan.recipe, _revision())
    if fabric.is_global_zero:
        try:
            checkpoint.write_run(plan.out, run)
        except OSError as error:
            raise BadRun(f"{plan.out} cannot be written: {error.strerror or error}") from error
    return run


def _precision_name(fabric: Fabric) -> str:
    return str(fabric._precision.precision)


def _start_from(init: Path, networks: torch.nn.ModuleDict) -> None:
    """Weights of another run: a face learned from a general one starts much nearer."""
    newest = checkpoint.newest(init)
    if newest is None:
        raise BadRun(f"{init} has no checkpoint to start from")
    checkpoint.load_networks(newest, networks)


def _loader(plan: Plan, fabric: Fabric, data: Dataset[Any], seen: int) -> Iterator[Any]:
    sampler = Shuffled(len(data), plan.seed, seen, fabric.global_rank, fabric.world_size)  # type: ignore[arg-type]
    loader: DataLoader[Any] = DataLoader(
        data,
        batch_size=plan.options.batch,
        sampler=sampler,
        num_workers=plan.workers,
        pin_memory=fabric.device.type == "cuda",
        persistent_workers=plan.workers > 0,
        generator=torch.Generator().manual_seed(plan.seed),  # its own: it would draw from the one training uses
    )
    return iter(fabric.setup_dataloaders(loader, use_distributed_sampler=False))


def _samples_shown(data: Dataset[Any], fabric: Fabric, count: int = 4) -> Any:
    """The same few held-out pairs in every log, so that progress can be seen."""
    source = data.held_out() if hasattr(data, "held_out") else data
    if len(source) == 0:  # type: ignore[arg-type]
        source = data
    picked: Sequence[int] = np.linspace(0, len(source) - 1, count).astype(int).tolist()  # type: ignore[arg-type]
    return fabric.to_device(torch.utils.data.default_collate([source[i] for i in picked]))


def _log_samples(
    plan: Plan, networks: Mapping[str, torch.nn.Module], shown: Any, log: SummaryWriter | None, step: int
) -> None:
    assert log is not None
    if (pictures := plan.family.samples(networks, shown)) is not None:
        log.add_image("held out: read, made, wanted", pictures, step)
    log.flush()


@contextmanager
def _stop_asked(fabric: Fabric) -> Iterator[Callable[[], bool]]:
    """Ctrl-C and SIGTERM end the loop after the step in hand, so that it is saved; a second Ctrl-C ends at once."""
    asked = False

    def ask(number: int, frame: Any) -> None:
        nonlocal asked
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked = True

    old = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}

    def stopped() -> bool:
        if fabric.world_size == 1:
            return asked
        asking = torch.tensor(float(asked), device=fabric.device)
        return bool(torch.as_tensor(fabric.all_reduce(asking, reduce_op="sum")) > 0)

    try:
        yield stopped
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def _revision() -> str | None:
    """The commit this program was run from, when it is a checkout."""
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"],
            cwd=os.path.dirname(__file__),
            capture_output=True,
            text=True,
            timeout=5,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None
