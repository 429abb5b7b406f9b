"""A training that diverges says so and keeps what it had; so does one whose disk is full."""

from __future__ import annotations

import errno
import os
import re
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from models.families.pix2pix import Pix2Pix
from models.prepare.data_error import DataError
from models.training import checkpoint
from models.training.checkpoint import BadRun
from models.training.divergence import DivergenceWatch
from models.training.registry import family
from models.training.train import Plan, train
from tests.bench.structure import ROOT
from tests.models.face_folders import write_face

SIZE = 64


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    kind = family("pix2pix")
    options = kind.options(ngf=4, size=SIZE, batch=2, steps=1, alone=100)
    return Plan(kind, options, (write_face(tmp_path / "data", SIZE),), tmp_path / "run", precision="32-true")


class _Poisoned(Pix2Pix):
    """A weight becomes NaN in the step that follows the first of the run."""

    def step(self, *given: Any) -> dict[str, torch.Tensor]:
        losses = super().step(*given)
        with torch.no_grad():
            next(given[1]["generator"].parameters()).view(-1)[0] = torch.nan
        return losses


class _Exploding(Pix2Pix):
    """Its loss leaves all others behind."""

    def step(self, *given: Any) -> dict[str, torch.Tensor]:
        losses = super().step(*given)
        return {name: loss * 1e5 if given[4] > 8 else loss for name, loss in losses.items()}


def test_weights_that_are_no_numbers_are_not_saved(plan: Plan) -> None:
    saved = train(plan, lambda _: None)
    on = replace(plan, family=_Poisoned(), options=plan.options.model_copy(update={"steps": 2}), resume=True)
    with pytest.raises(BadRun, match=r"diverged by step 2: .* no number; the checkpoint of step 1 is kept"):
        train(on, lambda _: None)
    assert checkpoint.newest(plan.out) == saved


def test_a_loss_that_explodes_stops_the_training(plan: Plan) -> None:
    exploding = replace(plan, family=_Exploding(), options=plan.options.model_copy(update={"steps": 50}), log_every_s=0)
    with pytest.raises(BadRun, match=r"diverged by step 10: the loss l1 is .*; nothing was saved"):
        train(exploding, lambda _: None)


def test_a_loss_that_wanders_is_no_divergence(tmp_path: Path) -> None:
    watch = DivergenceWatch(tmp_path)
    for step, size in enumerate([1e5, 1.0, 2.0, 0.5, 1.0, 900.0, 0.0, 1e-9, 1.0]):
        watch.note({"loss": torch.tensor(-size)})
        watch.judge({name: float(mean) for name, mean in watch.means().items()}, step)
    with pytest.raises(BadRun, match="is nan"):
        watch.judge({"loss": float("nan")}, 9)


def test_a_disk_that_is_full_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    networks = {"one": torch.nn.Linear(300, 300)}
    saved = checkpoint.save(tmp_path, networks, {}, {"step": 1, "samples_seen": 1, "seconds": 1.0})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
            checkpoint.save(tmp_path, networks, {}, {"step": 2, "samples_seen": 2, "seconds": 2.0})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list((tmp_path / "checkpoints").iterdir()) == [saved]


@pytest.mark.slow
def test_a_full_disk_is_told_and_the_checkpoint_before_is_kept(plan: Plan) -> None:
    """pytest -m slow tests/models/training/test_divergence.py"""
    saved = train(plan, lambda _: None)
    largest_kb = (saved / "networks.safetensors").stat().st_size // 1024 - 10
    command = [sys.executable, "-P", "-m", "guise", "train", "pix2pix", str(plan.data[0]), "--out", str(plan.out)]
    command += ["--resume", "--steps", "2", "--precision", "32-true"]
    # Files above this size cannot be written: what a full disk says, the system says here, by another number.
    script = f"trap '' XFSZ; ulimit -f {largest_kb}; exec \"$@\""
    ended = subprocess.run(["bash", "-c", script, "bash", *command], capture_output=True, text=True, timeout=120)
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.splitlines()[-1].endswith("what was saved before is whole")
    assert "Traceback" not in ended.stderr
    assert checkpoint.newest(plan.out) == saved
    assert [path.name for path in (plan.out / "checkpoints").iterdir()] == [saved.name]


def test_a_look_larger_than_its_footage_is_refused(plan: Plan) -> None:
    larger = replace(plan, options=plan.options.model_copy(update={"size": 2 * SIZE}))
    with pytest.raises(DataError, match=f"was prepared at {SIZE} pixels, which {2 * SIZE} would only enlarge"):
        train(larger, lambda _: None)
    assert not plan.out.exists()


def test_no_object_of_torch_s_collectives_travels_between_hosts() -> None:
    """They are pickled, and whoever reaches the port could run code by one."""
    for source in (ROOT / "models").rglob("*.py"):
        found = re.findall(
            r"fabric\.broadcast|broadcast_object|gather_object|scatter_object|torch\.load\(", source.read_text("utf-8")
        )
        assert not found, source
