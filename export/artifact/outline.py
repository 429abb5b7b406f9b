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
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

MAX_FILE_BYTES = 2**31 - 1
"""The limit of protobuf, and so of ONNX without external data."""

_WINDOW_BYTES = 16 * 1024
_MAX_TEXT_BYTES = 1 << 20
_MAX_DEPTH = 16
_MAX_FIELDS = 500_000  # 5,000 operators have about 100,000; a forged file must not keep the loader busy for minutes.
_MAX_DIMENSIONS = 32

_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5

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


class Malformed(Exception):
    """The file is not the ONNX it should be; the message ends the sentence "NAME.onnx ..."."""


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
        return _OutlineReader(_WireReader(descriptor, size)).read_model(metadata_only)
    finally:
        os.close(descriptor)


class _WireReader:
    """Protobuf's wire format over an open file: every length is compared with the end of the enclosing message."""

    def __init__(self, descriptor: int, size: int) -> None:
        self.size = size
        self.field_start = 0
        """Where the field begins that `fields` came to last, its number and length included."""
        self._descriptor = descriptor
        self._start = 0
        self._window = b""
        self._fields = 0

    def byte(self, position: int) -> int:
        """The byte at `position`."""
        offset = position - self._start
        if not 0 <= offset < len(self._window):
            self._window = self._read(position, min(_WINDOW_BYTES, self.size - position))
            self._start, offset = position, 0
        return self._window[offset]

    def bytes_of(self, start: int, end: int) -> bytes:
        """The bytes from `start` to `end`; refuses more than a text may have."""
        if end - start > _MAX_TEXT_BYTES:
            raise Malformed(f"claims a text of {end - start} bytes: it is damaged, or not one of ours")
        offset = start - self._start
        if offset >= 0 and end - self._start <= len(self._window):
            return self._window[offset : end - self._start]
        return self._read(start, end - start)

    def text(self, start: int, end: int) -> str:
        """The UTF-8 text from `start` to `end`."""
        try:
            return self.bytes_of(start, end).decode()
        except UnicodeDecodeError:
            raise Malformed("is damaged: a name in it is no text; copy or export it again") from None

    def fields(self, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """(number, wire type, a, b) of each field: `a` is the value of a number; of any other field, `a` to `b` is its
        place in the file."""
        position = start
        while position < end:
            self._fields += 1
            if self._fields > _MAX_FIELDS:
                raise Malformed(f"has more than {_MAX_FIELDS} parts: it is not one of ours")
            self.field_start = position
            key, position = self._varint(position, end)
            number, wire = key >> 3, key & 7
            if wire == _VARINT:
                value, position = self._varint(position, end)
                yield number, wire, value, 0
                continue
            if wire == _LENGTH_DELIMITED:
                length, position = self._varint(position, end)
            elif wire in (_FIXED64, _FIXED32):
                length = 8 if wire == _FIXED64 else 4
            else:
                raise self._damaged(position)
            if length > end - position:
                raise self._too_long(position, length, end)
            yield number, wire, position, position + length
            position += length

    def packed_varints(self, start: int, end: int) -> Iterator[int]:
        """The numbers of a packed field."""
        position = start
        while position < end:
            value, position = self._varint(position, end)
            yield value

    def _varint(self, position: int, end: int) -> tuple[int, int]:
        value = shift = 0
        while position < end and shift < 70:
            byte = self.byte(position)
            position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & (2**64 - 1), position
            shift += 7
        raise self._damaged(position)

    def _read(self, start: int, length: int) -> bytes:
        os.lseek(self._descriptor, start, os.SEEK_SET)
        read = os.read(self._descriptor, length)
        if len(read) < length:
            raise Malformed("became shorter while it was read: wait until it is copied")
        return read

    def _damaged(self, position: int) -> Malformed:
        if position >= self.size:
            return Malformed("is truncated: copy or export it again")
        return Malformed("is damaged, or not an ONNX file: copy or export it again")

    def _too_long(self, position: int, length: int, end: int) -> Malformed:
        if end < self.size:
            return self._damaged(position)
        missing = position + length - end
        return Malformed(f"is truncated ({missing} of the bytes it claims are missing): copy or export it again")


class _OutlineReader:
    """Reads the messages of onnx.proto3 that an outline needs; every other field is skipped."""

    def __init__(self, wire: _WireReader) -> None:
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
                _check_wire_type(kind, _LENGTH_DELIMITED)
                if not metadata_only:
                    self.read_graph(a, b, 0)
            elif number == 8:
                _check_wire_type(kind, _LENGTH_DELIMITED)
                self.found.domains.add(self.read_text_field(a, b, 1))
            elif number == 14:
                _check_wire_type(kind, _LENGTH_DELIMITED)
                start = wire.field_start
                key, value = self.read_text_field(a, b, 1), self.read_text_field(a, b, 2)
                self.found.metadata.append(MetadataEntry(key, value, start, b))
            elif number == 20:
                raise Malformed("holds a training graph: it is not one of ours")
            elif number == 25 and not metadata_only:
                _check_wire_type(kind, _LENGTH_DELIMITED)
                self.read_function(a, b)
        if graphs != 1:
            raise Malformed("holds two graphs" if graphs else "holds no graph: it is truncated, or no ONNX model")
        return self.found

    def read_graph(self, start: int, end: int, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise Malformed(f"nests graphs more than {_MAX_DEPTH} deep: it is not one of ours")
        weights: set[str] = set()
        inputs: dict[str, TensorPort] = {}
        for number, kind, a, b in self.wire.fields(start, end):
            if number == 1:
                _check_wire_type(kind, _LENGTH_DELIMITED)
                self.read_node(a, b, depth)
            elif number == 5:
                _check_wire_type(kind, _LENGTH_DELIMITED)
                weights.add(self.read_tensor(a, b))
            elif number == 15:
                raise _sparse_weights()
            elif number in (11, 12) and depth == 0:
                _check_wire_type(kind, _LENGTH_DELIMITED)
                name, port = self.read_value(a, b)
                ports = inputs if number == 11 else self.found.outputs
                if name in ports:
                    raise Malformed("names an input or output twice: it is not one of ours")
                ports[name] = port
        # Old writers list the weights among the inputs, too.
        self.found.inputs.update({name: port for name, port in inputs.items() if name not in weights})

    def read_node(self, start: int, end: int, depth: int) -> None:
        domain = operator = ""
        for number, kind, a, b in self.wire.fields(start, end):
            if number == 4:
                _check_wire_type(kind, _LENGTH_DELIMITED)
                operator = self.wire.text(a, b)
            elif number == 7:
                _check_wire_type(kind, _LENGTH_DELIMITED)
                domain = self.wire.text(a, b)
            elif number == 5:
                _check_wire_type(kind, _LENGTH_DELIMITED)
                self.read_attribute(a, b, depth)
        self.found.operators.add((domain, operator))

    def read_attribute(self, start: int, end: int, depth: int) -> None:
        for number, kind, a, b in self.wire.fields(start, end):
            if number in (5, 10):
                _check_wire_type(kind, _LENGTH_DELIMITED)
                self.read_tensor(a, b)
            elif number in (6, 11):
                _check_wire_type(kind, _LENGTH_DELIMITED)
                self.read_graph(a, b, depth + 1)
            elif number in (22, 23):
                raise _sparse_weights()

    def read_function(self, start: int, end: int) -> None:
        for number, kind, a, b in self.wire.fields(start, end):
            if number == 7:
                _check_wire_type(kind, _LENGTH_DELIMITED)
                self.read_node(a, b, 1)
            elif number == 9:
                _check_wire_type(kind, _LENGTH_DELIMITED)
                self.found.domains.add(self.read_text_field(a, b, 1))
            elif number == 10:
                _check_wire_type(kind, _LENGTH_DELIMITED)
                self.found.domains.add(self.wire.text(a, b))
            elif number == 11:
                _check_wire_type(kind, _LENGTH_DELIMITED)
                self.read_attribute(a, b, 1)

    def read_tensor(self, start: int, end: int) -> str:
        """The name of a tensor. Refuses one that claims more elements than its bytes can hold."""
        name, element, external = "", 0, False
        raw: int | None = None
        dims: list[int] = []
        for number, kind, a, b in self.wire.fields(start, end):
            if number == 1:
                # [a] or, packed, several in one field; both are allowed for the same field.
                for size in [a] if kind == _VARINT else self.wire.packed_varints(a, b):
                    dims.append(size)
                    if len(dims) > _MAX_DIMENSIONS:
                        raise Malformed("holds a tensor of too many dimensions: it is not one of ours")
            elif number == 2:
                _check_wire_type(kind, _VARINT)
                element = a
            elif number == 8:
                _check_wire_type(kind, _LENGTH_DELIMITED)
                name = self.wire.text(a, b)
            elif number == 9:
                _check_wire_type(kind, _LENGTH_DELIMITED)
                raw = b - a
            elif number == 13 or (number == 14 and a != 0):
                external = True
        if external:
            self.found.external.append(name)
        else:
            _check_tensor_size(dims, element, raw, end - start)
        return name

    def read_value(self, start: int, end: int) -> tuple[str, TensorPort]:
        """Name and port of an input or output of a graph."""
        name, port = "", None
        for number, kind, a, b in self.wire.fields(start, end):
            if number == 1:
                _check_wire_type(kind, _LENGTH_DELIMITED)
                name = self.wire.text(a, b)
            elif number == 2:
                _check_wire_type(kind, _LENGTH_DELIMITED)
                port = self.read_port(a, b)
        if port is None:
            raise Malformed("has an input or output that is no tensor: it is not one of ours")
        return name, port

    def read_port(self, start: int, end: int) -> TensorPort | None:
        """The tensor type in a TypeProto, None for a sequence or a map."""
        for number, kind, a, b in self.wire.fields(start, end):
            if number != 1:
                continue
            _check_wire_type(kind, _LENGTH_DELIMITED)
            element = 0
            shape: list[int | None] = []
            for part, part_kind, c, d in self.wire.fields(a, b):
                if part == 1:
                    _check_wire_type(part_kind, _VARINT)
                    element = c
                elif part == 2:
                    _check_wire_type(part_kind, _LENGTH_DELIMITED)
                    shape += [
                        self.read_dimension(e, f)
                        for n, k, e, f in self.wire.fields(c, d)
                        if n == 1 and k == _LENGTH_DELIMITED
                    ]
            return TensorPort(ELEMENT_TYPES.get(element, f"ONNX type {element}"), tuple(shape))
        return None

    def read_dimension(self, start: int, end: int) -> int | None:
        size = None
        for number, kind, a, _ in self.wire.fields(start, end):
            if number == 1:
                _check_wire_type(kind, _VARINT)
                size = a
            elif number == 2:
                size = None
        return size

    def read_text_field(self, start: int, end: int, wanted: int) -> str:
        """The text field `wanted` of the message there, "" when it has none."""
        text = ""
        for number, kind, a, b in self.wire.fields(start, end):
            if number == wanted:
                _check_wire_type(kind, _LENGTH_DELIMITED)
                text = self.wire.text(a, b)
        return text


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
