"""Do two sessions of one frozen model say the same? What a GPU must pass before it performs.

export.freeze.verify asks the same of a fresh frozen model and the network it comes from, and needs torch; this is free
of it, because a look may be opened on a machine that has none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.artifact.fields import Port, Precision
from export.artifact.manifest import Manifest
from export.runtime.frozen_session import FrozenSession

MAX_DIFFERENCE: Mapping[Precision, float] = {"fp32": 2.0, "fp16": 16.0, "int8": 64.0}
"""The largest difference allowed to the CPU's answer, in 1/255: what export.freeze.verify allows to the network's."""

Arrays = Mapping[str, NDArray[Any]]


def largest_difference(truth: FrozenSession, other: FrozenSession) -> float:
    """Over black, noise and the target's own face, in levels of 1/255; NaN where an answer is none."""
    largest = 0.0
    for inputs in _test_inputs(truth.manifest):
        largest = _max_or_nan(largest, difference(truth.run(**inputs), other.run(**inputs)))
    return largest


def difference(wanted: Arrays, got: Arrays) -> float:
    """Between two answers: in levels where they are bytes, else in 1/255 of the largest number wanted."""
    largest = 0.0
    for name, array in wanted.items():
        ours, theirs = array.astype(np.float64), got[name].astype(np.float64)
        apart = np.abs(ours - theirs)
        # Noise may be more than a voice bears: where both say that it is no number, they agree.
        apart[np.isnan(ours) & np.isnan(theirs)] = 0
        scale = 1.0 if array.dtype == np.uint8 else 255 / max(float(np.nan_to_num(np.abs(ours)).max()), 1e-6)
        largest = _max_or_nan(largest, float(apart.max()) * scale)
    return largest


def noise_inputs(manifest: Manifest, seed: int = 0) -> dict[str, NDArray[Any]]:
    """Something for every input, the same for the same seed."""
    rng = np.random.default_rng(seed)
    return {name: port_noise(port, rng) for name, port in manifest.inputs.items()}


def _max_or_nan(a: float, b: float) -> float:
    """Python's own max drops a NaN, or keeps it, as they come."""
    return float(np.maximum(a, b))


def _test_inputs(manifest: Manifest) -> Iterator[dict[str, NDArray[Any]]]:
    yield {name: np.zeros(port.shape, port.dtype) for name, port in manifest.inputs.items()}
    yield noise_inputs(manifest)
    if "lines" in manifest.inputs and manifest.target is not None and manifest.size is not None:
        # Imported here: it draws with OpenCV, which a voice's engine does without.
        from models.features.face_lines import draw_lines

        neutral = np.array(manifest.target.neutral, np.float32)
        yield noise_inputs(manifest, 1) | {"lines": draw_lines(neutral, manifest.size)[None].astype(np.uint8)}


def port_noise(port: Port, rng: np.random.Generator) -> NDArray[Any]:
    if port.dtype == "uint8":
        return rng.integers(0, 256, port.shape, np.uint8)
    if port.dtype in ("float16", "float32"):
        return rng.standard_normal(port.shape).astype(port.dtype)
    # Whole numbers choose among things (a speaker, a switch), and nobody said how many there are: the first two.
    return rng.integers(0, 2, port.shape).astype(port.dtype)
