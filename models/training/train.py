"""The training loop, one for all families and devices. Runs in the process of `guise train`, or in
models/training/rank.py.

    guise train pix2pix DATA --out RUN

Random numbers depend only on the seed and the sample's number, and a checkpoint holds everything that the next step
reads, so a run stopped and resumed continues exactly as if it had not been stopped.

With several devices each runs this loop in a process of its own, started by models/training/launch.py. `batch` is per
device: n devices with batch b see the samples that one with batch n * b would, and learn the same.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from torch import nn
from torch.utils.data import DataLoader, Sampler
from torch.utils.tensorboard import SummaryWriter

from models.prepare.data_error import DataError
from models.prepare.data_facts import DataFacts
from models.training import checkpoint
from models.training.checkpoint import BadRun, Run, RunState
from models.training.collectives import AllRanks
from models.training.divergence import DivergenceWatch
from models.training.family import AnyFamily, Batch, FamilyOptions, TrainingData
from models.training.stop_signals import stop_signals

SAMPLES_EVERY_S = 120.0
SAVE_EVERY_S = 300.0
MAX_LOADERS_PER_GPU = 6
"""A loader process gives some 100 samples of 256 a second; so many keep even a fast GPU busy."""


@dataclass(frozen=True)
class Plan:
    """The arguments of `guise train`."""

    family: AnyFamily
    options: FamilyOptions
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
    compile: bool = False
    workers: int | None = None
    """Data-loader processes per device; None: as many as keep it busy."""
    log_every_s: float = 5.0


@dataclass(frozen=True)
class TrainingProgress:
    """Progress of the training, for display."""

    step: int
    steps: int
    left_s: float
    losses: Mapping[str, float]


class ShuffledSampler(Sampler[int]):
    """Sample numbers from `start`, endless; each epoch in a new order that depends on the seed and the epoch alone.

    Rank r of n takes every n-th, so n processes together see what one would.
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


def train(plan: Plan, advance: Callable[[TrainingProgress], None]) -> Path:
    """Trains until the steps or minutes are over or Ctrl-C; returns the newest checkpoint.

    Raises DataError (data), BadRun (a run that is there already, cannot be resumed, or diverged), OSError (full disk).
    """
    fabric = _fabric(plan)
    fabric.launch()
    ranks = AllRanks(fabric)
    run, data = _start_run(plan, fabric, ranks)
    options = run.options

    fabric.seed_everything(run.seed, verbose=False)
    networks = plan.family.networks(options, run.facts)
    if plan.init is not None:
        _load_initial_weights(plan.init, networks, plan.family)
    state: RunState = {"step": 0, "samples_seen": 0, "seconds": 0.0}
    newest = checkpoint.newest(plan.out) if plan.resume else None
    if newest is not None:
        state |= checkpoint.load_networks(newest, networks, plan.family)
    networks = networks.to(fabric.device)
    optimizers = plan.family.optimizers(networks, options)
    if newest is not None:
        checkpoint.load_optimizers(newest, optimizers, plan.family)
    trained: dict[str, nn.Module] = {}
    for name, network in networks.items():
        if name in optimizers:
            module = _compiled(network) if plan.compile else network
            trained[name], optimizers[name] = fabric.setup(module, optimizers[name])
        else:
            trained[name] = network
    batches = _batches(plan, run, fabric, data, state["samples_seen"])
    log_context = (
        closing(_Log(plan, run, networks, data, fabric, state["step"])) if fabric.is_global_zero else nullcontext()
    )

    watch, saved_networks = DivergenceWatch(plan.out), dict(networks.items())
    samples_per_step = options.batch * fabric.world_size
    steps = options.steps or state["step"] + -(-max(0, len(data) - state["samples_seen"]) // samples_per_step)
    started, before = time.monotonic(), float(state["seconds"])
    first_step = int(state["step"])
    limit_s = np.inf if plan.minutes is None else 60 * plan.minutes
    logged, sampled, saved = -np.inf, started, started
    with _stop_requested() as stop_requested, closing(batches), log_context as log:
        for batch in batches:
            stop_here = stop_requested() or state["seconds"] >= limit_s
            stop, log_now = ranks.any(stop_here, time.monotonic() - logged >= plan.log_every_s)
            if stop or state["step"] >= steps:
                break
            _seed_step(run.seed, state["samples_seen"] + fabric.global_rank)
            losses = plan.family.step(fabric, trained, optimizers, batch, state["step"], options)
            watch.note(losses)
            state["step"] += 1
            state["samples_seen"] += samples_per_step
            now = time.monotonic()
            state["seconds"] = before + now - started
            if log_now:
                logged = now
                values = ranks.mean(losses)
                watch.judge(ranks.mean(watch.means()), state["step"])
                rate = (state["step"] - first_step) / max(now - started, 1e-6)
                left_s = min((steps - state["step"]) / rate, limit_s - state["seconds"])
                advance(TrainingProgress(state["step"], steps, left_s, values))
                if log is not None:
                    log.losses(values, state["step"])
            if log is not None and now - sampled >= SAMPLES_EVERY_S:
                sampled = now
                log.samples(state["step"])
            keep_now, save_now = checkpoint.is_kept(state["step"]), now - saved >= SAVE_EVERY_S
            if fabric.is_global_zero and (keep_now or save_now):
                watch.check_before_saving(saved_networks, state["step"])
            if fabric.is_global_zero and keep_now:
                checkpoint.keep(plan.out, saved_networks, state)
            if fabric.is_global_zero and save_now:
                saved = now
                checkpoint.save(plan.out, saved_networks, optimizers, state)
        if log is not None:
            watch.check_before_saving(saved_networks, state["step"])
            checkpoint.save(plan.out, saved_networks, optimizers, state)
            log.samples(state["step"])
        # No process leaves before the checkpoint is written.
        fabric.barrier()
    newest_saved = checkpoint.newest(plan.out)
    assert newest_saved is not None
    return newest_saved


def _compiled(network: nn.Module) -> nn.Module:
    compiled = torch.compile(network)
    assert isinstance(compiled, nn.Module)
    return compiled


def best_precision() -> str:
    """bf16 where the hardware multiplies it (AMX, recent GPUs): three times as fast here; else fp32."""
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    return "bf16-mixed" if torch.cpu._is_amx_tile_supported() else "32-true"


def _fabric(plan: Plan) -> Fabric:
    accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    strategy = "ddp" if plan.devices * plan.nodes > 1 else "auto"
    return Fabric(
        accelerator=accelerator,
        # No other environment: a batch system's variables would make it count processes that models/training/launch.py
        # did not start.
        plugins=[LightningEnvironment()],
        devices=plan.devices,
        num_nodes=plan.nodes,
        strategy=strategy,
        precision=_precision(plan),  # type: ignore[arg-type]
    )


def _precision(plan: Plan) -> str:
    """The precision asked for; a resumed run keeps its own. Raises BadRun."""
    stored = checkpoint.read_run(plan.out).precision if plan.resume else None
    if plan.precision == "auto":
        return stored or best_precision()
    if stored is not None and stored != plan.precision:
        raise BadRun(
            f"{plan.out} learns in {stored}: leave --precision out, or begin another run with --init {plan.out}"
        )
    return plan.precision


def _start_run(plan: Plan, fabric: Fabric, ranks: AllRanks) -> tuple[Run, TrainingData[DataFacts]]:
    """The run and its data. Only the first process writes or, on resume, reads run.json: others would find it just
    written."""
    own = _new_or_resumed_run(plan, fabric) if fabric.is_global_zero else None
    text = ranks.text_of_first(None if own is None else checkpoint.run_text(own[0]))
    if own is not None:
        return own
    run = checkpoint.parse_run(text)
    data = plan.family.data(plan.data, run.options)
    if data.facts.digest != run.facts.digest:
        raise DataError(f"{_folders(plan)}: not the data of the first host; every host must find the same folders")
    return run, data


def _new_or_resumed_run(plan: Plan, fabric: Fabric) -> tuple[Run, TrainingData[DataFacts]]:
    """A resumed run keeps its own seed and options except the number of steps."""
    resumed = checkpoint.read_run(plan.out) if plan.resume else None
    if resumed is not None and resumed.family.name != plan.family.name:
        raise BadRun(f"{plan.out} is a run of {resumed.family.name}, not of {plan.family.name}")
    if resumed is None and (plan.out / "run.json").exists():
        raise BadRun(f"{plan.out} holds a run already: go on with it by --resume, or name another folder")
    options = resumed.options.model_copy(update={"steps": plan.options.steps}) if resumed is not None else plan.options
    data = plan.family.data(plan.data, options)
    if len(data) == 0:
        raise DataError(f"{_folders(plan)}: there is nothing to learn from; prepare it again with more footage")
    if resumed is not None:
        if resumed.facts.digest != data.facts.digest:
            raise BadRun(f"{plan.out} was begun with other data: go on with that, or name another folder for a new run")
        return replace(resumed, options=options), data
    run = Run(plan.family, options, data.facts, plan.seed, _precision_name(fabric), plan.recipe, _revision())
    try:
        checkpoint.write_run(plan.out, run)
    except OSError as error:
        raise BadRun(f"{plan.out} cannot be written: {error.strerror or error}") from error
    return run, data


def _folders(plan: Plan) -> str:
    return ", ".join(map(str, plan.data))


def _precision_name(fabric: Fabric) -> str:
    return str(fabric._precision.precision)


def _load_initial_weights(init: Path, networks: nn.ModuleDict, family: AnyFamily) -> None:
    """Loads the weights of another run: a face trained from a general one starts much nearer."""
    newest = checkpoint.newest(init)
    if newest is None:
        raise BadRun(f"{init} has no checkpoint to start from")
    checkpoint.load_networks(newest, networks, family)


def _batches(
    plan: Plan, run: Run, fabric: Fabric, data: TrainingData[DataFacts], samples_seen: int
) -> Generator[Batch, None, None]:
    """Batches on the device, endless. Raises DataError."""
    workers = _loader_processes(plan, fabric) if plan.workers is None else plan.workers
    loader = DataLoader(
        data,
        batch_size=run.options.batch,
        sampler=ShuffledSampler(len(data), run.seed, samples_seen, fabric.global_rank, fabric.world_size),
        num_workers=workers,
        # A fork would copy locks held by threads of OpenCV and torch; children of a forkserver outlive this process.
        multiprocessing_context="spawn" if workers else None,
        worker_init_fn=_ignore_sigint if workers else None,
        prefetch_factor=4 if workers else None,
        pin_memory=fabric.device.type == "cuda",
        generator=torch.Generator().manual_seed(run.seed),  # its own: it would draw from the one training uses
    )
    try:
        batches = fabric.setup_dataloaders(loader, use_distributed_sampler=False)
        assert not isinstance(batches, list)
        yield from batches
    except DataError as error:
        # From a loader process the message is preceded by that process's traceback.
        raise DataError(str(error).rstrip().splitlines()[-1].rpartition("DataError: ")[2]) from error


def _loader_processes(plan: Plan, fabric: Fabric) -> int:
    """0 on a CPU: it has no cores to spare, and reading takes a hundredth of a step."""
    if fabric.device.type == "cpu":
        return 0
    return max(1, min(MAX_LOADERS_PER_GPU, (os.cpu_count() or 1) // plan.devices - 1))


def _ignore_sigint(worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _seed_step(seed: int, sample: int) -> None:
    """Seeds dropout and the like anew for each step, so that no generator state has to be saved for a resume; another
    seed on each device."""
    torch.manual_seed(int(np.random.SeedSequence([seed, sample]).generate_state(1, np.uint64)[0]))


class _Log:
    """The TensorBoard log; written by the first process alone."""

    def __init__(
        self,
        plan: Plan,
        run: Run,
        networks: nn.ModuleDict,
        data: TrainingData[DataFacts],
        fabric: Fabric,
        step: int,
    ) -> None:
        self._family, self._facts = plan.family, run.facts
        # Not the wrapped modules: a forward of those may wait for all processes.
        self._networks = dict(networks.items())
        self._shown = _logged_samples(data, fabric)
        self._writer = SummaryWriter(str(plan.out / "log"), purge_step=step)

    def losses(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(f"loss/{name}", value, step)

    def samples(self, step: int) -> None:
        if (pictures := self._family.samples(self._networks, self._shown)) is not None:
            self._writer.add_image("held out: read, made, wanted", pictures, step)
        for name, (sound, rate) in self._family.sounds(self._networks, self._shown, self._facts).items():
            self._writer.add_audio(f"held out: read, made, wanted/{name}", sound, step, rate)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


def _logged_samples(data: TrainingData[DataFacts], fabric: Fabric, count: int = 4) -> Batch:
    """The same few held-out samples in every log, so that progress is visible."""
    source = data.held_out()
    if len(source) == 0:
        source = data
    picked: Sequence[int] = np.linspace(0, len(source) - 1, count).astype(int).tolist()
    batch: Batch = torch.utils.data.default_collate([source[i] for i in picked])
    return {name: fabric.to_device(part) for name, part in batch.items()}


@contextmanager
def _stop_requested() -> Iterator[Callable[[], bool]]:
    """Ctrl-C and SIGTERM end the loop after the current step, so that it is saved; a second Ctrl-C ends at once."""
    stop_requested = False

    def ask(number: int) -> None:
        nonlocal stop_requested
        if stop_requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop_requested = True

    with stop_signals(ask):
        yield lambda: stop_requested


def _revision() -> str | None:
    """The commit of the checkout this program runs from, else None."""
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
