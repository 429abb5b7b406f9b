"""A session with a thread of its own: handing over, capturing, giving up the graph, freeing; the CPU stands in for a
GPU.

The capture, which needs a GPU, is imitated by `FakeSession`: it runs on the CPU and behaves as ONNX Runtime would.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from export.artifact import model_file
from export.runtime.cuda import CudaSession, provider_options
from export.runtime.session_options import build_session, session_options
from tests.export.tiny_look import SIZE

BeforeRun = Callable[[str], None]


class FakeSession:
    """A CPU session that records the graph's number of each run, and the thread on which it was freed."""

    def __init__(self, path: Path, before_run: BeforeRun, freed_on: list[str]) -> None:
        self._session = build_session(path, "CPU", {}, session_options(1))
        self._before_run, self._freed_on = before_run, freed_on
        self.runs: list[str] = []

    def io_binding(self) -> ort.IOBinding:
        return self._session.io_binding()

    def run_with_iobinding(self, binding: ort.IOBinding, chosen: ort.RunOptions) -> None:
        graph = chosen.get_run_config_entry("gpu_graph_id")
        self.runs.append(graph)
        self._before_run(graph)
        self._session.run_with_iobinding(binding, chosen)

    def __del__(self) -> None:
        self._freed_on.append(threading.current_thread().name)


class FakeGpu:
    """Builds sessions as a GPU would, and records them."""

    def __init__(self) -> None:
        self.built: list[tuple[bool, str]] = []
        self.runs: list[list[str]] = []
        self.freed_on: list[str] = []
        self.before_run: BeforeRun = lambda graph: None
        self.before_build: Callable[[bool], None] = lambda graph: None

    def open(self, path: Path) -> CudaSession:
        def build(graph: bool) -> Any:
            self.built.append((graph, threading.current_thread().name))
            self.before_build(graph)
            session = FakeSession(path, lambda graph: self.before_run(graph), self.freed_on)
            self.runs.append(session.runs)
            return session

        return CudaSession(path, model_file.check_model(path), "CUDA", build, "fp32", device="cpu")


@pytest.fixture
def gpu() -> FakeGpu:
    return FakeGpu()


@pytest.fixture
def lines() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (1, SIZE, SIZE, 3), np.uint8)


@pytest.fixture
def in_background() -> Iterator[Callable[[Callable[[], Any]], threading.Thread]]:
    threads = []

    def start(work: Callable[[], Any]) -> threading.Thread:
        threads.append(threading.Thread(target=work))
        threads[-1].start()
        return threads[-1]

    yield start
    for thread in threads:
        thread.join(5)


def test_frames_are_written_to_the_same_buffers(look: Path, gpu: FakeGpu, lines: np.ndarray) -> None:
    with gpu.open(look) as session:
        session.warm()
        assert session.fallback is None
        assert session.uses_graph
        first = session.run(lines=lines)["picture"]
        np.testing.assert_array_equal(first, 255 - lines)
        assert session.run(lines=255 - lines)["picture"] is first
        np.testing.assert_array_equal(first, lines)


def test_warming_runs_without_a_graph_and_captures_once(look: Path, gpu: FakeGpu, lines: np.ndarray) -> None:
    with gpu.open(look) as session:
        session.run(lines=lines)
        session.warm(2)
        session.run(lines=lines)
        session.warm(1)
    assert gpu.built == [(True, "CUDA porcelain")]
    # One run before warming, two on black, one on noise; then the capture, the noise again, a frame, and warming again.
    assert gpu.runs == [["-1", "-1", "-1", "-1", "0", "0", "0", "0"]]


def test_a_refused_capture_leaves_a_session_without_a_graph(look: Path, gpu: FakeGpu, lines: np.ndarray) -> None:
    def refuse(graph: str) -> None:
        if graph == "0":
            raise RuntimeError("CUDA failure 900: operation not permitted when stream is capturing\nand a page more")

    gpu.before_run = refuse
    with gpu.open(look) as session:
        session.fallback = "performing on CUDA instead of TensorRT: TensorRT: no engine"
        session.warm()
        session.warm()
        assert not session.uses_graph
        assert session.fallback == (
            "performing on CUDA instead of TensorRT: TensorRT: no engine; CUDA performs without a CUDA graph: "
            "CUDA failure 900: operation not permitted when stream is capturing"
        )
        np.testing.assert_array_equal(session.run(lines=lines)["picture"], 255 - lines)
    assert [graph for graph, _ in gpu.built] == [True, False]
    assert set(gpu.runs[1]) == {"-1"}


def test_a_graph_with_stale_output_is_not_used(
    look: Path, gpu: FakeGpu, lines: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = FakeSession.run_with_iobinding

    def frozen(self: FakeSession, binding: ort.IOBinding, chosen: ort.RunOptions) -> None:
        if "0" not in self.runs or chosen.get_run_config_entry("gpu_graph_id") != "0":
            runs(self, binding, chosen)

    monkeypatch.setattr(FakeSession, "run_with_iobinding", frozen)
    with gpu.open(look) as session:
        session.warm()
        assert not session.uses_graph
        assert "says something else, by 2" in str(session.fallback)
        np.testing.assert_array_equal(session.run(lines=lines)["picture"], 255 - lines)


def test_a_model_that_cannot_be_built_with_a_graph_is_built_without(look: Path, gpu: FakeGpu) -> None:
    def refuse(graph: bool) -> None:
        if graph:
            raise RuntimeError("not all nodes are on the CUDA provider")

    gpu.before_build = refuse
    with gpu.open(look) as session:
        session.warm()
        assert session.fallback == "CUDA performs without a CUDA graph: not all nodes are on the CUDA provider"
    assert set(gpu.runs[0]) == {"-1"}


def test_a_failed_build_raises_and_leaves_no_thread(look: Path, gpu: FakeGpu) -> None:
    def refuse(graph: bool) -> None:
        raise RuntimeError("CUDA failure 2: out of memory")

    gpu.before_build = refuse
    with pytest.raises(RuntimeError, match="out of memory"):
        gpu.open(look)


def test_an_error_of_the_gpu_is_raised_in_one_line(look: Path, gpu: FakeGpu, lines: np.ndarray) -> None:
    class Lost(Exception):
        """As ONNX Runtime's own: no RuntimeError."""

    def lost(graph: str) -> None:
        raise Lost("CUDA failure 719: unspecified launch failure\nand a page more")

    with gpu.open(look) as session:
        gpu.before_run = lost
        for attempt in (lambda: session.run(lines=lines), session.warm):
            with pytest.raises(RuntimeError, match=r"porcelain\.onnx failed on CUDA: CUDA failure 719.*failure$"):
                attempt()


def test_close_frees_on_the_sessions_own_thread(look: Path, gpu: FakeGpu, lines: np.ndarray) -> None:
    session = gpu.open(look)
    picture = session.run(lines=lines)["picture"]
    session.close()
    session.close()
    np.testing.assert_array_equal(picture, 255 - lines)
    assert gpu.freed_on == ["CUDA porcelain"]
    for attempt in (lambda: session.run(lines=lines), session.warm):
        with pytest.raises(RuntimeError, match="closed"):
            attempt()


def test_an_unreferenced_session_frees_itself_on_its_own_thread(look: Path, gpu: FakeGpu) -> None:
    session = gpu.open(look)
    session.warm()
    del session
    gc.collect()
    _until(lambda: gpu.freed_on == ["CUDA porcelain"])


def test_a_build_does_not_block_a_session_that_performs(
    look: Path, gpu: FakeGpu, lines: np.ndarray, in_background: Callable[..., threading.Thread]
) -> None:
    with gpu.open(look) as performing:
        performing.warm()
        may_build = threading.Event()
        gpu.before_build = lambda graph: _wait(may_build)
        built: list[CudaSession] = []
        building = in_background(lambda: built.append(gpu.open(look)))
        _until(lambda: len(gpu.built) == 2)
        np.testing.assert_array_equal(performing.run(lines=lines)["picture"], 255 - lines)
        assert building.is_alive()
        may_build.set()
        building.join(5)
        built[0].close()


def test_a_capture_waits_for_a_running_frame_and_for_a_build(
    look: Path, gpu: FakeGpu, lines: np.ndarray, in_background: Callable[..., threading.Thread]
) -> None:
    other = FakeGpu()
    may_end, may_build, running = threading.Event(), threading.Event(), threading.Event()
    with gpu.open(look) as performing, other.open(look) as warming:
        performing.warm()

        def slow(graph: str) -> None:
            running.set()
            _wait(may_end)

        gpu.before_run = slow
        frame = in_background(lambda: performing.run(lines=lines))
        _wait(running)
        in_background(warming.warm)
        # Everything that needs no graph is done; the capture has not begun.
        _until(lambda: len(other.runs[0]) == 3)
        time.sleep(0.05)
        assert "0" not in other.runs[0]
        may_end.set()
        frame.join(5)
        _until(lambda: warming.uses_graph)

        third = FakeGpu()
        third.before_build = lambda graph: _wait(may_build)
        gpu.before_run = lambda graph: None
        opened: list[CudaSession] = []
        building = in_background(lambda: opened.append(third.open(look)))
        _until(lambda: len(third.built) == 1)
        before = len(other.runs[0])
        in_background(warming.warm)
        time.sleep(0.05)
        assert len(other.runs[0]) == before
        may_build.set()
        building.join(5)
        opened[0].close()


def test_handing_over_is_fast(look: Path, gpu: FakeGpu, lines: np.ndarray) -> None:
    with gpu.open(look) as session:
        session.warm()
        times_s = []
        for _ in range(300):
            started = time.perf_counter()
            session.run(lines=lines)
            times_s.append(time.perf_counter() - started)
    # About 0.1 ms on a quiet machine, and a look on a GPU takes 3; polling or a switch of Python's lock would take 5.
    assert np.median(times_s) < 0.002


def test_the_options_choose_the_arithmetic() -> None:
    assert provider_options("fp32", graph=True)["use_tf32"] == "0"
    assert provider_options("fp16", graph=True)["use_tf32"] == "1"
    assert [provider_options("fp32", graph=graph)["enable_cuda_graph"] for graph in (True, False)] == ["1", "0"]


def _wait(event: threading.Event) -> None:
    assert event.wait(5)


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)
