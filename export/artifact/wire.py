"""Protobuf's wire format, read through a small window without trusting its lengths; see export.artifact.outline.

Thread: any.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

VARINT, FIXED64, LENGTH_DELIMITED, FIXED32 = 0, 1, 2, 5

_WINDOW_BYTES = 16 * 1024
_MAX_TEXT_BYTES = 1 << 20
_MAX_FIELDS = 500_000  # 5,000 operators have about 100,000; a forged file must not keep the loader busy for minutes.


class Malformed(Exception):
    """The file is not the ONNX it should be; the message ends the sentence "NAME.onnx ..."."""


class WireReader:
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
            if wire == VARINT:
                value, position = self._varint(position, end)
                yield number, wire, value, 0
                continue
            if wire == LENGTH_DELIMITED:
                length, position = self._varint(position, end)
            elif wire in (FIXED64, FIXED32):
                length = 8 if wire == FIXED64 else 4
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
