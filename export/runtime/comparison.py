"""Whether two sessions of one frozen model give the same outputs: what a GPU must pass before it performs.

export.freeze.verify compares a new frozen model with the network it comes from, and needs torch; this module is free of
torch, because a look may be opened on a machine without it. Thread: any.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from export.artifact.fields import Port, Precision
from export.artifact.manifest import Manifest
from export.runtime.frozen_session import Array, Arrays, FrozenSession
from models.features.types import Points

MAX_DIFFERENCE: Mapping[Precision, float] = {"fp32": 2.0, "fp16": 16.0, "int8": 64.0}
"""The largest difference allowed from the CPU's output, in 1/255: what export.freeze.verify allows from the network's.
"""


def largest_difference(reference: FrozenSession, other: FrozenSession) -> float:
    """Over black, noise and the target's own face, in levels of 1/255; NaN where an output is not a number."""
    largest = 0.0
    for inputs in _test_inputs(reference.manifest):
        largest = _larger_or_nan(largest, difference(reference.run(**inputs), other.run(**inputs)))
    return largest


def difference(wanted: Arrays, got: Arrays) -> float:
    """Between two sets of outputs: in levels where they are bytes, else in 1/255 of the largest number wanted."""
    largest = 0.0
    for name, array in wanted.items():
        expected, actual = array.astype(np.float64), got[name].astype(np.float64)
        differences = np.abs(expected - actual)
        # Noise may be out of range for a voice: where both give no number, they agree.
        differences[np.isnan(expected) & np.isnan(actual)] = 0
        scale = 1.0 if array.dtype == np.uint8 else 255 / max(float(np.nan_to_num(np.abs(expected)).max()), 1e-6)
        largest = _larger_or_nan(largest, float(differences.max()) * scale)
    return largest


def noise_inputs(manifest: Manifest, seed: int = 0) -> dict[str, Array]:
    """Noise for every input, the same for the same seed."""
    rng = np.random.default_rng(seed)
    return {name: port_noise(port, rng) for name, port in manifest.inputs.items()}


def _larger_or_nan(a: float, b: float) -> float:
    """The larger of the two, NaN if either is: Python's own max drops or keeps a NaN, depending on the order."""
    return float(np.maximum(a, b))


def _test_inputs(manifest: Manifest) -> Iterator[dict[str, Array]]:
    yield {name: np.zeros(port.shape, port.dtype) for name, port in manifest.inputs.items()}
    yield noise_inputs(manifest)
    if manifest.target is not None:
        yield noise_inputs(manifest, 1) | face_inputs(manifest, np.array(manifest.target.neutral, np.float32))


def face_inputs(manifest: Manifest, points: Points) -> dict[str, Array]:
    """What the look reads of a face whose points, in pixels of its picture, are these: their drawing, and the points
    themselves."""
    inputs: dict[str, Array] = {}
    if "lines" in manifest.reads and manifest.size is not None:
        # Imported here: it needs OpenCV, which a voice's engine does without.
        from models.features.face_lines import draw_lines

        inputs["lines"] = draw_lines(points, manifest.size)[None].astype(np.uint8)
    if "points" in manifest.reads:
        inputs["points"] = points[None]
    return inputs


def port_noise(port: Port, rng: np.random.Generator) -> Array:
    """Random values of the shape and element type of `port`."""
    if port.dtype == "uint8":
        return rng.integers(0, 256, port.shape, np.uint8)
    if port.dtype in ("float16", "float32"):
        return rng.standard_normal(port.shape).astype(port.dtype)
    # Integers are indices (of a speaker, a switch), and the number of choices is not known here: the first two.
    return rng.integers(0, 2, port.shape).astype(port.dtype)
