"""What every session of a frozen model offers, on any device: named arrays in, named arrays out, then it is closed.

The buffers belong to the session and exist as long as it does. Free of torch and of ONNX Runtime. A session is run by
one thread at a time, which may be any.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from export.artifact.fields import Port
from export.artifact.manifest import Manifest
from export.runtime.memory_limit import TooMuchMemory, allowed_bytes, limited_memory, memory_bytes, needs_memory
from export.runtime.providers import Provider
from export.runtime.session_options import first_line
from export.runtime.time_limit import GRACE_S, PREPARE_S, RunTooLong, Watched, finish_within, run_limit_s

Arithmetic = Literal["fp32", "tf32", "fp16"]
"""The arithmetic of products: tf32 and fp16 keep 11 bits of each number, fp32 keeps 24."""


Array = NDArray[np.generic]
"""What a port takes or gives: any of the element types that a manifest may name."""
Arrays = Mapping[str, Array]
_Result = TypeVar("_Result")


class FrozenSession:
    """One frozen model, ready to perform. Created by export.runtime.session.open_session; closed by `close` or
    `with`."""

    arithmetic: Arithmetic = "fp32"

    def __init__(self, path: Path, manifest: Manifest, provider: Provider, fallback: str | None = None) -> None:
        self.path = path
        self.manifest = manifest
        self.provider: Provider = provider
        self.fallback = fallback
        """What is not as requested, one sentence for the operator; None when everything is. Final after `warm`."""
        self._inputs = {name: np.zeros(port.shape, port.dtype) for name, port in manifest.inputs.items()}
        self._outputs = {name: np.zeros(port.shape, port.dtype) for name, port in manifest.outputs.items()}
        self._answer = MappingProxyType(self._outputs)
        self._open = True
        self._watched = Watched(partial(self._terminate, True))
        self.run_limit_s = run_limit_s(manifest.kind)
        """What takes longer on stage is stopped; see export.runtime.time_limit."""
        self.load_s = 0.0
        """What loading took of the seconds in which a model must be ready."""
        self.memory_bytes = 0
        """What the process's memory grew by while this was loaded and warmed."""

    @property
    def inputs(self) -> Mapping[str, Port]:
        return self.manifest.inputs

    @property
    def outputs(self) -> Mapping[str, Port]:
        return self.manifest.outputs

    def run(self, **inputs: Array) -> Arrays:
        """The outputs for `inputs`, each by name with the shape and dtype of the manifest.

        The arrays returned are the buffers of the session: the next run overwrites them, so copy what must outlive it.
        Raises ValueError for wrong names, shapes or types, RuntimeError when closed or when the provider fails, and
        RunTooLong, which is one, when it takes longer than `run_limit_s`.
        """
        self._take(inputs)
        self._within(self.run_limit_s, partial(self._perform, self.run_limit_s))
        return self._answer

    def warm(self, runs: int = 2) -> None:
        """Runs on black or silence, so that the first real run is as fast as the others. Raises as `run` does, and
        RunTooLong when loading and this take longer than PREPARE_S in all, or the fastest run longer than
        `run_limit_s`, and TooMuchMemory."""
        allowed, before = allowed_bytes(self.path), memory_bytes()
        limit_s = max(PREPARE_S - self.load_s, GRACE_S)
        try:
            with limited_memory(allowed):
                fastest_s = finish_within(limit_s + GRACE_S, partial(self._warm, runs, limit_s))
        except TimeoutError:
            self._open = False  # Something in there still runs, and nobody may free it meanwhile.
            raise self._too_long(limit_s, "and does not stop") from None
        if fastest_s > self.run_limit_s:
            raise self._too_long(self.run_limit_s, f"namely {fastest_s:.1f} s")
        self.memory_bytes += max(0, memory_bytes() - before)
        if self.memory_bytes > allowed:
            taken, most = self.memory_bytes / 1e9, allowed / 1e9
            raise TooMuchMemory(f"{self.path} takes {taken:.1f} GB of memory, and may take {most:.1f}: choose another")

    def _warm(self, runs: int, limit_s: float) -> float:
        """Seconds of the fastest run."""
        times_s: list[float] = []
        for _ in range(runs):
            self._take({name: np.zeros(port.shape, port.dtype) for name, port in self.inputs.items()})
            began = time.perf_counter()
            left_s = limit_s - sum(times_s)
            self._within(left_s, partial(self._perform, left_s))
            times_s.append(time.perf_counter() - began)
        return min(times_s, default=0.0)

    def _take(self, inputs: Arrays) -> None:
        """Fills the input buffers from `inputs`."""
        if not self._open:
            raise RuntimeError(f"{self.path} is closed")
        if inputs.keys() != self._inputs.keys():
            names = ", ".join(inputs) or "nothing"
            raise ValueError(f"{self.path} reads {', '.join(self._inputs)}, and was given {names}")
        for name, given in inputs.items():
            buffer = self._inputs[name]
            if given.shape != buffer.shape or given.dtype != buffer.dtype:
                raise ValueError(f"{name} must be {buffer.dtype} {buffer.shape}, and is {given.dtype} {given.shape}")
            np.copyto(buffer, given)

    def _within(self, limit_s: float, task: Callable[[], _Result]) -> _Result:
        """What `task`, which runs the model, returns. Raises RunTooLong, or RuntimeError for whatever it raises."""
        self._watched.begin(limit_s)
        try:
            result = task()
        except TimeoutError:
            self._watched.end()
            self._open = False  # It still runs, and nobody may free it meanwhile.
            raise self._too_long(limit_s, "and does not stop") from None
        except Exception as error:  # ONNX Runtime's own exceptions derive from Exception alone.
            if self._resume():
                raise self._too_long(limit_s, "and was stopped") from error
            if needs_memory(error):
                raise TooMuchMemory(f"{self.path} needs more memory than it may take: choose another") from error
            raise RuntimeError(f"{self.path} failed on {self.provider}: {first_line(error)}") from error
        self._resume()
        return result

    def _resume(self) -> bool:
        """After a run: whether it was stopped; the next one is not."""
        stopped = self._watched.end()
        if stopped:
            self._terminate(False)
        return stopped

    def _too_long(self, limit_s: float, more: str) -> RunTooLong:
        return RunTooLong(f"{self.path} takes longer than {limit_s:.1f} s on {self.provider}, {more}: choose another")

    def close(self) -> None:
        """Frees the session; the last outputs stay readable for as long as they are referenced."""
        if self._open:
            self._open = False
            self._free()

    def __enter__(self) -> FrozenSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _perform(self, limit_s: float) -> None:
        """Fills the output buffers from the input buffers. May raise TimeoutError when it takes longer, whatever
        `_terminate` said."""
        raise NotImplementedError

    def _terminate(self, terminate: bool) -> None:
        """Has the run that is under way end soon, or lets the next one go on. Returns at once; in any thread."""
        raise NotImplementedError

    def _free(self) -> None:
        """Releases what the provider holds; called once."""
        raise NotImplementedError
