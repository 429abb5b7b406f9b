"""What tensors of a graph are as large as constants of the file say: a few bytes that claim gigabytes.

Only what stands in the file is seen; a size that is computed first is seen when the model is loaded, by the memory that
it takes. Thread: any. Free of numpy and onnx.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from typing import NamedTuple

MAX_TENSOR_NUMBERS = 2**27
"""Half a gigabyte of float32; the widest layer of a picture of 1024 pixels has a sixteenth."""
SIZED_BY: Mapping[str, Sequence[int]] = {
    "ConstantOfShape": (0,),
    "Expand": (1,),
    "Tile": (1,),
    "Resize": (3,),
    "Pad": (1,),
    "OneHot": (1,),
    "Range": (0, 1, 2),
}
"""Operator -> which of its inputs say how large its output is."""


class Claim(NamedTuple):
    """An operator whose output is as large as its inputs of these names say."""

    operator: str
    names: tuple[str, ...]


def largest_claim(claims: Sequence[Claim], integers: Mapping[str, Sequence[int]]) -> tuple[int, str] | None:
    """The most numbers that an operator makes of `integers`, the file's constants by name, and which; None: nothing."""
    found = [
        (_numbers(claim.operator, [integers[name] for name in claim.names]), claim.operator)
        for claim in claims
        if all(name in integers for name in claim.names)
    ]
    return max(found, default=None)


def _numbers(operator: str, values: list[Sequence[int]]) -> int:
    """At least so many: of an input whose size is not known, one number counts."""
    if operator == "Range":
        start, limit, step = (value[0] if value else 0 for value in values)
        return 0 if step == 0 else max(0, -((start - limit) // step))
    (sizes,) = values
    if operator == "Pad":
        half = len(sizes) // 2
        return math.prod(max(1, before + after + 1) for before, after in zip(sizes[:half], sizes[half:], strict=False))
    return math.prod(max(1, size) for size in sizes)


def integers_of(raw: bytes) -> tuple[int, ...]:
    """The int64 numbers in a tensor's raw data."""
    return tuple(number for (number,) in struct.iter_unpack("<q", raw))
