"""A session on an NVIDIA GPU: a thread of its own that builds, warms, captures and runs it, fixed buffers, one CUDA
graph.

ONNX Runtime keeps a CUDA graph for each thread: one that a loader captured would be useless to the engine's loop. So
each session has one thread that does all of this; `run` hands the work over and sleeps until it is done.

A capture is global: while it lasts, memory that any other thread allocates or frees spoils it. Hence two locks.
Building, warming, capturing and freeing hold _PREPARE_LOCK, so that none of these falls into another session's capture;
running and capturing hold _RUN_LOCK, so that a capture takes place between two frames. A build does not hold _RUN_LOCK:
it takes seconds, and the look that performs goes on meanwhile. What is slow about a first run (allocating, cuDNN's
search) is done before the capture, without a graph.

Free of torch. Nothing here asks for CUDA until a session is built.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

import numpy as np
import onnxruntime as ort

from export.artifact.fields import Precision
from export.artifact.manifest import Manifest
from export.runtime import comparison
from export.runtime.frozen_session import Arithmetic, Arrays, FrozenSession
from export.runtime.providers import Provider
from export.runtime.session_options import build_session, first_line, session_options
from export.runtime.time_limit import GRACE_S, Answers, answer, wait_for_answer

SessionBuilder = Callable[[bool], ort.InferenceSession]
"""Builds the session, with or without a CUDA graph."""

_GRAPH_ID = "gpu_graph_id"
_NO_GRAPH = "-1"
"""ONNX Runtime's run option, and its value for a run that neither captures nor replays."""
_PREPARE_LOCK = threading.Lock()
_RUN_LOCK = threading.Lock()
_JOIN_S = 5.0
_PREPARE_S = 60.0
"""Building or warming on a GPU: cuDNN tries every way there is, and a build of another session may come before."""


def open_on_cuda(path: Path, manifest: Manifest) -> CudaSession:
    """On the CUDA provider. Raises whatever ONNX Runtime raises."""

    def build_on_cuda(graph: bool) -> ort.InferenceSession:
        return build_session(path, "CUDA", provider_options(manifest.precision, graph=graph), session_options())

    return CudaSession(path, manifest, "CUDA", build_on_cuda, _arithmetic(manifest.precision))


def provider_options(precision: Precision, *, graph: bool) -> dict[str, str]:
    """Options of the CUDA provider."""
    return {
        # Shapes are fixed: the exhaustive search is paid once, while warming; and the arena grows by what is requested.
        "arena_extend_strategy": "kSameAsRequested",
        "cudnn_conv_algo_search": "EXHAUSTIVE",
        "enable_cuda_graph": "1" if graph else "0",
        # ONNX Runtime's default is 1, which drops 13 of the 24 bits of a number before multiplying.
        "use_tf32": "0" if _arithmetic(precision) == "fp32" else "1",
    }


def _arithmetic(precision: Precision) -> Arithmetic:
    """A weight that was stored in fp16 loses nothing more in tf32, which keeps as many bits."""
    return "fp32" if precision == "fp32" else "tf32"


class CudaSession(FrozenSession):
    """A frozen model on a device of ONNX Runtime, with a thread of its own."""

    def __init__(
        self,
        path: Path,
        manifest: Manifest,
        provider: Provider,
        build: SessionBuilder,
        arithmetic: Arithmetic,
        device: str = "cuda",
    ) -> None:
        """`device` is ONNX Runtime's name of the place of the buffers. Raises whatever `build` raises without a
        graph."""
        super().__init__(path, manifest, provider)
        self.arithmetic = arithmetic
        self._executor = _SingleThreadExecutor(f"{provider} {path.stem}")
        try:
            self._gpu: _GpuSession = self._executor.call(
                partial(_GpuSession, manifest, build, device, self._inputs, self._outputs), _PREPARE_S
            )
        except BaseException:
            self._executor.shut_down()
            raise
        # A session that is no longer referenced is freed on its thread, too, and nothing waits for it.
        self._finalizer = weakref.finalize(self, _finalize, self._executor, self._gpu)
        self._finalizer.atexit = False  # The driver frees what a process leaves behind.

    @property
    def uses_graph(self) -> bool:
        """Whether runs replay a captured graph; never before `warm`."""
        return self._gpu.captured

    def warm(self, runs: int = 2) -> None:
        """Runs without a graph, then captures one and compares its output with the one before.

        Where capturing fails, the session is rebuilt without a graph, and `fallback` says so. Raises RuntimeError, and
        RunTooLong when it takes longer than a minute.
        """
        if not self._open:
            raise RuntimeError(f"{self.path} is closed")
        reason = self._within(_PREPARE_S, partial(self._gpu.warm, runs))
        if reason is not None:
            text = f"{self.provider} performs without a CUDA graph: {reason}"
            self.fallback = text if self.fallback is None else f"{self.fallback}; {text}"

    def _perform(self, limit_s: float) -> None:
        self._executor.call(self._gpu.run, limit_s + GRACE_S)

    def _terminate(self, terminate: bool) -> None:
        self._gpu.terminate(terminate)

    def _free(self) -> None:
        self._finalizer.detach()
        self._executor.call(self._gpu.free)
        self._executor.shut_down()


class _GpuSession:
    """The session, its binding and its buffers on the device. Every method runs on the session's own thread."""

    def __init__(
        self,
        manifest: Manifest,
        build: SessionBuilder,
        device: str,
        inputs: Arrays,
        outputs: Arrays,
    ) -> None:
        self.captured = False
        self._terminating = False
        self._manifest, self._build, self._device = manifest, build, device
        self._inputs, self._outputs = inputs, outputs
        self._session: ort.InferenceSession | None = None
        self._device_buffers: dict[str, ort.OrtValue] = {}
        self._capture_error: str | None = None
        with _PREPARE_LOCK:
            try:
                self._build_and_bind(graph=True)
            except Exception as error:
                self._rebuild_without_graph(error)

    def warm(self, runs: int) -> str | None:
        """Why there is no graph, once; None when there is one, or when it was reported before."""
        with _PREPARE_LOCK:
            self._run_on_zeros(runs)
            if self._can_capture:
                try:
                    self._capture()
                except Exception as error:
                    self._rebuild_without_graph(error)
                    self._run_on_zeros(runs)
            reason, self._capture_error = self._capture_error, None
            return reason

    def run(self) -> None:
        with _RUN_LOCK:
            self._run()

    def terminate(self, terminate: bool) -> None:
        """Has a run end between two operators, or lets the next one go on. Thread: any. A graph that is replayed has no
        operators and runs to its end."""
        self._terminating = self._run_options.terminate = terminate

    def free(self) -> None:
        with _PREPARE_LOCK:
            self._release()

    def _build_and_bind(self, *, graph: bool) -> None:
        session = self._build(graph)
        binding = session.io_binding()
        for ports, bind in (
            (self._manifest.inputs, binding.bind_ortvalue_input),
            (self._manifest.outputs, binding.bind_ortvalue_output),
        ):
            for name, port in ports.items():
                value = ort.OrtValue.ortvalue_from_shape_and_type(list(port.shape), np.dtype(port.dtype), self._device)
                bind(name, value)
                self._device_buffers[name] = value
        self._session, self._binding = session, binding
        self._run_options = self._options_with_graph(_NO_GRAPH)
        self._can_capture = graph

    def _rebuild_without_graph(self, error: Exception) -> None:
        self._release()
        self._build_and_bind(graph=False)
        self.captured, self._capture_error = False, first_line(error)

    def _release(self) -> None:
        self._session = self._binding = None
        self._device_buffers = {}

    def _run(self) -> None:
        assert self._session is not None
        for name, buffer in self._inputs.items():
            # In place: a graph reads the addresses it was captured with, and would not notice a new binding.
            self._device_buffers[name].update_inplace(buffer)
        self._session.run_with_iobinding(self._binding, self._run_options)
        for name, buffer in self._outputs.items():
            np.copyto(buffer, self._device_buffers[name].numpy())

    def _run_on_zeros(self, runs: int) -> None:
        for buffer in self._inputs.values():
            buffer.fill(0)
        for _ in range(runs):
            self._run()

    def _capture(self) -> None:
        """Raises when ONNX Runtime refuses, or when the output of the graph differs from the output without it."""
        noise = comparison.noise_inputs(self._manifest)
        self._run_on(noise)
        wanted = {name: buffer.copy() for name, buffer in self._outputs.items()}
        self._run_options = self._options_with_graph("0")
        with _RUN_LOCK:
            self._run_on_zeros(1)
        self.captured = True
        self._can_capture = False
        self._run_on(noise)
        difference = comparison.difference(wanted, self._outputs)
        if not difference <= 1:
            raise RuntimeError(f"the graph that was captured says something else, by {difference:.0f}/255")

    def _run_on(self, inputs: Arrays) -> None:
        for name, buffer in self._inputs.items():
            np.copyto(buffer, inputs[name])
        self._run()

    def _options_with_graph(self, graph_id: str) -> ort.RunOptions:
        options = ort.RunOptions()
        options.add_run_config_entry(_GRAPH_ID, graph_id)
        options.terminate = self._terminating
        return options


_Result = TypeVar("_Result")


class _SingleThreadExecutor:
    """Runs one task after another on one thread. Ends with `shut_down` or `finish_with`."""

    def __init__(self, name: str) -> None:
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=_run_queue, args=(self._queue,), name=name, daemon=True)
        self._thread.start()

    def call(self, task: Callable[[], _Result], limit_s: float = math.inf) -> _Result:
        """Runs `task` on the thread and waits for it; what it raises is raised here. Raises TimeoutError when it takes
        longer."""
        reply: Answers[_Result] = SimpleQueue()
        self._queue.put(partial(answer, task, reply))
        return wait_for_answer(reply, limit_s)

    def finish_with(self, task: Callable[[], None]) -> None:
        """Runs `task` after all others, then ends the thread; does not wait."""
        self._queue.put(partial(answer, task, SimpleQueue()))
        self._queue.put(None)

    def shut_down(self) -> None:
        self._queue.put(None)
        self._thread.join(_JOIN_S)


def _finalize(executor: _SingleThreadExecutor, gpu: _GpuSession) -> None:
    executor.finish_with(gpu.free)


def _run_queue(queue: SimpleQueue[Callable[[], None] | None]) -> None:
    while (task := queue.get()) is not None:
        task()
        del task  # It must not be kept alive until the next one comes.
