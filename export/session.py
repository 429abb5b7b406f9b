"""A frozen model -> a warmed session on the best provider, the same for stage, render and evaluate.

The order is TensorRT > CUDA > CPU. Only a provider whose libraries load is asked for, because ONNX Runtime answers a
missing one with an alarming page on stderr and goes on without; what was not had is said in `FrozenSession.fallback`.

Thread: `open_session` belongs on a loader thread for the CPU, where a session may be built on one thread and run on
another; on CUDA, build, warm and run it on one thread of its own. A session is run by one thread at a time. Opened by
path: ONNX Runtime holds Python's lock for 205 ms when it opens one from bytes, and 12 by path. Free of torch.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Literal

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from export import artifact
from export.artifact import BadModel, Kind, Manifest, Port

Provider = Literal["TensorRT", "CUDA", "CPU"]
PROVIDERS: tuple[Provider, ...] = ("TensorRT", "CUDA", "CPU")
"""The best first."""

MOST_THREADS = 4
"""A picture engine shares the machine with a tracker, a sound engine and a window; more threads gain little at 256."""

_RUNTIME_NAMES: Mapping[Provider, str] = {
    "TensorRT": "TensorrtExecutionProvider",
    "CUDA": "CUDAExecutionProvider",
    "CPU": "CPUExecutionProvider",
}
_SILENT = 4  # ONNX Runtime's severity "fatal": what goes wrong comes back as an exception, which we tell in our words.


class FrozenSession:
    """One frozen model, ready to perform. Made by `open_session`; owns its buffers, closed by `close` or `with`."""

    def __init__(
        self, path: Path, manifest: Manifest, session: ort.InferenceSession, provider: Provider, fallback: str | None
    ) -> None:
        self.path = path
        self.manifest = manifest
        self.provider: Provider = provider
        self.fallback = fallback
        """Why this is not the provider that was asked for, one sentence for the operator; None when it is."""
        self._session: ort.InferenceSession | None = session
        self._binding: Any = session.io_binding()
        self._inputs = {name: np.zeros(port.shape, port.dtype) for name, port in manifest.inputs.items()}
        self._outputs = {name: np.zeros(port.shape, port.dtype) for name, port in manifest.outputs.items()}
        for name, buffer in self._inputs.items():
            self._binding.bind_cpu_input(name, buffer)
        for name, buffer in self._outputs.items():
            self._binding.bind_output(name, "cpu", 0, buffer.dtype, buffer.shape, buffer.ctypes.data)
        self._answer = MappingProxyType(self._outputs)

    @property
    def inputs(self) -> Mapping[str, Port]:
        return self.manifest.inputs

    @property
    def outputs(self) -> Mapping[str, Port]:
        return self.manifest.outputs

    def run(self, **inputs: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """The outputs for `inputs`, each by name with the shape and dtype of the manifest.

        What comes back are the session's own buffers: the next run overwrites them, so copy what must outlive it.
        Raises ValueError for wrong names, shapes or types, RuntimeError when closed or when the provider fails.
        """
        if self._session is None:
            raise RuntimeError(f"{self.path} is closed")
        if inputs.keys() != self._inputs.keys():
            given_names = ", ".join(inputs) or "nothing"
            raise ValueError(f"{self.path} reads {', '.join(self._inputs)}, and was given {given_names}")
        for name, given in inputs.items():
            buffer = self._inputs[name]
            if given.shape != buffer.shape or given.dtype != buffer.dtype:
                raise ValueError(f"{name} must be {buffer.dtype} {buffer.shape}, and is {given.dtype} {given.shape}")
            np.copyto(buffer, given)
            if self.provider != "CPU":
                # On a GPU, binding is what copies; on the CPU the buffer stays bound and is read where it lies.
                self._binding.bind_cpu_input(name, buffer)
        try:
            self._session.run_with_iobinding(self._binding)
        except RuntimeError:
            raise
        except Exception as error:  # ONNX Runtime's own exceptions derive from Exception alone.
            raise RuntimeError(f"{self.path} failed on {self.provider}: {_first_line(error)}") from error
        return self._answer

    def warm(self, runs: int = 2) -> None:
        """Runs on black or silence, so that the first real run is as fast as the others."""
        for _ in range(runs):
            self.run(**{name: np.zeros(port.shape, port.dtype) for name, port in self.inputs.items()})

    def close(self) -> None:
        """Frees the session; the last outputs stay readable to whoever holds them."""
        self._session = self._binding = None

    def __enter__(self) -> FrozenSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_session(
    path: str | os.PathLike[str], provider: str = "auto", threads: int | None = None, *, kind: Kind | None = None
) -> FrozenSession:
    """Checks the frozen model at `path` and builds its session; not yet warmed.

    `provider` is auto, tensorrt, cuda or cpu; what cannot be had falls back to the next in order, and says so in
    `fallback`. With auto on a machine that has no NVIDIA driver there is nothing to fall from, and `fallback` is None.
    `threads` counts the CPU's: at most the physical cores, and 4 unless told. Raises BadModel, ValueError (provider).
    """
    path = Path(path)
    asked = _named(provider)
    manifest = artifact.check(path, kind)
    options = _options(threads)
    reasons: list[str] = []
    for name in PROVIDERS[PROVIDERS.index(asked) if asked else 0 :]:
        reason = why_not(name)
        if reason is None:
            try:
                session = _session(path, name, options)
            except Exception as error:  # ONNX Runtime's own exceptions derive from Exception alone.
                reason = _first_line(error)
                if name == "CPU":
                    raise BadModel(path, f"cannot be run by ONNX Runtime: {reason}; export it again") from error
            else:
                return FrozenSession(path, manifest, session, name, _fallback(asked, name, reasons))
        reasons.append(f"{name}: {reason}")
    raise AssertionError("the CPU provider is part of every ONNX Runtime")


@cache
def why_not(provider: Provider) -> str | None:
    """Why `provider` cannot be had on this machine, None when it can: asked once, because it loads libraries.

    Never call it in a process that forks engines afterwards: a driver that is initialised does not survive a fork.
    """
    if provider == "CPU":
        return None
    if _RUNTIME_NAMES[provider] not in ort.get_available_providers():
        return "this ONNX Runtime was built without it (install onnxruntime-gpu)"
    reason = _why_no_gpu()
    if reason is not None:
        return reason
    cuda = str(getattr(ort, "cuda_version", "") or "13").partition(".")[0]
    libraries = [f"{library}.so.{cuda}" for library in ("libcudart", "libcublasLt", "libcublas")]
    libraries += ["libcurand.so.10", "libcudnn.so.9"]
    if provider == "TensorRT":
        libraries += ["libnvinfer.so.10", "libnvonnxparser.so.10"]
    missing = [library for library in libraries if not _loads(library)]
    if missing:
        extra = "tensorrt-cu13" if provider == "TensorRT" else "onnxruntime-gpu[cuda,cudnn]"
        return f"{', '.join(missing)} cannot be loaded (install {extra})"
    return None


@cache
def _why_no_gpu() -> str | None:
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "there is no NVIDIA driver (libcuda.so.1)"
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0 or count.value == 0:
        return "the NVIDIA driver finds no GPU"
    return None


def _loads(library: str) -> bool:
    """Loads a shared library from the system, or from NVIDIA's wheels, where the loader does not look by itself.

    Once loaded it stays, and ONNX Runtime finds it under its name.
    """
    wheels = (
        found
        for folder in sys.path
        for pattern in (f"nvidia/*/lib/{library}", f"tensorrt_libs/{library}")
        for found in Path(folder or ".").glob(pattern)
    )
    for candidate in [library, *map(str, wheels)]:
        try:
            ctypes.CDLL(candidate)
        except OSError:
            continue
        return True
    return False


def _named(provider: str) -> Provider | None:
    for known in PROVIDERS:
        if provider.lower() == known.lower():
            return known
    if provider.lower() == "auto":
        return None
    raise ValueError(f"there is no provider {provider!r}: choose auto, {', '.join(p.lower() for p in PROVIDERS)}")


def _fallback(asked: Provider | None, got: Provider, reasons: list[str]) -> str | None:
    if not reasons or (asked is None and _why_no_gpu() is not None):
        return None
    return f"performing on {got} instead of {(asked or PROVIDERS[0])}: {'; '.join(reasons)}"


def _options(threads: int | None) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.log_severity_level = _SILENT
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.inter_op_num_threads = 1
    options.intra_op_num_threads = threads if threads is not None else min(physical_cores(), MOST_THREADS)
    # Spinning takes a core for nothing between two frames, and is slower where the other core has work.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # A file called .ort would else be taken for another format, which artifact.check does not read.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    # Weights outside the arena: it grows in powers of two, and the weights never go back to it.
    options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
    return options


def _session(path: Path, provider: Provider, options: ort.SessionOptions) -> ort.InferenceSession:
    chosen: list[str | tuple[str, dict[str, str]]] = [
        (_RUNTIME_NAMES[name], _provider_options(name, path))
        for name in PROVIDERS[PROVIDERS.index(provider) :]
        if why_not(name) is None
    ]
    # Without ONNX Runtime's own fallback, which prints a banner and forgets the reason.
    session = ort.InferenceSession(str(path), options, providers=chosen, enable_fallback=0)
    if session.get_providers()[0] != _RUNTIME_NAMES[provider]:
        raise RuntimeError(f"ONNX Runtime did not take it, and offers {', '.join(session.get_providers())}")
    return session


def _provider_options(provider: Provider, path: Path) -> dict[str, str]:
    if provider == "TensorRT":
        folder = _engine_folder(path)
        folder.mkdir(parents=True, exist_ok=True)
        return {
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": str(folder),
            "trt_timing_cache_enable": "1",
            "trt_timing_cache_path": str(folder),
        }
    if provider == "CUDA":
        # Fixed shapes: the exhaustive search is paid once, while warming; and the arena grows by what is asked.
        return {"arena_extend_strategy": "kSameAsRequested", "cudnn_conv_algo_search": "EXHAUSTIVE"}
    return {}


def _engine_folder(path: Path) -> Path:
    """Where TensorRT keeps what it builds: by model, TensorRT and ONNX Runtime (which adds the GPU's architecture)."""
    version = ctypes.CDLL("libnvinfer.so.10").getInferLibVersion()
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "guise" / "tensorrt" / f"{artifact.digest(path)[:32]}-{version}-{ort.__version__}"


def physical_cores() -> int:
    """Cores this process may use, without counting a hyperthread as one; 1 at least."""
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    cores = set()
    for cpu in allowed:
        siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        try:
            cores.add(siblings.read_text())
        except OSError:
            cores.add(str(cpu))
    return max(1, len(cores))


def _first_line(error: BaseException) -> str:
    text = artifact.one_line(str(error).partition("\n")[0]) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:200]}..."
