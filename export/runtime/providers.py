"""Which providers of ONNX Runtime this machine can use, why not the others, and which GPU it has.

Only a provider whose libraries load is asked for, because ONNX Runtime answers a missing one with an alarming page on
stderr and continues without it. Free of torch, and of CUDA until a function here is called.

Never call a function of this module in a process that forks engines afterwards: an initialised driver does not survive
a fork. Thread: any.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import onnxruntime as ort

Provider = Literal["TensorRT", "CUDA", "CPU"]
PROVIDERS: tuple[Provider, ...] = ("TensorRT", "CUDA", "CPU")
"""The best first."""

RUNTIME_NAMES: Mapping[Provider, str] = {
    "TensorRT": "TensorrtExecutionProvider",
    "CUDA": "CUDAExecutionProvider",
    "CPU": "CPUExecutionProvider",
}
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76
"""Values of CUdevice_attribute in cuda.h."""


@dataclass(frozen=True)
class Gpu:
    """The GPU that performs: the first one."""

    name: str
    capability: str
    """As NVIDIA writes it: 8.9."""


@cache
def unavailable_reason(provider: Provider) -> str | None:
    """Why `provider` cannot be used on this machine, None when it can. Cached, because the answer loads libraries."""
    if provider == "CPU":
        return None
    if RUNTIME_NAMES[provider] not in ort.get_available_providers():
        return "this ONNX Runtime was built without it (install onnxruntime-gpu)"
    reason = gpu_unavailable_reason()
    if reason is not None:
        return reason
    cuda = str(getattr(ort, "cuda_version", "") or "13").partition(".")[0]
    libraries = [f"{library}.so.{cuda}" for library in ("libcudart", "libcublasLt", "libcublas")]
    libraries += ["libcurand.so.10", "libcudnn.so.9"]
    if provider == "TensorRT":
        libraries += ["libnvinfer.so.10", "libnvonnxparser.so.10"]
    missing = [library for library in libraries if not _load_library(library)]
    if missing:
        extra = "tensorrt-cu13" if provider == "TensorRT" else "onnxruntime-gpu[cuda,cudnn]"
        return f"{', '.join(missing)} cannot be loaded (install {extra})"
    return None


@cache
def gpu_unavailable_reason() -> str | None:
    """Why there is no usable GPU, None when there is one."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "there is no NVIDIA driver (libcuda.so.1)"
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0 or count.value == 0:
        return "the NVIDIA driver finds no GPU"
    return None


def gpu() -> Gpu:
    """The first GPU. Call only where `gpu_unavailable_reason` is None."""
    driver = ctypes.CDLL("libcuda.so.1")
    device, name = ctypes.c_int(0), ctypes.create_string_buffer(256)
    driver.cuDeviceGet(ctypes.byref(device), 0)
    driver.cuDeviceGetName(name, len(name), device)
    numbers = []
    for attribute in (_CAPABILITY_MAJOR, _CAPABILITY_MINOR):
        number = ctypes.c_int(0)
        driver.cuDeviceGetAttribute(ctypes.byref(number), attribute, device)
        numbers.append(str(number.value))
    return Gpu(name.value.decode("utf-8", "replace"), ".".join(numbers))


def tensorrt_version() -> int:
    """As its library gives it, 100900 for 10.9.0. Call only where `unavailable_reason("TensorRT")` is None."""
    return int(ctypes.CDLL("libnvinfer.so.10").getInferLibVersion())


def _load_library(library: str) -> bool:
    """Loads a shared library from the system, or from NVIDIA's wheels, where the loader does not look by itself.

    Once loaded it stays, and ONNX Runtime finds it by its name.
    """
    wheels = (
        found
        for folder in sys.path
        # '' and relative entries are the folder that a show lies in: no library of a stranger's is loaded.
        if os.path.isabs(folder)
        for pattern in (f"nvidia/*/lib/{library}", f"tensorrt_libs/{library}")
        for found in Path(folder).glob(pattern)
    )
    for candidate in [library, *map(str, wheels)]:
        try:
            ctypes.CDLL(candidate)
        except OSError:
            continue
        return True
    return False
