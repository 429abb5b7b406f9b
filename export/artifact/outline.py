"""What an ONNX file says about itself, read without loading its weights and without trusting its lengths.

An ONNX file is one protobuf message. This reader walks its structure (fields, lengths, names, shapes) through a small
window and skips the weights, so that it takes milliseconds, allocates by what the file holds and never by what it
claims, and answers every damaged file with Malformed. `onnx.load` would read the whole file, and check no operator.
Field numbers are those of onnx.proto3 (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3).

Thread: any; a file is open only while `read_outline` runs. Free of torch, onnx and numpy.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from export.artifact.claimed_sizes import SIZED_BY, Claim, integers_of
from export.artifact.wire import LENGTH_DELIMITED, VARINT, Malformed, WireReader

MAX_FILE_BYTES = 2**31 - 1
"""The limit of protobuf, and so of ONNX without external data."""

_MAX_DEPTH = 16
_MAX_DIMENSIONS = 32
_INT64 = 7
_MAX_INTEGERS = 64
"""Constants of more are no shapes."""

ELEMENT_TYPES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float16",
    11: "float64",
}
"""TensorProto.DataType -> the name that numpy and the manifest use."""

_ELEMENT_BYTES = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 14: 8, 15: 16, 16: 2}


@dataclass(frozen=True)
class TensorPort:
    """One input or output of the graph: element type and shape; None stands for a dimension without a number."""

    dtype: str
    shape: tuple[int | None, ...]


class MetadataEntry(NamedTuple):
    """One entry of the model's metadata; its field takes the bytes of the file from `start` to `end`."""

    key: str
    value: str
    start: int
    end: int


@dataclass
class Outline:
    """The structure of a model. `operators` are (domain, type), those of subgraphs and local functions included."""

    metadata: list[MetadataEntry] = field(default_factory=list)
    inputs: dict[str, TensorPort] = field(default_factory=dict)
    outputs: dict[str, TensorPort] = field(default_factory=dict)
    operators: set[tuple[str, str]] = field(default_factory=set)
    domains: set[str] = field(default_factory=set)
    versions: dict[str, int] = field(default_factory=dict)
    """Domain -> the version of its operators."""
    integers: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Name -> the numbers of a short constant of int64."""
    claims: list[Claim] = field(default_factory=list)
    external: list[str] = field(default_factory=list)
    """Names of tensors whose data is in another file."""


def read_outline(path: Path, *, metadata_only: bool = False) -> Outline:
    """The outline of the ONNX file at `path`; with `metadata_only` the graph is skipped unread.

    Raises Malformed; OSError when the file cannot be read.
    """
    # Not blocking, because a pipe in place of a model would wait for a writer for ever.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        size = os.fstat(descriptor).st_size
        if size == 0:
            raise Malformed("is empty: copy or export it again")
        if size > MAX_FILE_BYTES:
            raise Malformed(f"has {size / 1e9:.1f} GB, and a frozen model has less than 2: it is not one of ours")
        return _OutlineReader(WireReader(descriptor, size)).read_model(metadata_only)
    finally:
        os.close(descriptor)


class _OutlineReader:
    """Reads the messages of onnx.proto3 that an outline needs; every other field is skipped."""

    def __init__(self, wire: WireReader) -> None:
        self.wire = wire
        self.found = Outline()

    def read_model(self, metadata_only: bool) -> Outline:
        wire = self.wire
        # Every writer puts the fields in order, and the first, ir_version, is required: text, pictures and archives do
        # not begin like this.
        if wire.byte(0) != 0x08:
            raise Malformed("is not an ONNX file: a frozen model is what `guise export` writes")
        graphs = 0
        for number, kind, a, b in wire.fields(0, wire.size):
            if number == 7:
                graphs += 1
                _check_wire_type(kind, LENGTH_DELIMITED)
                if not metadata_only:
                    self.read_graph(a, b, 0)
            elif number == 8:
                _check_wire_type(kind, LENGTH_DELIMITED)
                self.read_version(a, b)
            elif number == 14:
                _check_wire_type(kind, LENGTH_DELIMITED)
                start = wire.field_start
                key, value = self.read_text_field(a, b, 1), self.read_text_field(a, b, 2)
                self.found.metadata.append(MetadataEntry(key, value, start, b))
            elif number == 20:
                raise Malformed("holds a training graph: it is not one of ours")
            elif number == 25 and not metadata_only:
                _check_wire_type(kind, LENGTH_DELIMITED)
                self.read_function(a, b)
        if graphs != 1:
            raise Malformed("holds two graphs" if graphs else "holds no graph: it is truncated, or no ONNX model")
        return self.found

    def read_version(self, start: int, end: int) -> None:
        """A domain and the version of its operators that the model is written in."""
        domain, version = "", 0
        for number, kind, a, b in self.wire.fields(start, end):
            if number == 1:
                _check_wire_type(kind, LENGTH_DELIMITED)
                domain = self.wire.text(a, b)
            elif number == 2:
                _check_wire_type(kind, VARINT)
                version = a
        if self.found.versions.setdefault(domain, version) != version:
            raise Malformed("names two versions of one domain: it is not one of ours")
        self.found.domains.add(domain)

    def read_graph(self, start: int, end: int, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise Malformed(f"nests graphs more than {_MAX_DEPTH} deep: it is not one of ours")
        weights: set[str] = set()
        inputs: dict[str, TensorPort] = {}
        for number, kind, a, b in self.wire.fields(start, end):
            if number == 1:
                _check_wire_type(kind, LENGTH_DELIMITED)
                self.read_node(a, b, depth)
            elif number == 5:
                _check_wire_type(kind, LENGTH_DELIMITED)
                name, integers = self.read_tensor(a, b)
                weights.add(name)
                if integers:
                    self.found.integers[name] = integers
            elif number == 15:
                raise _sparse_weights()
            elif number in (11, 12) and depth == 0:
                _check_wire_type(kind, LENGTH_DELIMITED)
                name, port = self.read_value(a, b)
                ports = inputs if number == 11 else self.found.outputs
                if name in ports:
                    raise Malformed("names an input or output twice: it is not one of ours")
                ports[name] = port
        # Old writers list the weights among the inputs, too.
        self.found.inputs.update({name: port for name, port in inputs.items() if name not in weights})

    def read_node(self, start: int, end: int, depth: int) -> None:
        domain = operator = ""
        names: dict[int, list[tuple[int, int]]] = {1: [], 2: []}
        integers: tuple[int, ...] = ()
        for number, kind, a, b in self.wire.fields(start, end):
            if number in names:
                _check_wire_type(kind, LENGTH_DELIMITED)
                names[number].append((a, b))
            elif number == 4:
                _check_wire_type(kind, LENGTH_DELIMITED)
                operator = self.wire.text(a, b)
            elif number == 7:
                _check_wire_type(kind, LENGTH_DELIMITED)
                domain = self.wire.text(a, b)
            elif number == 5:
                _check_wire_type(kind, LENGTH_DELIMITED)
                integers = self.read_attribute(a, b, depth) or integers
        self.found.operators.add((domain, operator))
        if operator == "Constant" and integers:
            for a, b in names[2]:
                self.found.integers[self.wire.text(a, b)] = integers
        elif operator in SIZED_BY:
            self.read_claim(operator, names[1])

    def read_claim(self, operator: str, inputs: list[tuple[int, int]]) -> None:
        wanted = SIZED_BY[operator]
        if max(wanted) < len(inputs):
            self.found.claims.append(Claim(operator, tuple(self.wire.text(*inputs[index]) for index in wanted)))

    def read_attribute(self, start: int, end: int, depth: int) -> tuple[int, ...]:
        """The numbers of a short attribute of int64."""
        integers: list[int] = []
        for number, kind, a, b in self.wire.fields(start, end):
            if number == 5:
                _check_wire_type(kind, LENGTH_DELIMITED)
                integers += self.read_tensor(a, b)[1]
            elif number == 10:
                _check_wire_type(kind, LENGTH_DELIMITED)
                self.read_tensor(a, b)
            elif number in (3, 8):
                integers += self.read_integers(kind, a, b)
            elif number in (6, 11):
                _check_wire_type(kind, LENGTH_DELIMITED)
                self.read_graph(a, b, depth + 1)
            elif number in (22, 23):
                raise _sparse_weights()
        return tuple(integers)

    def read_integers(self, kind: int, a: int, b: int) -> list[int]:
        """Numbers of int64: one, or several in one field; none where there are too many for a shape."""
        if kind == VARINT:
            return [_signed(a)]
        return [] if b - a > 10 * _MAX_INTEGERS else [_signed(value) for value in self.wire.packed_varints(a, b)]

    def read_function(self, start: int, end: int) -> None:
        for number, kind, a, b in self.wire.fields(start, end):
            if number == 7:
                _check_wire_type(kind, LENGTH_DELIMITED)
                self.read_node(a, b, 1)
            elif number == 9:
                _check_wire_type(kind, LENGTH_DELIMITED)
                self.found.domains.add(self.read_text_field(a, b, 1))
            elif number == 10:
                _check_wire_type(kind, LENGTH_DELIMITED)
                self.found.domains.add(self.wire.text(a, b))
            elif number == 11:
                _check_wire_type(kind, LENGTH_DELIMITED)
                self.read_attribute(a, b, 1)

    def read_tensor(self, start: int, end: int) -> tuple[str, tuple[int, ...]]:
        """The name of a tensor, and its numbers where it is a short one of int64. Refuses one that claims more elements
        than its bytes can hold."""
        name, element, external = "", 0, False
        raw: int | None = None
        dims: list[int] = []
        integers: list[int] = []
        for number, kind, a, b in self.wire.fields(start, end):
            if number == 1:
                # [a] or, packed, several in one field; both are allowed for the same field.
                for size in [a] if kind == VARINT else self.wire.packed_varints(a, b):
                    dims.append(size)
                    if len(dims) > _MAX_DIMENSIONS:
                        raise Malformed("holds a tensor of too many dimensions: it is not one of ours")
            elif number == 2:
                _check_wire_type(kind, VARINT)
                element = a
            elif number == 8:
                _check_wire_type(kind, LENGTH_DELIMITED)
                name = self.wire.text(a, b)
            elif number == 9:
                _check_wire_type(kind, LENGTH_DELIMITED)
                raw = b - a
                if raw <= 8 * _MAX_INTEGERS and raw % 8 == 0:
                    integers += integers_of(self.wire.bytes_of(a, b))
            elif number == 7:
                integers += self.read_integers(kind, a, b)
            elif number == 13 or (number == 14 and a != 0):
                external = True
        if external:
            self.found.external.append(name)
        else:
            _check_tensor_size(dims, element, raw, end - start)
        return name, tuple(integers) if element == _INT64 else ()

    def read_value(self, start: int, end: int) -> tuple[str, TensorPort]:
        """Name and port of an input or output of a graph."""
        name, port = "", None
        for number, kind, a, b in self.wire.fields(start, end):
            if number == 1:
                _check_wire_type(kind, LENGTH_DELIMITED)
                name = self.wire.text(a, b)
            elif number == 2:
                _check_wire_type(kind, LENGTH_DELIMITED)
                port = self.read_port(a, b)
        if port is None:
            raise Malformed("has an input or output that is no tensor: it is not one of ours")
        return name, port

    def read_port(self, start: int, end: int) -> TensorPort | None:
        """The tensor type in a TypeProto, None for a sequence or a map."""
        for number, kind, a, b in self.wire.fields(start, end):
            if number != 1:
                continue
            _check_wire_type(kind, LENGTH_DELIMITED)
            element = 0
            shape: list[int | None] = []
            for part, part_kind, c, d in self.wire.fields(a, b):
                if part == 1:
                    _check_wire_type(part_kind, VARINT)
                    element = c
                elif part == 2:
                    _check_wire_type(part_kind, LENGTH_DELIMITED)
                    shape += [
                        self.read_dimension(e, f)
                        for n, k, e, f in self.wire.fields(c, d)
                        if n == 1 and k == LENGTH_DELIMITED
                    ]
            return TensorPort(ELEMENT_TYPES.get(element, f"ONNX type {element}"), tuple(shape))
        return None

    def read_dimension(self, start: int, end: int) -> int | None:
        size = None
        for number, kind, a, _ in self.wire.fields(start, end):
            if number == 1:
                _check_wire_type(kind, VARINT)
                size = a
            elif number == 2:
                size = None
        return size

    def read_text_field(self, start: int, end: int, wanted: int) -> str:
        """The text field `wanted` of the message there, "" when it has none."""
        text = ""
        for number, kind, a, b in self.wire.fields(start, end):
            if number == wanted:
                _check_wire_type(kind, LENGTH_DELIMITED)
                text = self.wire.text(a, b)
        return text


def _signed(value: int) -> int:
    """A varint as the int64 it stands for."""
    return value - 2**64 if value >= 2**63 else value


def _check_wire_type(kind: int, wanted: int) -> None:
    if kind != wanted:
        raise Malformed("is damaged, or not an ONNX file: copy or export it again")


def _check_tensor_size(dims: list[int], element: int, raw: int | None, held: int) -> None:
    """Refuses a tensor that claims more than the `held` bytes of its message; `raw` are those of its raw data."""
    elements = math.prod(dims)
    # The densest element has four bits.
    if elements > 2 * held:
        raise Malformed(f"claims a tensor of {elements} numbers in {held} bytes: it is damaged or forged")
    width = _ELEMENT_BYTES.get(element)
    if raw is not None and width is not None and raw != elements * width:
        raise Malformed(f"claims {elements * width} bytes of weights where it holds {raw}: it is damaged or forged")


def _sparse_weights() -> Malformed:
    # A sparse tensor claims any size in a few bytes, and ONNX Runtime makes it dense when it loads.
    return Malformed("holds sparse weights, which Guise does not read: export it again without")
