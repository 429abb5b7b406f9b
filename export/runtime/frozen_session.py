"""What every session of a frozen model offers, on any device: named arrays in, named arrays out, then it is closed.

The buffers belong to the session and exist as long as it does. Free of torch and of ONNX Runtime. A session is run by
one thread at a time, which may be any.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from export.artifact.fields import Port
from export.artifact.manifest import Manifest
from export.runtime.providers import Provider
from export.runtime.session_options import first_line

Arithmetic = Literal["fp32", "tf32", "fp16"]
"""The arithmetic of products: tf32 and fp16 keep 11 bits of each number, fp32 keeps 24."""


Array = NDArray[np.generic]
"""What a port takes or gives: any of the element types that a manifest may name."""
Arrays = Mapping[str, Array]


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

    @property
    def inputs(self) -> Mapping[str, Port]:
        return self.manifest.inputs

    @property
    def outputs(self) -> Mapping[str, Port]:
        return self.manifest.outputs

    def run(self, **inputs: Array) -> Arrays:
        """The outputs for `inputs`, each by name with the shape and dtype of the manifest.

        The arrays returned are the buffers of the session: the next run overwrites them, so copy what must outlive it.
        Raises ValueError for wrong names, shapes or types, RuntimeError when closed or when the provider fails.
        """
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
        try:
            self._perform()
        except RuntimeError:
            raise
        except Exception as error:  # ONNX Runtime's own exceptions derive from Exception alone.
            raise RuntimeError(f"{self.path} failed on {self.provider}: {first_line(error)}") from error
        return self._answer

    def warm(self, runs: int = 2) -> None:
        """Runs on black or silence, so that the first real run is as fast as the others. Raises as `run` does."""
        for _ in range(runs):
            self.run(**{name: np.zeros(port.shape, port.dtype) for name, port in self.inputs.items()})

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

    def _perform(self) -> None:
        """Fills the output buffers from the input buffers."""
        raise NotImplementedError

    def _free(self) -> None:
        """Releases what the provider holds; called once."""
        raise NotImplementedError
