"""The training loop: it learns, saves, resumes exactly, and stops when asked."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from models.families.pix2pix import PatchDiscriminator, Pix2Pix, UNetGenerator, learning_rate
from models.prepare.data_error import DataError
from models.prepare.face_facts import FaceFacts
from models.training import checkpoint
from models.training.checkpoint import BadRun, load_run
from models.training.registry import UnknownFamily, family
from models.training.train import Plan, train
from tests.models.face_folders import write_face

SIZE = 64
torch.set_num_threads(1)
STILL = {"scale": 0, "shift": 0, "turn": 0, "stretch": 0}
# Without decay: the rate depends on how many steps are asked for, and a run asked for more is another run.
TINY = {"ngf": 4, "size": SIZE, "batch": 2, "steps": 8, "alone": 2, "decay": 0, **STILL}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_face(tmp_path / "data", SIZE)


def _plan(data: Path, out: Path, *, resume: bool = False, seed: int = 0, **options: object) -> Plan:
    kind = family("pix2pix")
    chosen = kind.options(**(TINY | options))  # type: ignore[arg-type]
    return Plan(kind, chosen, (data,), out, seed=seed, resume=resume, precision="32-true")


def _weights(run: Path) -> dict[str, torch.Tensor]:
    newest = checkpoint.newest(run)
    assert newest is not None
    return load_file(newest / "networks.safetensors")


def _same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_a_run_stopped_and_resumed_is_the_run_not_stopped(data: Path, tmp_path: Path) -> None:
    train(_plan(data, tmp_path / "whole", seed=3), lambda _: None)
    train(_plan(data, tmp_path / "parts", seed=3, steps=3), lambda _: None)
    # The seed is stored in the run: it need not be given again.
    train(_plan(data, tmp_path / "parts", resume=True), lambda _: None)
    assert _same(_weights(tmp_path / "whole"), _weights(tmp_path / "parts"))


def test_another_seed_is_another_run(data: Path, tmp_path: Path) -> None:
    train(_plan(data, tmp_path / "a", steps=2), lambda _: None)
    train(_plan(data, tmp_path / "b", steps=2, seed=1), lambda _: None)
    assert not _same(_weights(tmp_path / "a"), _weights(tmp_path / "b"))


def test_it_learns_and_what_it_was_on_the_way_is_kept(data: Path, tmp_path: Path) -> None:
    seen: list[float] = []

    def advance(now: object) -> None:
        seen.append(now.losses["l1"])  # type: ignore[attr-defined]

    plan = _plan(data, tmp_path / "run", steps=200, learning_rate=1e-3, dropout=0.0, alone=150)
    train(replace(plan, log_every_s=0.0), advance)
    assert np.mean(seen[-20:]) < 0.6 * np.mean(seen[:5])
    assert list((tmp_path / "run" / "log").glob("events.*"))
    loaded = load_run(tmp_path / "run")
    assert loaded.state["step"] == 200
    assert loaded.state["samples_seen"] == 400

    kept = load_run(tmp_path / "run", 100)
    assert kept.state == kept.state | {"step": 100, "samples_seen": 200}
    assert not _same(kept.networks.state_dict(), loaded.networks.state_dict())
    assert _same(load_run(tmp_path / "run", 200).networks.state_dict(), loaded.networks.state_dict())
    assert [path.name for path in sorted((tmp_path / "run" / "kept" / "00000100").iterdir())] == [
        "networks.safetensors",
        "state.json",
    ]
    with pytest.raises(BadRun, match=r"no checkpoint of step 150: choose from 100, 200$"):
        load_run(tmp_path / "run", 150)


def test_a_long_run_keeps_few() -> None:
    assert [step for step in range(60_001) if checkpoint.is_kept(step)] == [
        *(100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000)
    ]


def test_what_was_left_half_written_is_no_checkpoint(data: Path, tmp_path: Path) -> None:
    train(_plan(data, tmp_path / "run", steps=1), lambda _: None)
    whole = checkpoint.newest(tmp_path / "run")
    assert whole is not None
    shutil.copytree(whole, whole.with_name("00000002.part"))
    assert checkpoint.newest(tmp_path / "run") == whole


def test_a_step_that_fails_leaves_its_log_whole(data: Path, tmp_path: Path) -> None:
    """And no thread of TensorBoard's, which the watch over all tests would see."""

    class Failing(Pix2Pix):
        def step(self, *given: Any) -> dict[str, torch.Tensor]:
            if given[4] == 2:
                raise RuntimeError("enough")
            return super().step(*given)

    plan = replace(_plan(data, tmp_path / "run"), family=Failing(), log_every_s=0.0)
    with pytest.raises(RuntimeError, match="enough"):
        train(plan, lambda _: None)
    (events,) = (tmp_path / "run" / "log").glob("events.*")
    log = EventAccumulator(str(events))
    log.Reload()
    assert [value.step for value in log.Scalars("loss/l1")] == [1, 2]


def test_a_resumed_run_keeps_its_precision(data: Path, tmp_path: Path) -> None:
    begun = replace(_plan(data, tmp_path / "run", steps=1), precision="bf16-mixed")
    train(begun, lambda _: None)
    on = _plan(data, tmp_path / "run", steps=2, resume=True)
    with pytest.raises(BadRun, match="learns in bf16-mixed") as refused:
        train(replace(on, precision="32-true"), lambda _: None)
    assert "\n" not in str(refused.value)
    asked: list[str] = []

    class Asked(Pix2Pix):
        def step(self, fabric: Fabric, *given: Any) -> dict[str, torch.Tensor]:
            asked.append(str(fabric._precision.precision))
            return super().step(fabric, *given)

    for number, precision in ((2, "auto"), (3, "bf16-mixed")):
        options = on.options.model_copy(update={"steps": number})
        train(replace(on, family=Asked(), options=options, precision=precision), lambda _: None)
    assert asked == ["bf16-mixed", "bf16-mixed"]


def test_ctrl_c_saves_and_resume_goes_on(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "guise", "train", "pix2pix", str(data), "--out", str(out), "--steps", "1000000"]
    command += ["--set", "ngf=4", "--set", f"size={SIZE}", "--precision", "32-true"]
    command += [argument for key in STILL for argument in ("--set", f"{key}=0")]
    root = Path(__file__).resolve().parents[3]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not list(out.glob("log/events.*")) and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        printed, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "saved:" in printed
    assert "Traceback" not in errors
    step = load_run(out).state["step"]
    assert step > 0
    train(_plan(data, out, resume=True, steps=step + 2), lambda _: None)
    assert load_run(out).state["step"] == step + 2


def test_the_learning_rate_falls_to_a_tenth_at_the_end_and_never_lower(data: Path) -> None:
    kind = family("pix2pix")
    options = kind.options(steps=1000, decay=0.4, learning_rate=1e-3)  # type: ignore[call-arg]
    rates = [learning_rate(step, options) for step in (0, 600, 800, 1000, 5000)]  # type: ignore[arg-type]
    assert rates == pytest.approx([1e-3, 1e-3, 5e-4, 1e-4, 1e-4])
    assert learning_rate(10**6, options.model_copy(update={"decay": 0.0})) == 1e-3  # type: ignore[arg-type]


def test_what_cannot_be_trained_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="guise prepare face"):
        train(_plan(tmp_path / "absent", tmp_path / "run"), lambda _: None)
    train(_plan(data, tmp_path / "run", steps=1), lambda _: None)
    with pytest.raises(BadRun, match="--resume"):
        train(_plan(data, tmp_path / "run"), lambda _: None)
    with pytest.raises(BadRun, match="not a training run"):
        train(_plan(data, tmp_path / "other", resume=True), lambda _: None)
    with pytest.raises(DataError, match="learns one face"):
        train(replace(_plan(data, tmp_path / "two"), data=(data, data)), lambda _: None)
    other = tmp_path / "other_data"
    shutil.copytree(data, other)
    facts = json.loads((other / "dataset.json").read_text()) | {"digest": "1"}
    (other / "dataset.json").write_text(json.dumps(facts))
    with pytest.raises(BadRun, match="begun with other data"):
        train(_plan(other, tmp_path / "run", resume=True, steps=2), lambda _: None)
    with pytest.raises(UnknownFamily, match="pix2pix"):
        family("pix3pix")


def test_a_truncated_checkpoint_is_refused_in_one_line(data: Path, tmp_path: Path) -> None:
    train(_plan(data, tmp_path / "run", steps=1), lambda _: None)
    newest = checkpoint.newest(tmp_path / "run")
    assert newest is not None
    weights = newest / "networks.safetensors"
    os.truncate(weights, weights.stat().st_size // 2)
    with pytest.raises(BadRun) as refused:
        load_run(tmp_path / "run")
    assert "\n" not in str(refused.value)


def test_the_networks_are_the_papers() -> None:
    count = {ngf: sum(p.numel() for p in UNetGenerator(ngf, 256, 0.5).parameters()) for ngf in (16, 32, 64)}
    assert count[64] == pytest.approx(54.414e6, rel=1e-3)
    assert count[32] == pytest.approx(13.608e6, rel=1e-3)
    assert count[16] == pytest.approx(3.404e6, rel=1e-3)
    discriminator = PatchDiscriminator()
    assert sum(p.numel() for p in discriminator.parameters()) == pytest.approx(2.769e6, rel=1e-3)
    with torch.no_grad():
        logits = discriminator(torch.zeros(1, 3, 256, 256), torch.zeros(1, 3, 256, 256))[-1]
    assert logits.shape == (1, 1, 30, 30)


def test_frozen_a_still_face_gives_a_still_picture() -> None:
    kind = Pix2Pix()
    options = kind.options(ngf=4, size=64)
    target: dict[str, object] = {"neutral": [[2.0, 4.0]], "residual_low": [], "residual_high": [], "openings": {}}
    target |= {name: [0, 1] for name in ("roll", "scale", "shift_x", "shift_y")}
    facts = FaceFacts(size=128, target=target)
    plan = kind.freeze(kind.networks(options, facts), options, facts)
    lines = torch.randint(0, 255, (1, 64, 64, 3), dtype=torch.uint8)
    with torch.no_grad():
        first, second = plan.module(lines), plan.module(lines)
    assert first.dtype == torch.uint8
    assert torch.equal(first, second)
    assert plan.manifest["target"]["neutral"] == [[1.0, 2.0]]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["pix3pix", "data"], "no family"),
        (["pix2pix", "data", "--set", "ngf=0"], "ngf"),
        (["cyclegan_vc", "data", "--set", "version=3"], "version: Input should be 1 or 2"),
        (["cyclegan_vc", "absent", "missing", "--set", "version=1"], "guise prepare voice"),
        (["pix2pix", "data", "--set", "colour=red"], "colour"),
        (["pix2pix", "data", "--set", "ngf"], "KEY=VALUE"),
        (["pix2pix", "data", "--recipe", "secret"], "recipe"),
        (["pix2pix", "absent"], "guise prepare face"),
    ],
)
def test_the_verb_refuses_in_one_line(
    arguments: list[str], says: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import guise

    assert guise.main(["train", *arguments, "--out", str(tmp_path / "run")]) == 2
    error = capfd.readouterr().err
    assert says in error
    assert "Traceback" not in error


def test_a_mirrored_face_has_its_points_in_the_mirror() -> None:
    from models.features.face_points import MIRROR

    assert sorted(MIRROR) == list(range(68))
    assert np.array_equal(MIRROR[MIRROR], np.arange(68))
    assert MIRROR[36] == 45
    assert MIRROR[48] == 54
