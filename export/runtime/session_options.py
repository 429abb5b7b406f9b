"""ONNX Runtime as this house uses it: its options, and a session on the provider that was asked for or none.

Opened by path: ONNX Runtime holds Python's lock for 205 ms when it opens a model from bytes, and 12 by path. Thread:
any, but see export.runtime.cuda for sessions on a GPU. Free of torch.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import onnxruntime as ort

from export.artifact.bad_model import one_line
from export.runtime.providers import RUNTIME_NAMES, Provider

MAX_THREADS = 4
"""A picture engine shares the machine with a tracker, a sound engine and a window; more threads gain little at 256."""

_LOG_FATAL = (
    4  # ONNX Runtime's severity "fatal": what goes wrong comes back as an exception, which we tell in our words.
)


def session_options(threads: int | None = None) -> ort.SessionOptions:
    """`threads` counts the CPU's: at most the physical cores, and MAX_THREADS unless told."""
    chosen = ort.SessionOptions()
    chosen.log_severity_level = _LOG_FATAL
    chosen.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    chosen.inter_op_num_threads = 1
    chosen.intra_op_num_threads = threads if threads is not None else min(physical_cores(), MAX_THREADS)
    # Spinning takes a core for nothing between two frames, and is slower where the other core has work.
    chosen.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # A file called .ort would else be taken for another format, which artifact.check does not read.
    chosen.add_session_config_entry("session.load_model_format", "ONNX")
    # Weights outside the arena: it grows in powers of two, and the weights never go back to it.
    chosen.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
    return chosen


def build_session(
    path: Path, provider: Provider, provider_options: Mapping[str, str], chosen: ort.SessionOptions
) -> ort.InferenceSession:
    """A session on `provider`, the CPU behind it. Raises whatever ONNX Runtime raises, or RuntimeError."""
    wanted: list[str | tuple[str, dict[str, str]]] = [(RUNTIME_NAMES[provider], dict(provider_options))]
    if provider != "CPU":
        wanted.append(RUNTIME_NAMES["CPU"])
    # Without ONNX Runtime's own fallback, which prints a banner and forgets the reason.
    session = ort.InferenceSession(str(path), chosen, providers=wanted, enable_fallback=0)
    if session.get_providers()[0] != RUNTIME_NAMES[provider]:
        raise RuntimeError(f"ONNX Runtime did not take it, and offers {', '.join(session.get_providers())}")
    return session


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


def first_line(error: BaseException) -> str:
    """What an exception says, for a sentence: its first line, not longer than a screen is wide."""
    text = one_line(str(error).partition("\n")[0]) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:200]}..."
