"""The student learns its teacher's pictures, is frozen without its teacher, and resumes with no other teacher."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from models.families.pix2pix import Pix2Pix
from models.prepare.data_error import DataError
from models.training import checkpoint
from models.training.checkpoint import BadRun, Run, load_run
from models.training.registry import family
from models.training.train import Plan, TrainingProgress, train
from tests.models.face_folders import write_face

SIZE = 32
STILL = {"scale": 0, "shift": 0, "turn": 0, "stretch": 0}
torch.set_num_threads(1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_face(tmp_path_factory.mktemp("face") / "data", SIZE)


@pytest.fixture
def teacher(data: Path, tmp_path: Path) -> Path:
    """A run of pix2pix as training leaves it: fresh weights, the last layer's large enough for a visible picture."""
    torch.manual_seed(0)
    kind = Pix2Pix()
    options = kind.options(ngf=8, size=SIZE, steps=3, critic=4, **STILL)
    facts = kind.data((data,), options).facts
    folder = tmp_path / "teacher"
    checkpoint.write_run(folder, Run(kind, options, facts, 0, "32-true", "default", None))
    _save(folder, kind.networks(options, facts), 3)
    return folder


def _save(folder: Path, networks: nn.ModuleDict, step: int) -> None:
    networks["average"].last[1].weight.data.mul_(20)
    state = {"step": step, "samples_seen": step, "seconds": 1.0}
    checkpoint.save(folder, networks, {}, state)


def _plan(data: Path, teacher: Path | str, out: Path, *, resume: bool = False, **options: object) -> Plan:
    kind = family("pix2pix_student")
    chosen = kind.options(**{"teacher": str(teacher), "ngf": 4, "steps": 4, **options})  # type: ignore[arg-type]
    return Plan(kind, chosen, (data,), out, resume=resume, precision="32-true")


def _picture(run: Path, lines: torch.Tensor) -> torch.Tensor:
    """What the run would perform, as floats of 0..255."""
    loaded = load_run(run)
    plan = loaded.run.family.freeze(loaded.networks, loaded.run.options, loaded.run.facts)
    with torch.no_grad():
        picture: torch.Tensor = plan.module(lines)
    return picture.float()


def test_it_comes_to_paint_what_the_teacher_paints(data: Path, teacher: Path, tmp_path: Path) -> None:
    seen: list[float] = []

    def advance(now: TrainingProgress) -> None:
        seen.append(now.losses["l1"])

    plan = _plan(data, teacher, tmp_path / "run", steps=60, learning_rate=3e-3, average=0.9)
    train(replace(plan, log_every_s=0.0), advance)
    assert np.mean(seen[-10:]) < 0.6 * np.mean(seen[:5])
    source = family("pix2pix").data((data,), load_run(teacher).run.options).held_out()  # type: ignore[attr-defined]
    lines = torch.from_numpy(source.lines(source.points[0]))[None]
    distance = (_picture(tmp_path / "run", lines) - _picture(teacher, lines)).abs().mean()
    train(_plan(data, teacher, tmp_path / "begun", steps=1), lambda _: None)
    before = (_picture(tmp_path / "begun", lines) - _picture(teacher, lines)).abs().mean()
    assert distance < 0.7 * before


def test_it_is_frozen_as_its_teacher_is_and_without_it(data: Path, teacher: Path, tmp_path: Path) -> None:
    train(_plan(data, teacher, tmp_path / "run", steps=1), lambda _: None)
    of_teacher = load_run(teacher)
    expected = of_teacher.run.family.freeze(of_teacher.networks, of_teacher.run.options, of_teacher.run.facts)
    shutil.rmtree(teacher)
    loaded = load_run(tmp_path / "run")
    plan = loaded.run.family.freeze(loaded.networks, loaded.run.options, loaded.run.facts)
    assert plan.manifest == expected.manifest
    assert plan.inputs["lines"].shape == expected.inputs["lines"].shape
    assert loaded.run.facts.digest == of_teacher.run.facts.digest
    newest = checkpoint.newest(tmp_path / "run")
    assert newest is not None
    stored = load_file(newest / "networks.safetensors")
    assert {name.partition(".")[0] for name in stored} == {"generator", "average"}


def test_a_run_stopped_and_resumed_is_the_run_not_stopped(data: Path, teacher: Path, tmp_path: Path) -> None:
    train(_plan(data, teacher, tmp_path / "whole"), lambda _: None)
    train(_plan(data, teacher, tmp_path / "parts", steps=2), lambda _: None)
    # The teacher need not be named again.
    train(_plan(data, "", tmp_path / "parts", resume=True), lambda _: None)
    stored = []
    for run in ("whole", "parts"):
        newest = checkpoint.newest(tmp_path / run)
        assert newest is not None
        stored.append(load_file(newest / "networks.safetensors"))
    assert stored[0].keys() == stored[1].keys()
    assert all(torch.equal(stored[0][key], stored[1][key]) for key in stored[0])


def test_a_teacher_that_learned_on_is_refused(data: Path, teacher: Path, tmp_path: Path) -> None:
    train(_plan(data, teacher, tmp_path / "run", steps=1), lambda _: None)
    loaded = load_run(teacher)
    loaded.networks["average"].last[1].weight.data.mul_(2)
    checkpoint.save(teacher, loaded.networks, {}, {**loaded.state, "step": 4})
    with pytest.raises(BadRun, match="has learned on since this run began"):
        train(_plan(data, teacher, tmp_path / "run", resume=True), lambda _: None)


def test_who_cannot_teach(data: Path, teacher: Path, tmp_path: Path) -> None:
    train(_plan(data, teacher, tmp_path / "run", steps=1), lambda _: None)
    other = write_face(tmp_path / "other", SIZE)
    facts = (other / "dataset.json").read_text().replace('"digest": "0"', '"digest": "1"')
    (other / "dataset.json").write_text(facts)
    for folder, of, error, message in (
        (data, "", DataError, "a student needs a teacher: --set teacher=RUN"),
        (data, tmp_path / "gone", BadRun, "is not a training run"),
        (data, tmp_path / "run", DataError, "is a run of pix2pix_student: a student learns from one of pix2pix"),
        (other, teacher, DataError, "is not the data that"),
    ):
        with pytest.raises(error, match=message) as raised:
            train(_plan(folder, of, tmp_path / "new"), lambda _: None)
        assert "\n" not in str(raised.value)
        assert not (tmp_path / "new").exists()
    shutil.rmtree(teacher / "checkpoints")
    with pytest.raises(BadRun, match="has no checkpoint"):
        train(_plan(data, teacher, tmp_path / "new"), lambda _: None)
