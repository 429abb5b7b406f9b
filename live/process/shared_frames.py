"""Newest-wins pictures between processes: one writer, one reader, nobody waits for the other.

The StageManager's process creates the block and unlinks it; an engine attaches to it by a handle and writes.
A few slots lie in a ring. Each carries a sequence lock: odd while it is written, so a reader that was
overtaken sees it and takes the newest one instead. A semaphore that never counts beyond one wakes the reader.
A writer that was killed in the middle of a picture leaves one odd slot, which the next writer repairs; a
reader never sees it.

All processes are children of one parent and share its resource tracker, which removes the block should the
parent be killed.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from dataclasses import dataclass
from enum import IntEnum
from multiprocessing.shared_memory import SharedMemory
from multiprocessing.synchronize import Semaphore
from typing import Any

import numpy as np
from numpy.typing import NDArray

from live.process.fork_server import engine_context
from models.features.types import Picture, Points

_HEADER_BYTES = 64
_POINTS = 68
_SLOT_HEAD_BYTES = 704
"""Eight int64, two float64 and 68 float32 pairs, rounded up to 64."""
_TRIES = 64
"""A reader is overtaken when `slots` pictures are written during one copy of a few ms: once is rare."""

_MAGIC = 0x4755495345
_H_MAGIC, _H_NEWEST = 0, 1
_LOCK, _SEQUENCE, _INDEX, _KIND, _HEIGHT, _WIDTH, _HAS_POINTS = range(7)
_CAPTURED, _READY = 0, 1


class PictureTooLarge(ValueError):
    """A picture does not fit the shared block; the message says how large one may be."""


class FrameKind(IntEnum):
    """What a shared picture is."""

    GENERATED = 0
    HELD = 1
    """The face is lost: the last generated picture once more."""
    SAFE = 2
    BYPASS = 3
    PREVIEW = 4


@dataclass(frozen=True)
class SharedPicture:
    """One picture read from the block: a copy of its own. `sequence` counts what was written, from 1."""

    picture: Picture
    sequence: int
    index: int
    captured_at: float
    ready_at: float
    kind: FrameKind
    points: Points | None


@dataclass(frozen=True)
class SharedFramesHandle:
    """What an engine needs to attach. Can be pickled only into a process that is being started."""

    name: str
    slot_bytes: int
    slots: int
    semaphore: Semaphore


_barrier = threading.Lock()


def _fence() -> None:
    """Keep a processor that reorders memory accesses (ARM) from moving them across this line.

    Python has no memory barrier of its own; taking and giving back a lock is one.
    """
    with _barrier:
        pass


def _room_for(max_bytes: int) -> int:
    return -(-max_bytes // 64) * 64


class SharedFrames:
    """A ring of pictures in shared memory. Make one by `create` (parent) or `attach` (engine)."""

    def __init__(self, memory: SharedMemory, slot_bytes: int, slots: int, semaphore: Semaphore) -> None:
        self._memory = memory
        self._semaphore = semaphore
        self._slot_bytes = slot_bytes
        self._slots = slots
        self._closing = threading.Lock()
        self._closed = False
        self._heads: list[NDArray[np.int64]] = []
        self._times: list[NDArray[np.float64]] = []
        self._points: list[NDArray[np.float32]] = []
        self._pixels: list[NDArray[np.uint8]] = []
        buffer = memory.buf
        assert buffer is not None
        self._header: NDArray[np.int64] = np.frombuffer(buffer, np.int64, 8)
        stride = _SLOT_HEAD_BYTES + _room_for(slot_bytes)
        for slot in range(slots):
            at = _HEADER_BYTES + slot * stride
            self._heads.append(np.frombuffer(buffer, np.int64, 8, at))
            self._times.append(np.frombuffer(buffer, np.float64, 2, at + 64))
            self._points.append(np.frombuffer(buffer, np.float32, _POINTS * 2, at + 80))
            self._pixels.append(np.frombuffer(buffer, np.uint8, slot_bytes, at + _SLOT_HEAD_BYTES))

    @classmethod
    def create(cls, max_bytes: int, slots: int = 4) -> SharedFrames:
        """Make the block in the StageManager's process. Memory is taken only as pictures fill it.

        Args:
            max_bytes: the largest picture: height x width x 3.
            slots: pictures in the ring; at least 3, so that a reader copies one while the next is written.
        """
        if max_bytes < 3 or slots < 3:
            raise ValueError(f"a picture of {max_bytes} bytes in {slots} slots: at least 3 and 3 are needed")
        size = _HEADER_BYTES + slots * (_SLOT_HEAD_BYTES + _room_for(max_bytes))
        memory = SharedMemory(create=True, size=size)
        frames = cls(memory, max_bytes, slots, engine_context().Semaphore(0))
        frames._header[_H_MAGIC] = _MAGIC
        return frames

    @classmethod
    def attach(cls, handle: SharedFramesHandle) -> SharedFrames:
        """Open the block in an engine. Raises FileNotFoundError when the StageManager has unlinked it."""
        memory = _open_untracked(handle.name) if sys.version_info >= (3, 13) else SharedMemory(name=handle.name)
        frames = cls(memory, handle.slot_bytes, handle.slots, handle.semaphore)
        if frames._header[_H_MAGIC] != _MAGIC:
            frames.close()
            raise ValueError(f"{handle.name} is not a block of shared frames")
        return frames

    @property
    def handle(self) -> SharedFramesHandle:
        return SharedFramesHandle(self._memory.name, self._slot_bytes, self._slots, self._semaphore)

    def write(
        self,
        picture: Picture,
        *,
        captured_at: float,
        ready_at: float,
        index: int,
        kind: FrameKind,
        points: Points | None = None,
    ) -> None:
        """Publish a picture. One thread of one process may write; it never waits.

        Raises:
            PictureTooLarge: it does not fit; nothing was published.
            ValueError: not (height, width, 3) uint8, or points that are not (68, 2).
        """
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or picture.size == 0:
            raise ValueError(f"not an RGB uint8 picture: {picture.dtype} {picture.shape}")
        if points is not None and points.shape != (_POINTS, 2):
            raise ValueError(f"not {_POINTS} points: {points.shape}")
        height, width = picture.shape[:2]
        if picture.size > self._slot_bytes:
            raise PictureTooLarge(
                f"a picture of {width}x{height} needs {picture.size} bytes, the shared block takes {self._slot_bytes}"
            )
        sequence = int(self._header[_H_NEWEST]) + 1
        slot = sequence % self._slots
        head, times = self._heads[slot], self._times[slot]
        head[_LOCK] = int(head[_LOCK]) + 1 | 1
        _fence()
        head[_SEQUENCE] = sequence
        head[_INDEX] = index
        head[_KIND] = int(kind)
        head[_HEIGHT] = height
        head[_WIDTH] = width
        head[_HAS_POINTS] = points is not None
        times[_CAPTURED] = captured_at
        times[_READY] = ready_at
        if points is not None:
            self._points[slot][:] = points.ravel()
        np.copyto(self._pixels[slot][: picture.size].reshape(picture.shape), picture)
        _fence()
        head[_LOCK] += 1
        _fence()
        self._header[_H_NEWEST] = sequence
        self.wake()

    def wake(self) -> None:
        """Wake the one who waits, without a new picture. Never waits itself."""
        # Taken first, so that it never counts beyond one while nobody reads.
        self._semaphore.acquire(block=False)
        self._semaphore.release()

    def newest(self, after: int = 0) -> SharedPicture | None:
        """The newest picture as a copy, or None when nothing beyond sequence number `after` was written.

        Any thread of any process; a copy that was overtaken by the writer is taken again.
        """
        for _ in range(_TRIES):
            if self._closed:
                return None
            sequence = int(self._header[_H_NEWEST])
            if sequence <= after:
                return None
            _fence()
            found = self._copy(sequence)
            if found is not None:
                return found
        return None

    def _copy(self, sequence: int) -> SharedPicture | None:
        slot = sequence % self._slots
        head, times = self._heads[slot], self._times[slot]
        lock = int(head[_LOCK])
        if lock % 2:
            return None
        _fence()
        height, width = int(head[_HEIGHT]), int(head[_WIDTH])
        size = height * width * 3
        if int(head[_SEQUENCE]) != sequence or not 0 < size <= self._slot_bytes:
            return None
        picture = self._pixels[slot][:size].reshape(height, width, 3).copy()
        points = self._points[slot].reshape(_POINTS, 2).copy() if head[_HAS_POINTS] else None
        index, kind = int(head[_INDEX]), int(head[_KIND])
        captured_at, ready_at = float(times[_CAPTURED]), float(times[_READY])
        _fence()
        if int(head[_LOCK]) != lock:
            return None
        return SharedPicture(picture, sequence, index, captured_at, ready_at, FrameKind(kind), points)

    def wait(self, timeout_s: float) -> bool:
        """Wait until something is announced; True when it was. One thread in all may wait, else they steal
        wake-ups."""
        return self._semaphore.acquire(timeout=max(timeout_s, 0.0))

    def close(self) -> None:
        """Let go of the memory. No thread may read or write any more."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            # A mapping cannot be closed while arrays still look into it.
            del self._header, self._heads, self._times, self._points, self._pixels
            with contextlib.suppress(BufferError):  # a reader is within a copy: the mapping goes with the process
                self._memory.close()

    def __del__(self) -> None:
        if hasattr(self, "_header"):
            self.close()

    def unlink(self) -> None:
        """Remove the block (the process that created it). Those attached keep theirs until they close."""
        with contextlib.suppress(FileNotFoundError):
            self._memory.unlink()


def _open_untracked(name: str) -> SharedMemory:
    """From Python 3.13 on an engine need not tell the resource tracker: the parent has."""
    options: dict[str, Any] = {"track": False}
    return SharedMemory(name=name, **options)
