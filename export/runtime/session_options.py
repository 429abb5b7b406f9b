"""The options of ONNX Runtime, and how a session is built: on the provider that was asked for, or not at all.

Models are opened by path: ONNX Runtime holds Python's lock for 205 ms when it opens a model from bytes, and for 12 ms
by path. Thread: any, but see export.runtime.cuda for sessions on a GPU. Free of torch.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import onnxruntime as ort

from export.runtime.providers import RUNTIME_NAMES, Provider
from models.command_line import one_line

MAX_THREADS = 4
"""A picture engine shares the machine with a tracker, a sound engine and a window; more threads gain little at 256."""

_LOG_FATAL = 4  # ONNX Runtime's severity "fatal": errors come back as exceptions, which we report in our own words.


def session_options(threads: int | None = None) -> ort.SessionOptions:
    """`threads` counts CPU threads; None: as many as there are physical cores, at most MAX_THREADS."""
    options = ort.SessionOptions()
    options.log_severity_level = _LOG_FATAL
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.inter_op_num_threads = 1
    options.intra_op_num_threads = threads if threads is not None else min(physical_cores(), MAX_THREADS)
    # Spinning occupies a core for nothing between two frames, and is slower where the other core has work.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # A file called .ort would else be read as another format, which model_file.check_model does not know.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    # Weights outside the arena: it grows in powers of two, and the memory of weights never goes back to it.
    options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
    return options


def build_session(
    path: Path, provider: Provider, provider_options: Mapping[str, str], options: ort.SessionOptions
) -> ort.InferenceSession:
    """A session on `provider`, with the CPU behind it. Raises whatever ONNX Runtime raises, or RuntimeError."""
    wanted: list[str | tuple[str, dict[str, str]]] = [(RUNTIME_NAMES[provider], dict(provider_options))]
    if provider != "CPU":
        wanted.append(RUNTIME_NAMES["CPU"])
    # Without ONNX Runtime's own fallback, which prints a banner and forgets the reason.
    session = ort.InferenceSession(str(path), options, providers=wanted, enable_fallback=0)
    if session.get_providers()[0] != RUNTIME_NAMES[provider]:
        raise RuntimeError(f"ONNX Runtime did not take it, and offers {', '.join(session.get_providers())}")
    return session


def physical_cores() -> int:
    """Physical cores that this process may use: hyperthreads of one core count once; at least 1."""
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    cores = set()
    for cpu in allowed:
        siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        try:
            cores.add(siblings.read_text())
        except OSError:
            cores.add(str(cpu))
    return max(1, len(cores))


def first_line(error: BaseException) -> str:
    """The first line of an exception, at most 200 characters, for use in a sentence."""
    text = one_line(str(error).partition("\n")[0]) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:200]}..."
