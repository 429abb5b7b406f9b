"""A frozen model -> a session on the best provider, the same for stage, render and evaluate.

The order is TensorRT > CUDA > CPU; what was requested and not available is reported in `FrozenSession.fallback`.
TensorRT is chosen automatically only where its engine was built ahead, because building takes minutes; requested by
name, it builds.

Thread: `open_session` belongs on a loader thread. A session on the CPU may be built on one thread and run on another;
one on a GPU has a thread of its own, see export.runtime.cuda. Free of torch.
"""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path

import onnxruntime as ort

from export.artifact import model_file
from export.artifact.bad_model import BadModel
from export.artifact.fields import Kind
from export.artifact.manifest import Manifest
from export.runtime import cuda, tensorrt
from export.runtime.frozen_session import FrozenSession
from export.runtime.memory_limit import allowed_bytes, limited_memory, memory_bytes, needs_memory
from export.runtime.providers import PROVIDERS, Provider, gpu_unavailable_reason, unavailable_reason
from export.runtime.session_options import build_session, first_line, session_options
from export.runtime.time_limit import PREPARE_S, finish_within


class CpuSession(FrozenSession):
    """Runs in the calling thread, on buffers that ONNX Runtime reads and writes in place."""

    def __init__(
        self, path: Path, manifest: Manifest, session: ort.InferenceSession, fallback: str | None = None
    ) -> None:
        super().__init__(path, manifest, "CPU", fallback)
        self._session: ort.InferenceSession | None = session
        self._binding: ort.IOBinding | None = session.io_binding()
        self._run_options = ort.RunOptions()
        # ONNX Runtime's Python asks for it at every run, and takes 20 us to find that it is not there.
        self._run_options.add_run_config_entry("gpu_graph_id", "-1")
        for name, buffer in self._inputs.items():
            self._binding.bind_cpu_input(name, buffer)
        for name, buffer in self._outputs.items():
            self._binding.bind_output(name, "cpu", 0, buffer.dtype, buffer.shape, buffer.ctypes.data)

    def _perform(self, limit_s: float) -> None:
        assert self._session is not None
        self._session.run_with_iobinding(self._binding, self._run_options)

    def _terminate(self, terminate: bool) -> None:
        # ONNX Runtime reads it between two operators, in the bodies of loops too.
        self._run_options.terminate = terminate

    def _free(self) -> None:
        self._session = self._binding = None


def open_session(
    path: str | os.PathLike[str], provider: str = "auto", threads: int | None = None, *, kind: Kind | None = None
) -> FrozenSession:
    """Checks the frozen model at `path` and builds its session; not yet warmed.

    `provider` is auto, tensorrt, cuda or cpu; one that is not available falls back to the next in order, and `fallback`
    says so. With auto on a machine without an NVIDIA driver nothing better was possible, and `fallback` is None.
    `threads` counts CPU threads; by default as many as there are physical cores, at most 4. Raises BadModel, ValueError
    (provider).
    """
    path = Path(path)
    requested = _parse_provider(provider)
    manifest = model_file.check_model(path, kind)
    reasons: list[str] = []
    for name in PROVIDERS[PROVIDERS.index(requested) if requested else 0 :]:
        reason = unavailable_reason(name)
        if reason is None:
            began, before = time.perf_counter(), memory_bytes()
            try:
                session = _build_session(path, manifest, name, requested, threads)
            except TimeoutError:
                reason = "it takes too long to load"
                if name == "CPU":
                    raise BadModel(path, f"takes longer than {PREPARE_S:g} s to load: choose another") from None
            except Exception as error:  # ONNX Runtime's own exceptions derive from Exception alone.
                reason = first_line(error)
                if name == "CPU" and needs_memory(error):
                    raise BadModel(path, "needs more memory than it may take to load: choose another") from error
                if name == "CPU":
                    raise BadModel(path, f"cannot be run by ONNX Runtime: {reason}; export it again") from error
            else:
                session.fallback = _fallback_text(requested, name, reasons)
                session.memory_bytes = max(0, memory_bytes() - before)
                session.load_s = time.perf_counter() - began
                return session
        reasons.append(f"{name}: {reason}")
    raise AssertionError("the CPU provider is part of every ONNX Runtime")


def _build_session(
    path: Path, manifest: Manifest, name: Provider, requested: Provider | None, threads: int | None
) -> FrozenSession:
    if name == "TensorRT":
        return tensorrt.open_or_build(path, manifest, may_build=requested == "TensorRT")
    if name == "CUDA":
        return cuda.open_on_cuda(path, manifest)
    return CpuSession(path, manifest, _load_within(PREPARE_S, path, session_options(threads)))


def _load_within(limit_s: float, path: Path, options: ort.SessionOptions) -> ort.InferenceSession:
    """Raises TimeoutError; whatever ONNX Runtime raises."""
    try:
        with limited_memory(allowed_bytes(path)):
            return finish_within(limit_s, partial(build_session, path, "CPU", {}, options))
    except TimeoutError:
        # ONNX Runtime reads it between two operators that it computes ahead.
        options.set_load_cancellation_flag(True)
        raise


def _parse_provider(provider: str) -> Provider | None:
    for known in PROVIDERS:
        if provider.lower() == known.lower():
            return known
    if provider.lower() == "auto":
        return None
    raise ValueError(f"there is no provider {provider!r}: choose auto, {', '.join(p.lower() for p in PROVIDERS)}")


def _fallback_text(requested: Provider | None, used: Provider, reasons: list[str]) -> str | None:
    if not reasons or (requested is None and gpu_unavailable_reason() is not None):
        return None
    return f"performing on {used} instead of {(requested or PROVIDERS[0])}: {'; '.join(reasons)}"
