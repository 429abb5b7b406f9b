"""One training in several processes: it is the training that one process makes, and it ends as a whole."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file

from models.prepare.data_error import DataError
from models.training import checkpoint, launch
from models.training.checkpoint import BadRun, load_run
from models.training.registry import family
from models.training.train import Plan, TrainingProgress
from tests.models.face_folders import write_face

torch.set_num_threads(1)
ROOT = Path(__file__).resolve().parents[3]
SIZE = 32
STEPS = 5
TINY = {"ngf": 4, "size": SIZE, "alone": 2, "critic": 4, "scale": 0, "shift": 0, "turn": 0, "stretch": 0}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_face(tmp_path / "data", SIZE)


def _plan(data: Path, out: Path, *, devices: int, batch: int, steps: int = STEPS, **more: object) -> Plan:
    kind = family("pix2pix")
    options = kind.options(**TINY, dropout=0.0, batch=batch, steps=steps)  # type: ignore[call-arg]
    plan = Plan(kind, options, (data,), out, devices=devices, precision="32-true", log_every_s=0.0)
    return replace(plan, **more)  # type: ignore[arg-type]


def _losses(plan: Plan) -> list[dict[str, float]]:
    progress: list[TrainingProgress] = []
    saved = launch.train(plan, progress.append)
    assert saved == checkpoint.newest(plan.out)
    return [dict(now.losses) for now in progress]


def _weights(run: Path) -> dict[str, torch.Tensor]:
    newest = checkpoint.newest(run)
    assert newest is not None
    return load_file(newest / "networks.safetensors")


def test_two_processes_learn_what_one_does(data: Path, tmp_path: Path) -> None:
    one = _losses(_plan(data, tmp_path / "one", devices=1, batch=2))
    two = _losses(_plan(data, tmp_path / "two", devices=2, batch=1))
    assert len(one) == len(two) == STEPS
    assert set(one[-1]) >= {"l1", "adversarial", "discriminator"}
    for alone, together in zip(one, two, strict=True):
        assert together == pytest.approx(alone, rel=1e-4)
    weights, others = _weights(tmp_path / "one"), _weights(tmp_path / "two")
    run = load_run(tmp_path / "one").run
    fresh = family("pix2pix").networks(run.options, run.facts).state_dict()
    assert weights.keys() == others.keys() == fresh.keys()
    for key in weights:
        assert not torch.equal(weights[key], fresh[key]) or "bias" in key, key
        torch.testing.assert_close(others[key], weights[key], rtol=1e-5, atol=1e-6)
    assert load_run(tmp_path / "two").state["samples_seen"] == 2 * STEPS

    on = _losses(_plan(data, tmp_path / "two", devices=1, batch=1, steps=STEPS + 2, resume=True))
    assert len(on) == 2
    assert load_run(tmp_path / "two").state["samples_seen"] == 2 * STEPS + 2


@contextmanager
def _guise(data: Path, out: Path, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "guise", "train", "pix2pix", str(data), "--out", str(out)]
    command += ["--precision", "32-true", "--set", "batch=1", *arguments]
    command += [argument for key, value in TINY.items() for argument in ("--set", f"{key}={value}")]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True, env=os.environ | environment
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _ranks(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Once the first step is made."""
    assert process.stderr is not None
    line = next(text for text in process.stderr if text.startswith("step "))
    assert "l1" in line
    return psutil.Process(process.pid).children(recursive=True)


def test_ctrl_c_leaves_a_checkpoint_and_no_process(
    data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ranks: list[psutil.Process] = []
    others = set(psutil.Process().children())

    def stop(_: TrainingProgress) -> None:
        if not ranks:
            ranks.extend(set(psutil.Process().children()) - others)
            signal.raise_signal(signal.SIGINT)

    out = tmp_path / "run"
    saved = launch.train(_plan(data, out, devices=2, batch=1, steps=10**6), stop)
    assert len(ranks) == 2
    assert not any(rank.is_running() for rank in ranks)
    assert saved == checkpoint.newest(out)
    assert load_run(out).state["step"] > 0
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.slow
def test_a_killed_parent_leaves_no_process(data: Path, tmp_path: Path) -> None:
    """Slow: `make slow PYTEST_ARGS=tests/models/training/test_train_devices.py`."""
    with _guise(data, tmp_path / "run", "--devices", "2", "--steps", "1000000") as process:
        ranks = _ranks(process)
        process.kill()
        _, alive = psutil.wait_procs(ranks, timeout=10)
    assert not alive


def test_a_killed_process_ends_all_with_one_line(data: Path, tmp_path: Path) -> None:
    def kill(_: TrainingProgress) -> None:
        ranks = psutil.Process().children()
        max(ranks, key=psutil.Process.create_time).kill()

    with pytest.raises(launch.RankFailed, match=r"^process . of 2 was killed by SIGKILL"):
        launch.train(_plan(data, tmp_path / "run", devices=2, batch=1, steps=10**6), kill)


@pytest.mark.slow
def test_what_one_process_meets_ends_all_with_one_line(data: Path, tmp_path: Path) -> None:
    """Slow: `make slow PYTEST_ARGS=tests/models/training/test_train_devices.py`."""
    lost = data / "train" / "000003.png"
    lost.unlink()
    with pytest.raises(DataError, match=rf"^{re.escape(str(lost))} cannot be read") as raised:
        launch.train(_plan(data, tmp_path / "run", devices=2, batch=1, steps=100, workers=1), lambda _: None)
    assert "\n" not in str(raised.value)


def test_two_hosts_are_one_training(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is the first host's."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    out = tmp_path / "run"
    host = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    with _guise(data, out, "--nodes", "2", "--steps", "3", NODE_RANK="1", **host) as second:
        for name, value in (host | {"NODE_RANK": "0"}).items():
            monkeypatch.setenv(name, value)
        assert len(_losses(_plan(data, out, devices=1, batch=1, steps=3, nodes=2))) == 3
        printed, errors = second.communicate(timeout=60)
        assert second.returncode == 0, errors
        assert "saved:" in printed
    assert load_run(out).state == load_run(out).state | {"step": 3, "samples_seen": 6}


def test_a_host_without_the_first_hosts_address_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(BadRun, match="needs MASTER_ADDR, MASTER_PORT, NODE_RANK"):
        launch.train(_plan(data, tmp_path / "run", devices=1, batch=1, nodes=2), lambda _: None)
