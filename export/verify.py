"""Parity with torch: does the frozen model say what the network said, before anybody performs with it?

Both are given the same inputs: black, noise, and drawings of the target's own face in motion, and their outputs are
compared in 1/255: levels of a picture, or 1/255 of the loudest value of any other output. Offline; uses torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from export.artifact import Manifest, Port, Precision
from export.session import FrozenSession
from models.family import FreezePlan, freeze_batch

DRAWINGS = 6


class NotFaithful(Exception):
    """The frozen model differs from the network by more than its precision allows; one line with the figures."""


@dataclass(frozen=True)
class Bound:
    """The largest differences allowed, in 1/255."""

    mean: float
    maximum: float


BOUNDS: Mapping[Precision, Bound] = {
    # Rounding to levels alone moves a value by one where the two lie on either side of a half.
    "fp32": Bound(mean=1.0, maximum=2.0),
    # Weights lose 13 of 24 bits, and instance norm magnifies that where a channel hardly varies: single pixels may
    # move, the picture as a whole may not.
    "fp16": Bound(mean=1.0, maximum=16.0),
}


@dataclass(frozen=True)
class Parity:
    """Mean and largest absolute difference to torch, in 1/255, over `inputs` different inputs."""

    mean: float
    maximum: float
    inputs: int

    def as_metrics(self) -> dict[str, float]:
        return {name: round(value, 4) for name, value in asdict(self).items()}


def parity(plan: FreezePlan, session: FrozenSession, seed: int = 0) -> Parity:
    """How far `session` is from `plan.module`. Raises NotFaithful beyond the bound of the manifest's precision."""
    totals: list[float] = []
    largest = 0.0
    count = 0
    for inputs in _inputs(session.manifest, seed):
        tensors = {name: torch.from_numpy(inputs[name]) for name in plan.inputs}
        wanted = freeze_batch(tensors, plan.module)
        got = session.run(**inputs)
        for name, tensor in zip(plan.outputs, wanted, strict=True):
            difference = _difference(tensor.numpy(), got[name])
            totals.append(float(difference.mean()))
            largest = max(largest, float(difference.max()))
        count += 1
    found = Parity(float(np.mean(totals)), largest, count)
    bound = BOUNDS[session.manifest.precision]
    # Written so that a NaN, which no comparison holds for, is refused as well.
    if not (found.mean <= bound.mean and found.maximum <= bound.maximum):
        raise NotFaithful(
            f"the frozen model differs from the network by {found.mean:.2f}/255 on average and {found.maximum:.0f}/255 "
            f"at most, where {session.manifest.precision} allows {bound.mean:g} and {bound.maximum:g}: "
            "train further, or export with --precision fp32"
        )
    return found


def _difference(wanted: NDArray[Any], got: NDArray[Any]) -> NDArray[np.float64]:
    difference = np.abs(wanted.astype(np.float64) - got.astype(np.float64))
    if wanted.dtype == np.uint8:
        return difference
    return difference * (255 / max(float(np.abs(wanted).max()), 1e-6))


def _inputs(manifest: Manifest, seed: int) -> Iterator[dict[str, NDArray[Any]]]:
    """Black or silence, noise, and drawings."""
    rng = np.random.default_rng(seed)
    noise = {name: _noise(port, rng) for name, port in manifest.inputs.items()}
    yield {name: np.zeros(port.shape, port.dtype) for name, port in manifest.inputs.items()}
    yield noise
    if "lines" in manifest.inputs:
        for lines in _drawings(manifest, rng):
            yield noise | {"lines": lines}


def _noise(port: Port, rng: np.random.Generator) -> NDArray[Any]:
    if port.dtype == "uint8":
        return rng.integers(0, 256, port.shape, np.uint8)
    if port.dtype in ("float16", "float32"):
        return rng.standard_normal(port.shape).astype(port.dtype)
    # Whole numbers choose among things (a speaker, a switch), and nobody said how many there are: the first two.
    return rng.integers(0, 2, port.shape).astype(port.dtype)


def _drawings(manifest: Manifest, rng: np.random.Generator) -> Iterator[NDArray[np.uint8]]:
    """uint8 (1, size, size, 3): the target's face at rest, and moved within the ranges that training saw."""
    from models.features.face_lines import draw_lines

    size, target = manifest.size, manifest.target
    if size is None or target is None:
        return
    neutral, low, high = (
        np.array(points, np.float32) for points in (target.neutral, target.residual_low, target.residual_high)
    )
    for number in range(DRAWINGS):
        share = rng.uniform(0, 1, (68, 1)).astype(np.float32) if number else np.float32(0)
        moved = neutral + (low + (high - low) * share if number else 0)
        yield draw_lines(moved.astype(np.float32), size)[None].astype(np.uint8)
