"""TensorRT engines as far as no TensorRT is needed: their keys, how they are found, removed and built."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from onnx import ModelProto, TensorProto, helper

from export.artifact import model_file
from export.artifact.manifest import Manifest
from export.runtime import providers, tensorrt, tensorrt_build
from export.runtime.session import CpuSession
from export.runtime.tensorrt import CONTEXT, FACTS, EngineTrial, NotBuilt
from tests.export.tiny_look import SIZE

ROOT = Path(__file__).parents[3]
TRIAL = EngineTrial(load_s=0.8, difference=0.0, arithmetic="fp32")
Worker = Callable[[Path, Path, Path], EngineTrial]


@pytest.fixture(autouse=True)
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache folder of the test, and the GPU it is for."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(providers, "gpu", lambda: providers.Gpu("NVIDIA GeForce RTX 4090", "8.9"))
    monkeypatch.setattr(providers, "tensorrt_version", lambda: 100900)


@pytest.fixture
def builder(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Writes a fake engine, as the building process would; the list grows with each build."""
    builds: list[Path] = []

    def work(path: Path, folder: Path, timing: Path) -> EngineTrial:
        builds.append(path)
        folder.mkdir()
        timing.mkdir(parents=True, exist_ok=True)
        (timing / "kernels.timing").write_bytes(b"times")
        (folder / CONTEXT).write_bytes(b"context")
        (folder / "graph.engine").write_bytes(b"engine" * 1000)
        return TRIAL

    monkeypatch.setattr(tensorrt, "_run_builder", work)
    return builds


def test_an_engine_is_found_by_its_whole_key(look: Path, builder: list[Path]) -> None:
    key = tensorrt.engine_key(look)
    assert tensorrt.find_engine(key) is None
    built = tensorrt.build_engine(look)
    assert built.key == key
    assert tensorrt.find_engine(key) == built
    assert sorted(file.name for file in key.folder.iterdir()) == [CONTEXT, FACTS, "graph.engine"]
    assert built.megabytes == pytest.approx(0.006, abs=1e-3)
    others: list[dict[str, Any]] = [
        {"model": "0" * 64},
        {"gpu": "NVIDIA GeForce RTX 4080"},
        {"capability": "9.0"},
        {"tensorrt": 101300},
        {"runtime": "1.22.0"},
    ]
    for other in others:
        elsewhere = key.model_copy(update=other)
        assert elsewhere.folder != key.folder
        assert tensorrt.find_engine(elsewhere) is None
    assert tensorrt.find_engine(key) == built
    assert [folder.name for folder in key.folder.parent.iterdir()] == [key.folder.name]


def test_a_model_frozen_anew_has_another_engine(look: Path, builder: list[Path]) -> None:
    before = tensorrt.engine_key(look)
    look.write_bytes(look.read_bytes().replace(b"porcelain", b"porcelaim"))
    assert tensorrt.engine_key(look).folder != before.folder


def test_the_timing_cache_is_shared_by_models_but_not_by_gpus(look: Path) -> None:
    key = tensorrt.engine_key(look)
    assert key.model_copy(update={"model": "0" * 64, "runtime": "1.22.0"}).timing_folder == key.timing_folder
    for other in ({"gpu": "NVIDIA H100"}, {"capability": "9.0"}, {"tensorrt": 101300}):
        assert key.model_copy(update=other).timing_folder != key.timing_folder


def _cut(folder: Path) -> None:
    engine = folder / "graph.engine"
    engine.write_bytes(engine.read_bytes()[:-1])


def _flip(folder: Path) -> None:
    engine = folder / "graph.engine"
    engine.write_bytes(b"E" + engine.read_bytes()[1:])


@pytest.mark.parametrize(
    "spoil",
    [
        _cut,
        _flip,
        lambda folder: (folder / CONTEXT).unlink(),
        lambda folder: (folder / FACTS).unlink(),
        lambda folder: (folder / FACTS).write_text("{}"),
        lambda folder: (folder / FACTS).write_text((folder / FACTS).read_text().replace("4090", "4080")),
    ],
    ids=["cut short", "one byte", "no context", "no facts", "other facts", "another card's"],
)
def test_a_changed_engine_is_removed_and_built_again(
    look: Path, builder: list[Path], spoil: Callable[[Path], object]
) -> None:
    key = tensorrt.build_engine(look).key
    spoil(key.folder)
    assert tensorrt.find_engine(key) is None
    assert not key.folder.exists()
    assert tensorrt.find_engine(tensorrt.build_engine(look).key) is not None
    assert len(builder) == 2


def _name_no_file(folder: Path) -> None:
    facts = json.loads((folder / FACTS).read_text())
    (folder / FACTS).write_text(json.dumps(facts | {"files": {}}))


def _name_a_file_elsewhere(folder: Path) -> None:
    (folder.parent / "elsewhere").write_bytes(b"x")
    facts = json.loads((folder / FACTS).read_text())
    files = facts["files"] | {"../elsewhere": model_file.file_digest(folder.parent / "elsewhere")}
    (folder / FACTS).write_text(json.dumps(facts | {"files": files}))


@pytest.mark.parametrize(
    "forge", [_name_no_file, _name_a_file_elsewhere, lambda f: (f / "more.engine").write_bytes(b"")]
)
def test_an_engine_that_was_not_compared_as_a_whole_is_none(
    look: Path, builder: list[Path], forge: Callable[[Path], object]
) -> None:
    key = tensorrt.build_engine(look).key
    forge(key.folder)
    assert tensorrt.find_engine(key) is None


def test_the_cache_is_this_user_s_alone(look: Path, builder: list[Path]) -> None:
    key = tensorrt.build_engine(look).key
    for folder in (key.folder.parent, tensorrt.cache_folder(), tensorrt.cache_folder().parent):
        assert folder.stat().st_mode & 0o777 == 0o700
    for folder in (key.folder, tensorrt.cache_folder().parent):
        folder.chmod(0o777)
        with pytest.raises(NotBuilt, match="others may write there"):
            tensorrt.find_engine(key)
        folder.chmod(0o700)
    assert tensorrt.find_engine(key) is not None


def test_a_relative_cache_folder_counts_for_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    assert tensorrt.cache_folder() == tmp_path / ".cache" / "guise" / "tensorrt"


def test_a_build_that_fails_leaves_the_old_engine_and_nothing_else(
    look: Path, builder: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tensorrt.build_engine(look)

    def fails(path: Path, folder: Path, timing: Path) -> EngineTrial:
        folder.mkdir()
        (folder / CONTEXT).write_bytes(b"half")
        raise NotBuilt("out of memory")

    monkeypatch.setattr(tensorrt, "_run_builder", fails)
    with pytest.raises(NotBuilt, match="out of memory"):
        tensorrt.build_engine(look)
    assert tensorrt.find_engine(old.key) == old
    assert list(old.key.folder.parent.iterdir()) == [old.key.folder]


def test_a_broken_timing_cache_is_removed(look: Path, builder: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    work = tensorrt._run_builder
    timing = tensorrt.engine_key(look).timing_folder
    timing.mkdir(parents=True)
    (timing / "kernels.timing").write_bytes(b"broken")

    def fails_on_broken_times(path: Path, folder: Path, timing: Path) -> EngineTrial:
        if (timing / "kernels.timing").exists():
            folder.mkdir()
            raise NotBuilt("could not create timing cache")
        return work(path, folder, timing)

    monkeypatch.setattr(tensorrt, "_run_builder", fails_on_broken_times)
    assert tensorrt.build_engine(look).trial == TRIAL
    assert (timing / "kernels.timing").read_bytes() == b"times"


def test_another_error_is_not_tried_twice(look: Path, builder: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    tensorrt.build_engine(look)
    tries = []

    def fails(path: Path, folder: Path, timing: Path) -> EngineTrial:
        tries.append(path)
        raise NotBuilt("the engine differs from the model by 9.0/255, where fp32 allows 2")

    monkeypatch.setattr(tensorrt, "_run_builder", fails)
    with pytest.raises(NotBuilt, match="differs"):
        tensorrt.build_engine(look)
    assert len(tries) == 1


def test_builds_only_when_it_may(look: Path, builder: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    def open_fake(path: Path, manifest: Manifest, folder: Path, arithmetic: str) -> str:
        opened.append(folder)
        return "session"

    manifest = model_file.check_model(look)
    monkeypatch.setattr(tensorrt, "open_engine", open_fake)
    with pytest.raises(NotBuilt, match="guise export --tensorrt builds it"):
        tensorrt.open_or_build(look, manifest, may_build=False)
    assert builder == []
    for may_build in (True, True, False):
        assert tensorrt.open_or_build(look, manifest, may_build=may_build) == "session"
    assert len(builder) == 1
    assert opened == [tensorrt.engine_key(look).folder] * 3


def test_an_engine_that_does_not_load_is_removed(
    look: Path, builder: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tensorrt.build_engine(look).key
    manifest = model_file.check_model(look)
    attempts = []

    def refuses_the_first(*_: object) -> str:
        attempts.append(True)
        if len(attempts) == 1:
            raise RuntimeError("TensorRT EP could not deserialize engine")
        return "session"

    monkeypatch.setattr(tensorrt, "open_engine", refuses_the_first)
    with pytest.raises(RuntimeError, match="deserialize"):
        tensorrt.open_or_build(look, manifest, may_build=False)
    assert not key.folder.exists()
    tensorrt.build_engine(look)
    attempts.clear()
    assert tensorrt.open_or_build(look, manifest, may_build=True) == "session"
    assert len(builder) == 3


def test_options_are_text_and_the_engine_is_beside_its_context(tmp_path: Path) -> None:
    asked = tensorrt.build_options("fp32", tmp_path, tmp_path / "timing")
    # An absolute path to the engine is refused by ONNX Runtime while it dumps a context model.
    assert "trt_engine_cache_path" not in asked
    assert asked["trt_ep_context_file_path"] == str(tmp_path / CONTEXT)
    assert asked["trt_ep_context_embed_mode"] == "0"
    assert asked["trt_fp16_enable"] == "0"
    assert tensorrt.build_options("fp16", tmp_path, tmp_path)["trt_fp16_enable"] == "1"
    assert tensorrt.load_options(graph=False) == {"trt_cuda_graph_enable": "0"}


# ---- the building process


def test_the_process_reports_why_it_cannot_build(look: Path, tmp_path: Path) -> None:
    reason = providers.unavailable_reason("TensorRT")
    if reason is None:
        assert tensorrt._run_builder(look, tmp_path / "engine", tmp_path / "timing").difference <= 2
    else:
        with pytest.raises(NotBuilt) as refused:
            tensorrt._run_builder(look, tmp_path / "engine", tmp_path / "timing")
        assert str(refused.value) == reason


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("kill -SEGV $$", "building its engine ended with signal 11"),
        ("exit 3", "building its engine ended with code 3"),
        ("echo chatter; echo 'out of memory'; exit 1", "^out of memory$"),
    ],
)
def test_however_the_process_fails_is_reported(
    look: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    with pytest.raises(NotBuilt, match=said):
        tensorrt._run_builder(look, tmp_path / "engine", tmp_path / "timing")


def test_the_process_ends_with_its_parent() -> None:
    waits = (
        "import time; from export.runtime import tensorrt_build; "
        "tensorrt_build.build_and_check = lambda *_: time.sleep(30); tensorrt_build.main(['model', 'folder', 'timing'])"
    )
    with subprocess.Popen([sys.executable, "-c", waits], cwd=ROOT, stdin=subprocess.PIPE) as process:
        started = time.monotonic()
    assert process.returncode == 1
    assert time.monotonic() - started < 15


@pytest.fixture
def on_a_gpu(look: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """As if there were TensorRT: builds what `writes` says, and runs on the CPU."""
    settings: dict[str, Any] = {"writes": CONTEXT, "levels": 0}

    def build(path: Path, provider: str, asked: dict[str, str], chosen: ort.SessionOptions) -> None:
        assert provider == "TensorRT"
        (Path(asked["trt_ep_context_file_path"]).parent / settings["writes"]).write_bytes(path.read_bytes())

    def open_fake(path: Path, manifest: Manifest, folder: Path, arithmetic: str) -> CpuSession:
        session = ort.InferenceSession(str(folder / CONTEXT), providers=["CPUExecutionProvider"])
        opened = CpuSession(path, manifest, session)
        perform = opened._perform

        def off(limit_s: float) -> None:
            perform(limit_s)
            opened._outputs["picture"] += np.uint8(settings["levels"])

        monkeypatch.setattr(opened, "_perform", off)
        return opened

    monkeypatch.delenv("NVIDIA_TF32_OVERRIDE", raising=False)
    monkeypatch.setattr(tensorrt_build, "unavailable_reason", lambda _: None)
    monkeypatch.setattr(tensorrt_build, "build_session", build)
    monkeypatch.setattr(tensorrt_build, "open_engine", open_fake)
    return settings


def test_an_engine_is_compared_with_the_cpu(
    look: Path, tmp_path: Path, on_a_gpu: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = tensorrt_build.build_and_check(look, tmp_path, tmp_path / "timing")
    assert (found.difference, found.arithmetic) == (0.0, "fp32")
    assert os.environ["NVIDIA_TF32_OVERRIDE"] == "0"
    on_a_gpu["levels"] = 3
    # In bytes, 0 - 3 is far from 0.
    with pytest.raises(NotBuilt, match=r"differs from the model by .*/255, where fp32 allows 2"):
        tensorrt_build.build_and_check(look, tmp_path, tmp_path / "timing")


def test_an_engine_of_a_part_of_the_model_is_refused(look: Path, tmp_path: Path, on_a_gpu: dict[str, Any]) -> None:
    on_a_gpu["writes"] = "part.engine"
    with pytest.raises(NotBuilt, match="a part of this model only"):
        tensorrt_build.build_and_check(look, tmp_path, tmp_path / "timing")


@pytest.mark.parametrize("moved_first", [True, False])
def test_bytes_are_cast_before_they_are_transposed(moved_first: bool) -> None:
    model = _moves_and_casts(moved_first)
    lines = np.random.default_rng(0).integers(0, 256, (1, SIZE, SIZE, 3), np.uint8)
    before = _answer(model, lines)
    tensorrt_build.cast_before_transpose(model)
    assert [node.op_type for node in model.graph.node] == ["Cast", "Transpose", "Neg"]
    np.testing.assert_array_equal(_answer(model, lines), before)


def test_bytes_that_are_read_twice_are_left_alone() -> None:
    model = _moves_and_casts(moved_first=True)
    model.graph.node.append(helper.make_node("Identity", ["between"], ["bytes"]))
    before = model.SerializeToString(deterministic=True)
    tensorrt_build.cast_before_transpose(model)
    assert model.SerializeToString(deterministic=True) == before


def _moves_and_casts(moved_first: bool) -> ModelProto:
    move = ("Transpose", {"perm": [0, 3, 1, 2]})
    cast = ("Cast", {"to": TensorProto.FLOAT})
    (first, first_is), (second, second_is) = (move, cast) if moved_first else (cast, move)
    nodes = [
        helper.make_node(first, ["lines"], ["between"], **first_is),
        helper.make_node(second, ["between"], ["after"], **second_is),
        helper.make_node("Neg", ["after"], ["picture"]),
    ]
    graph = helper.make_graph(
        nodes,
        "look",
        [helper.make_tensor_value_info("lines", TensorProto.UINT8, [1, SIZE, SIZE, 3])],
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, SIZE, SIZE])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def _answer(model: ModelProto, lines: np.ndarray) -> np.ndarray:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"lines": lines})[0])
