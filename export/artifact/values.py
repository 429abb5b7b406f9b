"""Whether the values in a manifest fit the ports they are given to. Each function raises ValueError. Free of numpy.

Thread: any.
"""

from __future__ import annotations

import math

from pydantic import JsonValue

from export.artifact.fields import DType, Port

_WHOLE: dict[DType, tuple[int, int]] = {
    "uint8": (0, 2**8 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
}
_MAX_FLOAT16 = 65504


def check_value(name: str, value: JsonValue, port: Port) -> None:
    """`value` is one number for all of the port, or numbers in lists of its shape, of which leading ones may be left
    out."""
    shape = port.shape
    while isinstance(value, list) and shape[:1] == (1,) and _depth(value) < len(shape):
        shape = shape[1:]
    if isinstance(value, list) and not _has_shape(value, shape):
        raise ValueError(
            f"the conditioning {name} must be one number, or numbers in lists as its port {port.shape} says"
        )
    for number in _leaves(value):
        if not _fits(number, port.dtype):
            raise ValueError(f"the conditioning {name} must hold numbers of {port.dtype}")


def check_parameter_port(name: str, port: Port) -> None:
    """A parameter is one number."""
    if port.dtype not in ("float16", "float32", "int32", "int64") or math.prod(port.shape) != 1:
        raise ValueError(f"the parameter {name} must be one number, and is {port.dtype} {port.shape}")


def _depth(value: JsonValue) -> int:
    return 1 + _depth(value[0]) if isinstance(value, list) and value else int(isinstance(value, list))


def _has_shape(value: JsonValue, shape: tuple[int, ...]) -> bool:
    if not shape:
        return not isinstance(value, list)
    return isinstance(value, list) and len(value) == shape[0] and all(_has_shape(part, shape[1:]) for part in value)


def _leaves(value: JsonValue) -> list[JsonValue]:
    return [leaf for part in value for leaf in _leaves(part)] if isinstance(value, list) else [value]


def _fits(number: JsonValue, dtype: DType) -> bool:
    if dtype == "bool" or isinstance(number, bool):
        return isinstance(number, bool) and dtype == "bool"
    if dtype in _WHOLE:
        low, high = _WHOLE[dtype]
        return isinstance(number, int) and low <= number <= high
    largest = _MAX_FLOAT16 if dtype == "float16" else 3.4e38
    return isinstance(number, int | float) and math.isfinite(number) and abs(number) <= largest
