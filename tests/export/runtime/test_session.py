"""A frozen model performs: the same output at every run, on the best provider available, which is reported."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto

from export.artifact.bad_model import BadModel
from export.runtime import session as session_module
from export.runtime.providers import PROVIDERS, unavailable_reason
from export.runtime.session import open_session
from export.runtime.session_options import physical_cores
from export.runtime.tensorrt import NotBuilt
from tests.export.tiny_look import SIZE, look_fields, look_model


@pytest.fixture
def lines() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (1, SIZE, SIZE, 3), np.uint8)


def test_it_performs(look: Path, lines: np.ndarray) -> None:
    with open_session(look, "cpu") as session:
        session.warm()
        assert session.manifest.name == "porcelain"
        np.testing.assert_array_equal(session.run(lines=lines)["picture"], 255 - lines)
        np.testing.assert_array_equal(session.run(lines=255 - lines)["picture"], lines)


def test_the_next_run_overwrites_the_last(look: Path, lines: np.ndarray) -> None:
    with open_session(look, "cpu") as session:
        first = session.run(lines=lines)["picture"]
        kept = first.copy()
        second = session.run(lines=255 - lines)["picture"]
        assert first is second
        np.testing.assert_array_equal(kept, 255 - lines)


def test_inputs_may_have_any_memory_layout(look: Path, lines: np.ndarray) -> None:
    with open_session(look, "cpu") as session:
        turned = lines[:, ::-1, :, ::-1]
        np.testing.assert_array_equal(session.run(lines=turned)["picture"], 255 - turned)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"face": np.zeros((1, SIZE, SIZE, 3), np.uint8)},
        {"lines": np.zeros((1, SIZE, SIZE, 4), np.uint8)},
        {"lines": np.zeros((1, SIZE, SIZE, 3), np.float32)},
    ],
    ids=["nothing", "another", "shape", "dtype"],
)
def test_wrong_inputs_are_refused(look: Path, given: dict[str, np.ndarray]) -> None:
    with open_session(look, "cpu") as session, pytest.raises(ValueError, match="lines"):
        session.run(**given)


def test_a_closed_session_does_not_run(look: Path, lines: np.ndarray) -> None:
    session = open_session(look, "cpu")
    picture = session.run(lines=lines)["picture"]
    session.close()
    session.close()
    np.testing.assert_array_equal(picture, 255 - lines)
    with pytest.raises(RuntimeError, match="closed"):
        session.run(lines=lines)


def test_a_bad_model_is_refused_before_onnx_runtime_sees_it(tmp_path: Path) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(BadModel, match="not an ONNX file"):
        open_session(path)


def test_a_voice_where_a_look_is_wanted(look: Path) -> None:
    with pytest.raises(BadModel, match="is a look, where a voice is wanted"):
        open_session(look, "cpu", kind="voice")


def test_what_onnx_runtime_cannot_run_is_a_bad_model(
    forged: Callable[[ModelProto, str | None], Path], capfd: pytest.CaptureFixture[str]
) -> None:
    model = look_model()
    model.graph.node[1].op_type = "MatMul"  # of shapes that do not fit
    path = forged(model, json.dumps(look_fields()))
    with pytest.raises(BadModel, match="cannot be run by ONNX Runtime") as caught:
        open_session(path)
    assert str(caught.value).isprintable()
    assert capfd.readouterr() == ("", "")


def test_unavailable_providers_fall_back_and_are_reported(look: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "unavailable_reason", lambda name: None if name == "CPU" else f"no {name} here")
    with open_session(look, "cuda") as session:
        assert session.provider == "CPU"
        assert session.fallback == "performing on CPU instead of CUDA: CUDA: no CUDA here"
    with open_session(look, "TensorRT") as session:
        assert session.fallback is not None
        assert "no TensorRT here; CUDA: no CUDA here" in session.fallback
    with open_session(look, "cpu") as session:
        assert session.fallback is None


def test_auto_falls_back_silently_only_without_a_gpu(look: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "unavailable_reason", lambda name: None if name == "CPU" else "broken")
    monkeypatch.setattr(session_module, "gpu_unavailable_reason", lambda: "no driver")
    with open_session(look) as session:
        assert (session.provider, session.fallback) == ("CPU", None)
    monkeypatch.setattr(session_module, "gpu_unavailable_reason", lambda: None)
    with open_session(look) as session:
        assert session.provider == "CPU"
        assert "instead of TensorRT" in str(session.fallback)


def test_a_provider_that_breaks_when_built_falls_back(look: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(path: Path, manifest: object) -> object:
        raise RuntimeError("CUDA failure 2: out of memory\nand a page more")

    monkeypatch.setattr(session_module, "unavailable_reason", lambda _: None)
    monkeypatch.setattr(session_module.cuda, "open_on_cuda", breaks)
    with open_session(look, "cuda") as session:
        assert session.provider == "CPU"
        assert session.fallback is not None
        assert session.fallback.endswith("CUDA: CUDA failure 2: out of memory")


def test_tensorrt_builds_only_when_requested_by_name(look: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def nothing_there(path: Path, manifest: object, *, may_build: bool) -> object:
        asked.append(may_build)
        raise NotBuilt("no engine")

    monkeypatch.setattr(session_module, "unavailable_reason", lambda name: "no libcudnn" if name == "CUDA" else None)
    monkeypatch.setattr(session_module, "gpu_unavailable_reason", lambda: None)
    monkeypatch.setattr(session_module.tensorrt, "open_or_build", nothing_there)
    for provider in ("auto", "tensorrt"):
        with open_session(look, provider) as session:
            assert session.fallback == "performing on CPU instead of TensorRT: TensorRT: no engine; CUDA: no libcudnn"
    assert asked == [False, True]


def test_an_unknown_provider_is_an_error(look: Path) -> None:
    with pytest.raises(ValueError, match="choose auto, tensorrt, cuda, cpu"):
        open_session(look, "npu")


def test_every_provider_of_this_machine_performs_and_prints_nothing(
    look: Path,
    lines: np.ndarray,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for provider in ("auto", *PROVIDERS):
        with open_session(look, provider, threads=1) as session:
            session.warm()
            assert unavailable_reason(session.provider) is None
            np.testing.assert_array_equal(session.run(lines=lines)["picture"], 255 - lines)
    assert capfd.readouterr() == ("", "")


def test_threads() -> None:
    assert physical_cores() >= 1


def test_the_stage_needs_no_torch_and_no_onnx() -> None:
    code = (
        "import sys, export.runtime.session; sys.exit(any(m in sys.modules for m in ('torch', 'onnx', 'onnxscript')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], check=False).returncode == 0
