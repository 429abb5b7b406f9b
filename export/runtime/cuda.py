"""A session on an NVIDIA GPU: a thread of its own that builds, warms, captures and runs it, fixed buffers, one graph.

ONNX Runtime keeps a CUDA graph for each thread: one that a loader captured would be no use to the loop. So each
session has its thread, which makes all of them; `run` hands the work over and sleeps until it is done.

A capture is global: while it lasts, memory that any other thread allocates or frees spoils it. Hence two locks. Who
builds, warms, captures or frees holds _PREPARE_LOCK, so none of these meets another's capture; who runs or captures
holds _RUN_LOCK, so a capture takes its place between two frames. A build holds no _RUN_LOCK: it takes seconds, and the
look that performs goes on. What is slow about a first run (allocating, cuDNN's search) is done before, without a graph.

Free of torch. Nothing here asks for CUDA until a session is built.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from export.artifact.fields import Precision
from export.artifact.manifest import Manifest
from export.runtime import comparison
from export.runtime.frozen_session import Arithmetic, FrozenSession
from export.runtime.providers import Provider
from export.runtime.session_options import build_session, first_line, session_options

SessionBuilder = Callable[[bool], ort.InferenceSession]
"""Makes the session, with or without a CUDA graph."""

_GRAPH_ID = "gpu_graph_id"
_NO_GRAPH = "-1"
"""ONNX Runtime's run option, and the number with which a run neither captures nor replays."""
_PREPARE_LOCK = threading.Lock()
_RUN_LOCK = threading.Lock()
_JOIN_S = 5.0


def open_on_cuda(path: Path, manifest: Manifest) -> CudaSession:
    """On the CUDA provider. Raises whatever ONNX Runtime raises."""

    def on_cuda(graph: bool) -> ort.InferenceSession:
        return build_session(path, "CUDA", provider_options(manifest.precision, graph=graph), session_options())

    return CudaSession(path, manifest, "CUDA", on_cuda, _arithmetic(manifest.precision))


def provider_options(precision: Precision, *, graph: bool) -> dict[str, str]:
    """For the CUDA provider."""
    return {
        # Fixed shapes: the exhaustive search is paid once, while warming; and the arena grows by what is asked.
        "arena_extend_strategy": "kSameAsRequested",
        "cudnn_conv_algo_search": "EXHAUSTIVE",
        "enable_cuda_graph": "1" if graph else "0",
        # ONNX Runtime's default is 1, which takes 13 of a number's 24 bits before it multiplies.
        "use_tf32": "0" if _arithmetic(precision) == "fp32" else "1",
    }


def _arithmetic(precision: Precision) -> Arithmetic:
    """A weight that was stored in fp16 loses nothing more in tf32, which keeps as many bits."""
    return "fp32" if precision == "fp32" else "tf32"


class CudaSession(FrozenSession):
    """A frozen model on a device of ONNX Runtime's, on a thread of its own."""

    def __init__(
        self,
        path: Path,
        manifest: Manifest,
        provider: Provider,
        build: SessionBuilder,
        arithmetic: Arithmetic,
        device: str = "cuda",
    ) -> None:
        """`device` is ONNX Runtime's name for where the buffers lie. Raises whatever `build` raises without a graph."""
        super().__init__(path, manifest, provider)
        self.arithmetic = arithmetic
        self._thread = _SingleThreadExecutor(f"{provider} {path.stem}")
        try:
            self._card: _GpuSession = self._thread.call(
                partial(_GpuSession, manifest, build, device, self._inputs, self._outputs)
            )
        except BaseException:
            self._thread.end()
            raise
        # A look that nobody holds any more is freed on its thread, too, and nobody waits for it.
        self._left = weakref.finalize(self, _finalize, self._thread, self._card)
        self._left.atexit = False  # The driver frees what a process leaves.

    @property
    def replays(self) -> bool:
        """Whether a captured graph performs; before `warm` none does."""
        return self._card.captured

    def warm(self, runs: int = 2) -> None:
        """Runs without a graph, then captures one, and holds it against what was said without.

        Where capturing is refused, the session is built again without; `fallback` says so. Raises RuntimeError.
        """
        if not self._open:
            raise RuntimeError(f"{self.path} is closed")
        try:
            refused = self._thread.call(partial(self._card.warm, runs))
        except Exception as error:
            raise RuntimeError(f"{self.path} failed on {self.provider}: {first_line(error)}") from error
        if refused is not None:
            without = f"{self.provider} performs without a CUDA graph: {refused}"
            self.fallback = without if self.fallback is None else f"{self.fallback}; {without}"

    def _perform(self) -> None:
        self._thread.call(self._card.run)

    def _free(self) -> None:
        self._left.detach()
        self._thread.call(self._card.free)
        self._thread.end()


class _GpuSession:
    """The session, its binding and its buffers on the device. Every method on the session's own thread."""

    def __init__(
        self,
        manifest: Manifest,
        build: SessionBuilder,
        device: str,
        inputs: Mapping[str, NDArray[Any]],
        outputs: Mapping[str, NDArray[Any]],
    ) -> None:
        self.captured = False
        self._manifest, self._build, self._device = manifest, build, device
        self._inputs, self._outputs = inputs, outputs
        self._session: ort.InferenceSession | None = None
        self._on_device: dict[str, ort.OrtValue] = {}
        self._refused: str | None = None
        with _PREPARE_LOCK:
            try:
                self._place(graph=True)
            except Exception as error:
                self._give_up_the_graph(error)

    def warm(self, runs: int) -> str | None:
        """Why there is no graph: said once, None when there is one."""
        with _PREPARE_LOCK:
            self._run_on_nothing(runs)
            if self._may_capture:
                try:
                    self._capture()
                except Exception as error:
                    self._give_up_the_graph(error)
                    self._run_on_nothing(runs)
            refused, self._refused = self._refused, None
            return refused

    def run(self) -> None:
        with _RUN_LOCK:
            self._run()

    def free(self) -> None:
        with _PREPARE_LOCK:
            self._take_away()

    def _place(self, *, graph: bool) -> None:
        session = self._build(graph)
        binding = session.io_binding()
        for ports, bind in (
            (self._manifest.inputs, binding.bind_ortvalue_input),
            (self._manifest.outputs, binding.bind_ortvalue_output),
        ):
            for name, port in ports.items():
                value = ort.OrtValue.ortvalue_from_shape_and_type(list(port.shape), np.dtype(port.dtype), self._device)
                bind(name, value)
                self._on_device[name] = value
        self._session, self._binding = session, binding
        self._options = _run_options(_NO_GRAPH)
        self._may_capture = graph

    def _give_up_the_graph(self, error: Exception) -> None:
        self._take_away()
        self._place(graph=False)
        self.captured, self._refused = False, first_line(error)

    def _take_away(self) -> None:
        self._session = self._binding = None
        self._on_device = {}

    def _run(self) -> None:
        assert self._session is not None
        for name, buffer in self._inputs.items():
            # In place: a graph reads where it was captured to read, and a new binding would go unnoticed.
            self._on_device[name].update_inplace(buffer)
        self._session.run_with_iobinding(self._binding, self._options)
        for name, buffer in self._outputs.items():
            np.copyto(buffer, self._on_device[name].numpy())

    def _run_on_nothing(self, runs: int) -> None:
        for buffer in self._inputs.values():
            buffer.fill(0)
        for _ in range(runs):
            self._run()

    def _capture(self) -> None:
        """Raises when ONNX Runtime refuses, or when the graph does not say what was said without it."""
        noise = comparison.noise_inputs(self._manifest)
        self._run_on(noise)
        wanted = {name: buffer.copy() for name, buffer in self._outputs.items()}
        self._options = _run_options("0")
        with _RUN_LOCK:
            self._run_on_nothing(1)
        self.captured = True
        self._may_capture = False
        self._run_on(noise)
        apart = comparison.difference(wanted, self._outputs)
        if not apart <= 1:
            raise RuntimeError(f"the graph that was captured says something else, by {apart:.0f}/255")

    def _run_on(self, inputs: Mapping[str, NDArray[Any]]) -> None:
        for name, buffer in self._inputs.items():
            np.copyto(buffer, inputs[name])
        self._run()


def _run_options(graph_id: str) -> ort.RunOptions:
    chosen = ort.RunOptions()
    chosen.add_run_config_entry(_GRAPH_ID, graph_id)
    return chosen


_Reply = SimpleQueue[tuple[bool, Any]]
_Queue = SimpleQueue[tuple[Callable[[], Any], _Reply] | None]


class _SingleThreadExecutor:
    """Does one thing after another for whoever waits. Ends with `end`."""

    def __init__(self, name: str) -> None:
        self._work: _Queue = SimpleQueue()
        self._thread = threading.Thread(target=_run_queue, args=(self._work,), name=name, daemon=True)
        self._thread.start()

    def call(self, work: Callable[[], Any]) -> Any:
        """Does `work` on the thread and waits for it; what it raises is raised here."""
        answer: _Reply = SimpleQueue()
        self._work.put((work, answer))
        done, value = answer.get()
        if not done:
            raise value
        return value

    def leave(self, work: Callable[[], Any]) -> None:
        """Does `work` when all else is done, and ends; nobody waits."""
        self._work.put((work, SimpleQueue()))
        self._work.put(None)

    def end(self) -> None:
        self._work.put(None)
        self._thread.join(_JOIN_S)


def _finalize(thread: _SingleThreadExecutor, card: _GpuSession) -> None:
    thread.leave(card.free)


def _run_queue(queue: _Queue) -> None:
    while (item := queue.get()) is not None:
        work, answer = item
        try:
            answer.put((True, work()))
        except Exception as error:
            answer.put((False, error))
        del item, work, answer  # What was worked on must not live until the next piece comes.
