"""How long a model may take to be loaded and warmed on this machine. Runs in an engine's process."""

from __future__ import annotations

from live.process.slot import LOAD_LIMIT_S

GPU_LOAD_LIMIT_S = 120.0
"""cuDNN tries every way there is, in the first process of a machine's day."""
BUILD_LIMIT_S = 1800.0
"""TensorRT, asked for by name, builds what it has not built before."""


def load_limit_s(provider: str) -> float:
    """For models that perform on this provider, as `--provider` names it."""
    if provider.lower() == "tensorrt":
        return BUILD_LIMIT_S
    from export.runtime.providers import gpu_unavailable_reason  # here: presets perform without ONNX Runtime

    if provider.lower() == "cpu" or gpu_unavailable_reason() is not None:
        return LOAD_LIMIT_S
    return GPU_LOAD_LIMIT_S
