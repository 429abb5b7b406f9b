"""Which providers are available, and what the GPU is called; NVIDIA's libraries are imitated."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnxruntime as ort
import pytest

from export.runtime import providers


class FakeDriver:
    """The functions of libcuda that are called."""

    def __init__(self, devices: int = 1, init_result: int = 0) -> None:
        self._devices, self._init_result = devices, init_result

    def cuInit(self, flags: int) -> int:
        return self._init_result

    def cuDeviceGetCount(self, count: Any) -> int:
        count._obj.value = self._devices
        return 0

    def cuDeviceGet(self, device: Any, ordinal: int) -> int:
        device._obj.value = ordinal
        return 0

    def cuDeviceGetName(self, name: Any, length: int, device: Any) -> int:
        name.value = b"NVIDIA GeForce RTX 4090"
        return 0

    def cuDeviceGetAttribute(self, number: Any, attribute: int, device: Any) -> int:
        number._obj.value = {75: 8, 76: 9}[attribute]
        return 0


@pytest.fixture(autouse=True)
def cleared_caches() -> Iterator[None]:
    for answer in (providers.unavailable_reason, providers.gpu_unavailable_reason):
        answer.cache_clear()
    yield
    for answer in (providers.unavailable_reason, providers.gpu_unavailable_reason):
        answer.cache_clear()


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The libraries that can be loaded; empty: none."""
    libraries: dict[str, Any] = {}

    def load(name: str) -> Any:
        if name not in libraries:
            raise OSError(name)
        return libraries[name]

    monkeypatch.setattr(ctypes, "CDLL", load)
    monkeypatch.setattr(ort, "get_available_providers", lambda: list(providers.RUNTIME_NAMES.values()))
    monkeypatch.setattr(ort, "cuda_version", "13.0", raising=False)
    return libraries


def test_without_a_driver_or_a_card_the_cpu_alone_performs(machine: dict[str, Any]) -> None:
    assert providers.unavailable_reason("CPU") is None
    assert providers.unavailable_reason("CUDA") == "there is no NVIDIA driver (libcuda.so.1)"
    for driver in (FakeDriver(devices=0), FakeDriver(init_result=100)):
        clear_caches()
        machine["libcuda.so.1"] = driver
        assert providers.unavailable_reason("TensorRT") == "the NVIDIA driver finds no GPU"


def test_what_is_missing_is_named_with_what_to_install(machine: dict[str, Any]) -> None:
    machine["libcuda.so.1"] = FakeDriver()
    machine |= dict.fromkeys(("libcudart.so.13", "libcublasLt.so.13", "libcublas.so.13", "libcurand.so.10"))
    assert (
        providers.unavailable_reason("CUDA") == "libcudnn.so.9 cannot be loaded (install onnxruntime-gpu[cuda,cudnn])"
    )
    clear_caches()
    machine["libcudnn.so.9"] = None
    assert providers.unavailable_reason("CUDA") is None
    assert providers.unavailable_reason("TensorRT") == (
        "libnvinfer.so.10, libnvonnxparser.so.10 cannot be loaded (install tensorrt-cu13)"
    )
    clear_caches()
    machine |= {"libnvinfer.so.10": None, "libnvonnxparser.so.10": None}
    assert providers.unavailable_reason("TensorRT") is None


def test_an_onnx_runtime_without_gpu_says_so(machine: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CPUExecutionProvider"])
    assert "install onnxruntime-gpu" in str(providers.unavailable_reason("CUDA"))


def test_the_card_is_known_by_name_and_capability(machine: dict[str, Any]) -> None:
    machine["libcuda.so.1"] = FakeDriver()
    assert providers.gpu() == providers.Gpu("NVIDIA GeForce RTX 4090", "8.9")


def clear_caches() -> None:
    for answer in (providers.unavailable_reason, providers.gpu_unavailable_reason):
        answer.cache_clear()


def test_no_library_of_the_folder_one_stands_in_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = tmp_path / "nvidia" / "cudnn" / "lib" / "libguise.so.1"
    library.parent.mkdir(parents=True)
    library.touch()
    asked: list[str] = []

    def load(name: str) -> None:
        asked.append(name)
        raise OSError

    monkeypatch.setattr(ctypes, "CDLL", load)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["", ".", "sub/..", str(tmp_path)])
    assert not providers._load_library("libguise.so.1")
    assert asked == ["libguise.so.1", str(library)], "by name, and from the folder that is named whole"
