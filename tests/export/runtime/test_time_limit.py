"""A model that never ends, or takes too long, is stopped in time; what cannot be stopped is left behind."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import guise
from export.artifact.bad_model import BadModel
from export.artifact.model_file import check_model
from export.runtime import frozen_session
from export.runtime import session as session_module
from export.runtime.cuda import CudaSession
from export.runtime.session import open_session
from export.runtime.session_options import build_session, session_options
from export.runtime.time_limit import RunTooLong, Watched, allow_slow_runs, finish_within
from tests.export import bad_models
from tests.export.tiny_look import SIZE


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bad.onnx"


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds in place of the promised ones."""
    monkeypatch.setattr(frozen_session, "PREPARE_S", 0.5)
    monkeypatch.setattr(frozen_session, "GRACE_S", 0.3)
    monkeypatch.setattr(session_module, "PREPARE_S", 0.5)


def test_a_look_that_never_ends_is_stopped_when_it_is_warmed(path: Path, hurried: None) -> None:
    bad_models.endless_look(path)
    with open_session(path, "cpu", 1) as session, pytest.raises(RunTooLong, match=r"^\S+ takes longer than .* stopped"):
        session.warm()


def test_a_voice_that_never_ends_too(path: Path, hurried: None) -> None:
    bad_models.endless_voice(path)
    with open_session(path, "cpu", 1) as session, pytest.raises(RunTooLong):
        session.warm()


def test_a_run_is_stopped_on_stage_and_the_next_one_performs(path: Path) -> None:
    bad_models.endless_on_stage_look(path)
    black, white = (np.full((1, SIZE, SIZE, 3), value, np.uint8) for value in (0, 255))
    with open_session(path, "cpu", 1) as session:
        session.warm()
        for _ in range(2):
            session.run_limit_s = 0.2
            with pytest.raises(RunTooLong, match=r"takes longer than 0\.\d s on CPU, and was stopped"):
                session.run(lines=white)
            session.run_limit_s = 60.0
            assert session.run(lines=black)["picture"].max() == 0


def test_a_look_that_is_slow_by_far_is_refused_for_the_stage_alone(path: Path) -> None:
    bad_models.slow_look(path, 100_000)
    with open_session(path, "cpu", 1) as session:
        session.run_limit_s = 0.01
        with pytest.raises(RunTooLong, match=r"namely 0\.\d s"):
            session.warm()
        session.run_limit_s = 60.0
        session.warm()


def test_what_takes_for_ever_to_load_is_refused(path: Path, hurried: None) -> None:
    script = (
        "import sys; from pathlib import Path; from export.runtime import session; session.PREPARE_S = 0.5\n"
        "from export.artifact.bad_model import BadModel\n"
        "try: session.open_session(Path(sys.argv[1]), 'cpu', 1)\n"
        "except BadModel as error: print(error)"
    )
    bad_models.slow_to_load_look(path)
    # In a process of its own, which must end although a thread of it never does.
    ended = subprocess.run([sys.executable, "-P", "-c", script, path], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert "takes longer than 0.5 s to load" in ended.stdout


def test_a_single_operator_that_never_ends_is_left_behind(path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from export.runtime import frozen_session, session\n"
        "frozen_session.PREPARE_S = 0.5; frozen_session.GRACE_S = 0.2\n"
        "try: session.open_session(Path(sys.argv[1]), 'cpu', 1).warm()\n"
        "except RuntimeError as error: print(error)"
    )
    bad_models.unstoppable_look(path)
    ended = subprocess.run([sys.executable, "-P", "-c", script, path], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert "takes longer than 0.5 s on CPU, and does not stop" in ended.stdout


def test_a_run_on_a_thread_of_its_own_is_stopped_too(path: Path) -> None:
    # As on a graphics card, with the CPU in its place.
    bad_models.endless_on_stage_look(path)
    black, white = (np.full((1, SIZE, SIZE, 3), value, np.uint8) for value in (0, 255))
    manifest = check_model(path)
    with CudaSession(
        path, manifest, "CUDA", lambda graph: build_session(path, "CPU", {}, session_options(1)), "fp32", device="cpu"
    ) as session:
        session.run_limit_s = 0.2
        with pytest.raises(RunTooLong, match="on CUDA, and was stopped"):
            session.run(lines=white)
        session.run_limit_s = 60.0
        assert session.run(lines=black)["picture"].max() == 0


def test_where_nobody_waits_a_run_may_take_long(look: Path) -> None:
    with open_session(look, "cpu", 1) as session:
        assert session.run_limit_s == 0.5
    assert guise.main(["export", "--help"]) == 0
    with open_session(look, "cpu", 1) as session:
        assert session.run_limit_s == 0.5, "a page of help allows nothing"
    allow_slow_runs()
    with open_session(look, "cpu", 1) as session:
        assert session.run_limit_s == 60.0


@pytest.mark.parametrize("verb", ["render", "export", "reduce", "evaluate", "calibrate", "bench"])
def test_verbs_without_a_stage_allow_it_first(verb: str) -> None:
    assert guise.FIRST[verb] == f"{allow_slow_runs.__module__}:{allow_slow_runs.__name__}"


def test_time_in_which_the_machine_stood_still_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = []
    watched = Watched(lambda: stopped.append(True))
    leap_s = iter(range(0, 10**6, 1000))
    monkeypatch.setattr("export.runtime.time_limit.time.monotonic", lambda: float(next(leap_s)))
    watched.begin(1.0)
    time.sleep(0.25)
    assert not watched.end()
    assert not stopped


def test_an_answer_and_an_error_come_back_from_the_trial() -> None:
    assert finish_within(10.0, lambda: 7) == 7
    with pytest.raises(BadModel, match="no"):
        finish_within(10.0, _refuse)
    with pytest.raises(TimeoutError):
        finish_within(0.01, lambda: time.sleep(0.3))


def _refuse() -> None:
    raise BadModel("it", "is no model")
