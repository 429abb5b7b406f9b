"""A session with a thread of its own: handing over, capturing, giving up the graph, freeing; the CPU stands for a GPU.

What only a GPU has, the capture itself, is played by `Pretending`: it runs on the CPU and does as ONNX Runtime would.
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

Refuses = Callable[[str], None]


class Pretending:
    """A CPU session that keeps account of the graph's number in each run, and on which threads it lived."""

    def __init__(self, path: Path, before_run: Refuses, died_on: list[str]) -> None:
        self._real = build_session(path, "CPU", {}, session_options(1))
        self._before_run, self._died_on = before_run, died_on
        self.runs: list[str] = []

    def io_binding(self) -> ort.IOBinding:
        return self._real.io_binding()

    def run_with_iobinding(self, binding: ort.IOBinding, chosen: ort.RunOptions) -> None:
        graph = chosen.get_run_config_entry("gpu_graph_id")
        self.runs.append(graph)
        self._before_run(graph)
        self._real.run_with_iobinding(binding, chosen)

    def __del__(self) -> None:
        self._died_on.append(threading.current_thread().name)


class Card:
    """Makes sessions as a GPU would, and remembers."""

    def __init__(self) -> None:
        self.built: list[tuple[bool, str]] = []
        self.runs: list[list[str]] = []
        self.died_on: list[str] = []
        self.before_run: Refuses = lambda graph: None
        self.before_build: Callable[[bool], None] = lambda graph: None

    def open(self, path: Path) -> CudaSession:
        def make(graph: bool) -> Any:
            self.built.append((graph, threading.current_thread().name))
            self.before_build(graph)
            session = Pretending(path, lambda graph: self.before_run(graph), self.died_on)
            self.runs.append(session.runs)
            return session

        return CudaSession(path, model_file.check_model(path), "CUDA", make, "fp32", device="cpu")


@pytest.fixture
def card() -> Card:
    return Card()


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


def test_it_performs_frame_after_frame_into_the_same_buffers(look: Path, card: Card, lines: np.ndarray) -> None:
    with card.open(look) as session:
        session.warm()
        assert session.fallback is None
        assert session.uses_graph
        first = session.run(lines=lines)["picture"]
        np.testing.assert_array_equal(first, 255 - lines)
        assert session.run(lines=255 - lines)["picture"] is first
        np.testing.assert_array_equal(first, lines)


def test_what_is_slow_is_done_without_a_graph_and_captured_once(look: Path, card: Card, lines: np.ndarray) -> None:
    with card.open(look) as session:
        session.run(lines=lines)
        session.warm(2)
        session.run(lines=lines)
        session.warm(1)
    assert card.built == [(True, "CUDA porcelain")]
    # As it came, twice on black, once on noise; then the capture, the noise again, a frame, and warmed once more.
    assert card.runs == [["-1", "-1", "-1", "-1", "0", "0", "0", "0"]]


def test_a_capture_that_is_refused_leaves_a_session_without_a_graph(look: Path, card: Card, lines: np.ndarray) -> None:
    def refuse(graph: str) -> None:
        if graph == "0":
            raise RuntimeError("CUDA failure 900: operation not permitted when stream is capturing\nand a page more")

    card.before_run = refuse
    with card.open(look) as session:
        session.fallback = "performing on CUDA instead of TensorRT: TensorRT: no engine"
        session.warm()
        session.warm()
        assert not session.uses_graph
        assert session.fallback == (
            "performing on CUDA instead of TensorRT: TensorRT: no engine; CUDA performs without a CUDA graph: "
            "CUDA failure 900: operation not permitted when stream is capturing"
        )
        np.testing.assert_array_equal(session.run(lines=lines)["picture"], 255 - lines)
    assert [graph for graph, _ in card.built] == [True, False]
    assert set(card.runs[1]) == {"-1"}


def test_a_graph_that_shows_the_past_is_not_used(
    look: Path, card: Card, lines: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = Pretending.run_with_iobinding

    def frozen(self: Pretending, binding: ort.IOBinding, chosen: ort.RunOptions) -> None:
        if "0" not in self.runs or chosen.get_run_config_entry("gpu_graph_id") != "0":
            runs(self, binding, chosen)

    monkeypatch.setattr(Pretending, "run_with_iobinding", frozen)
    with card.open(look) as session:
        session.warm()
        assert not session.uses_graph
        assert "says something else, by 2" in str(session.fallback)
        np.testing.assert_array_equal(session.run(lines=lines)["picture"], 255 - lines)


def test_a_model_that_takes_no_graph_is_built_without(look: Path, card: Card) -> None:
    def refuse(graph: bool) -> None:
        if graph:
            raise RuntimeError("not all nodes are on the CUDA provider")

    card.before_build = refuse
    with card.open(look) as session:
        session.warm()
        assert session.fallback == "CUDA performs without a CUDA graph: not all nodes are on the CUDA provider"
    assert set(card.runs[0]) == {"-1"}


def test_what_cannot_be_built_says_so_and_leaves_no_thread(look: Path, card: Card) -> None:
    def refuse(graph: bool) -> None:
        raise RuntimeError("CUDA failure 2: out of memory")

    card.before_build = refuse
    with pytest.raises(RuntimeError, match="out of memory"):
        card.open(look)


def test_what_goes_wrong_on_the_card_is_told(look: Path, card: Card, lines: np.ndarray) -> None:
    class Lost(Exception):
        """As ONNX Runtime's own: no RuntimeError."""

    def lost(graph: str) -> None:
        raise Lost("CUDA failure 719: unspecified launch failure\nand a page more")

    with card.open(look) as session:
        card.before_run = lost
        for attempt in (lambda: session.run(lines=lines), session.warm):
            with pytest.raises(RuntimeError, match=r"porcelain\.onnx failed on CUDA: CUDA failure 719.*failure$"):
                attempt()


def test_closed_is_closed_and_frees_on_its_own_thread(look: Path, card: Card, lines: np.ndarray) -> None:
    session = card.open(look)
    picture = session.run(lines=lines)["picture"]
    session.close()
    session.close()
    np.testing.assert_array_equal(picture, 255 - lines)
    assert card.died_on == ["CUDA porcelain"]
    for attempt in (lambda: session.run(lines=lines), session.warm):
        with pytest.raises(RuntimeError, match="closed"):
            attempt()


def test_one_that_nobody_holds_frees_itself_on_its_own_thread(look: Path, card: Card) -> None:
    session = card.open(look)
    session.warm()
    del session
    gc.collect()
    _until(lambda: card.died_on == ["CUDA porcelain"])


def test_a_build_does_not_hold_back_who_performs(
    look: Path, card: Card, lines: np.ndarray, in_background: Callable[..., threading.Thread]
) -> None:
    with card.open(look) as performing:
        performing.warm()
        may_build = threading.Event()
        card.before_build = lambda graph: _wait(may_build)
        built: list[CudaSession] = []
        building = in_background(lambda: built.append(card.open(look)))
        _until(lambda: len(card.built) == 2)
        np.testing.assert_array_equal(performing.run(lines=lines)["picture"], 255 - lines)
        assert building.is_alive()
        may_build.set()
        building.join(5)
        built[0].close()


def test_a_capture_waits_for_the_frame_that_is_being_made_and_for_who_builds(
    look: Path, card: Card, lines: np.ndarray, in_background: Callable[..., threading.Thread]
) -> None:
    other = Card()
    may_end, may_build, running = threading.Event(), threading.Event(), threading.Event()
    with card.open(look) as performing, other.open(look) as warming:
        performing.warm()

        def slow(graph: str) -> None:
            running.set()
            _wait(may_end)

        card.before_run = slow
        frame = in_background(lambda: performing.run(lines=lines))
        _wait(running)
        in_background(warming.warm)
        # All that needs no graph is done; the capture is not begun.
        _until(lambda: len(other.runs[0]) == 3)
        time.sleep(0.05)
        assert "0" not in other.runs[0]
        may_end.set()
        frame.join(5)
        _until(lambda: warming.uses_graph)

        third = Card()
        third.before_build = lambda graph: _wait(may_build)
        card.before_run = lambda graph: None
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


def test_handing_over_takes_little(look: Path, card: Card, lines: np.ndarray) -> None:
    with card.open(look) as session:
        session.warm()
        took = []
        for _ in range(300):
            began = time.perf_counter()
            session.run(lines=lines)
            took.append(time.perf_counter() - began)
    # Some 0.1 ms on a quiet machine, and a look on a GPU takes 3; polling or a switch of Python's lock would be 5.
    assert np.median(took) < 0.002


def test_the_options_say_what_is_multiplied_in() -> None:
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
