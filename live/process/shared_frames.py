"""Newest-wins pictures between processes by shared memory: one writer, some readers, none waits for another.

The operator's process creates the block and unlinks it; an engine attaches to it by a handle and writes. The block is a
ring of a few slots. Each slot has a sequence lock: it is odd while the slot is written, so a reader that was overtaken
notices and reads the newest slot instead. A pipe wakes each reader (wake_up.py). A writer that was killed in the middle
of a picture leaves one odd slot, which the next writer repairs; a reader never returns it.

Each engine that is started is a generation of writers. Only the newest gets in: a writer that stood still, and goes on
after it was replaced, publishes nothing, and readers pass over whatever an earlier one left behind.

The parent's resource tracker removes the block should the parent be killed, or else the next parent does. Whoever
attaches is not noted there: the stage window outlives its parent, and reads the frames of another one later.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from live.process.fork_server import starting_python
from live.process.stage_picture import FrameKind, StagePicture
from live.process.wake_up import WakeReceiver, WakeSender, wake_up_pipe

_HEADER_BYTES = 64
_POINTS = 68
_SLOT_HEAD_BYTES = 704
"""Eight int64, two float64 and 68 float32 pairs, rounded up to 64."""
_TRIES = 64
"""How often a reader tries. It is overtaken when `slots` pictures are written during one copy of a few ms: once is
rare."""

_MAGIC = 0x4755495345
_PREFIX = "guise-"
_FOLDER = "/dev/shm"
"""Where Linux keeps shared memory."""
"""Of a block's name; the process that made it follows."""
_H_MAGIC, _H_NEWEST, _H_GENERATION = range(3)
_LOCK, _SEQUENCE, _INDEX, _KIND, _HEIGHT, _WIDTH, _HAS_POINTS, _GENERATION = range(8)
_CAPTURED, _READY = 0, 1


class Superseded(RuntimeError):
    """Another engine writes in this one's place."""


class PictureTooLarge(ValueError):
    """A picture does not fit into the shared block; the message says how large it may be."""


@dataclass(frozen=True, slots=True)
class SharedPicture(StagePicture):
    """A copy of one picture of the block. `sequence` counts the pictures written, from 1; 0: it was never there."""

    sequence: int = 0


@dataclass(frozen=True, slots=True)
class FramesLayout:
    """Where a block is, and how it is cut: `slots` pictures of `slot_bytes` at most."""

    name: str
    slot_bytes: int
    slots: int


@dataclass(frozen=True, slots=True)
class SharedFramesHandle:
    """What an engine needs to attach. Can be pickled only for a process that is being started."""

    layout: FramesLayout
    wake: tuple[WakeSender, ...]
    generation: int = 0


_barrier = threading.Lock()


def _fence() -> None:
    """Keep a processor that reorders memory accesses (ARM) from moving them across: Python's locks are barriers."""
    with _barrier:
        pass


def _aligned(max_bytes: int) -> int:
    """Rounded up to 64 bytes."""
    return -(-max_bytes // 64) * 64


class SharedFrames:
    """A ring of pictures in shared memory, made by `create` (the parent), `attach` (an engine) or `read_from` (a reader
    in another process)."""

    def __init__(
        self, memory: SharedMemory, layout: FramesLayout, wake: Sequence[WakeSender], receivers: Sequence[WakeReceiver]
    ) -> None:
        self._memory = memory
        self.layout = layout
        self._wake = tuple(wake)
        self._receivers = tuple(receivers)
        self._slot_bytes = layout.slot_bytes
        self._slots = layout.slots
        self._closing = threading.Lock()
        self._closed = False
        self._generation = 0
        self._heads: list[NDArray[np.int64]] = []
        self._times: list[NDArray[np.float64]] = []
        self._points: list[NDArray[np.float32]] = []
        self._pixels: list[NDArray[np.uint8]] = []
        buffer = memory.buf
        assert buffer is not None
        self._header: NDArray[np.int64] = np.frombuffer(buffer, np.int64, 8)
        stride = _SLOT_HEAD_BYTES + _aligned(layout.slot_bytes)
        for slot in range(layout.slots):
            at = _HEADER_BYTES + slot * stride
            self._heads.append(np.frombuffer(buffer, np.int64, 8, at))
            self._times.append(np.frombuffer(buffer, np.float64, 2, at + 64))
            self._points.append(np.frombuffer(buffer, np.float32, _POINTS * 2, at + 80))
            self._pixels.append(np.frombuffer(buffer, np.uint8, layout.slot_bytes, at + _SLOT_HEAD_BYTES))

    @classmethod
    def create(cls, max_bytes: int, slots: int = 4, readers: int = 1) -> SharedFrames:
        """Create the block, in the operator's process. The system allocates its memory only as pictures fill it.

        Args:
            max_bytes: of the largest picture: height x width x 3.
            slots: pictures in the ring; at least 3, so that a reader can copy one while the next is written.
            readers: how many may wait for pictures; each has a number from 0.

        Raises OSError where the system has not so much shared memory: a process that fills what is not there dies.
        """
        if max_bytes < 3 or slots < 3:
            raise ValueError(f"a picture of {max_bytes} bytes in {slots} slots: at least 3 and 3 are needed")
        size = _HEADER_BYTES + slots * (_SLOT_HEAD_BYTES + _aligned(max_bytes))
        _remove_orphans()
        _check_room(size)
        with starting_python():  # the first block starts the resource tracker
            memory = SharedMemory(f"{_PREFIX}{os.getpid()}-{secrets.token_hex(4)}", create=True, size=size)
        pipes = [wake_up_pipe() for _ in range(readers)]
        layout = FramesLayout(memory.name, max_bytes, slots)
        frames = cls(memory, layout, [sender for _, sender in pipes], [receiver for receiver, _ in pipes])
        frames._header[_H_MAGIC] = _MAGIC
        return frames

    @classmethod
    def attach(cls, handle: SharedFramesHandle) -> SharedFrames:
        """Open the block, in an engine. Raises FileNotFoundError when the operator's process has unlinked it,
        ValueError when it is no block of shared frames."""
        frames = cls._open(handle.layout, handle.wake, ())
        frames._generation = handle.generation
        return frames

    @classmethod
    def read_from(cls, layout: FramesLayout, wake_fd: int) -> SharedFrames:
        """Open the block to read, in another process. wake_fd: from `wake_fd`, this process's own copy. Raises as
        `attach`."""
        return cls._open(layout, (), (WakeReceiver(wake_fd),))

    @classmethod
    def _open(cls, layout: FramesLayout, wake: Sequence[WakeSender], receivers: Sequence[WakeReceiver]) -> SharedFrames:
        memory = _open_untracked(layout.name)
        needed = _HEADER_BYTES + layout.slots * (_SLOT_HEAD_BYTES + _aligned(layout.slot_bytes))
        if memory.size < needed or layout.slots < 1 or layout.slot_bytes < 3:
            memory.close()
            raise ValueError(f"{layout.name} is not a block of shared frames")
        frames = cls(memory, layout, wake, receivers)
        if frames._header[_H_MAGIC] != _MAGIC:
            frames.close()
            raise ValueError(f"{layout.name} is not a block of shared frames")
        return frames

    @property
    def handle(self) -> SharedFramesHandle:
        return SharedFramesHandle(self.layout, self._wake, int(self._header[_H_GENERATION]))

    def new_writer(self) -> SharedFramesHandle:
        """What the next engine attaches with: from now on no other's pictures count. In the operator's process."""
        self._header[_H_GENERATION] += 1
        self._generation = int(self._header[_H_GENERATION])  # whoever made the block may write into it at any time
        return self.handle

    def wake_fd(self, reader: int) -> int:
        """The file descriptor that becomes readable when this reader is woken. It stays this object's."""
        return self._receivers[reader].fileno()

    def write(self, shown: StagePicture) -> None:
        """Publish a picture. Only one thread of one process may write; it never waits.

        Raises:
            PictureTooLarge: it does not fit; nothing is published.
            Superseded: another engine writes now; nothing is published.
            ValueError: the picture is not (height, width, 3) uint8, or the points are not (68, 2).
        """
        picture, points = shown.picture, shown.points
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or picture.size == 0:
            raise ValueError(f"not an RGB uint8 picture: {picture.dtype} {picture.shape}")
        if points is not None and points.shape != (_POINTS, 2):
            raise ValueError(f"not {_POINTS} points: {points.shape}")
        height, width = picture.shape[:2]
        if picture.size > self._slot_bytes:
            raise PictureTooLarge(
                f"a picture of {width}x{height} needs {picture.size} bytes, the shared block takes {self._slot_bytes}"
            )
        self._check_generation()
        sequence = int(self._header[_H_NEWEST]) + 1
        slot = sequence % self._slots
        head, times = self._heads[slot], self._times[slot]
        head[_LOCK] = int(head[_LOCK]) + 1 | 1
        _fence()
        head[_SEQUENCE] = sequence
        head[_INDEX] = shown.index
        head[_KIND] = int(shown.kind)
        head[_HEIGHT] = height
        head[_WIDTH] = width
        head[_HAS_POINTS] = points is not None
        head[_GENERATION] = self._generation
        times[_CAPTURED] = shown.captured_at
        times[_READY] = shown.ready_at
        if points is not None:
            self._points[slot][:] = points.ravel()
        np.copyto(self._pixels[slot][: picture.size].reshape(picture.shape), picture)
        _fence()
        head[_LOCK] += 1
        _fence()
        self._check_generation()
        self._header[_H_NEWEST] = sequence
        self.wake()

    def _check_generation(self) -> None:
        if self._generation != int(self._header[_H_GENERATION]):
            raise Superseded("another engine writes the pictures now")

    def wake(self) -> None:
        """Wake every reader without a new picture. Never waits itself."""
        for sender in self._wake:
            sender.wake()

    @property
    def newest_sequence(self) -> int:
        """The sequence number of the newest picture; 0 before the first."""
        return 0 if self._closed else int(self._header[_H_NEWEST])

    def newest(self, after: int = 0) -> SharedPicture | None:
        """A copy of the newest picture, or None when the present engine has written none beyond number `after`.

        May be called from any thread of any process; a copy that the writer overtook is made again.
        """
        for _ in range(_TRIES):
            if self._closed:
                return None
            sequence = int(self._header[_H_NEWEST])
            if sequence <= after:
                return None
            _fence()
            picture = self._copy(sequence)
            if picture is not None:
                return picture
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
        if head[_GENERATION] != self._header[_H_GENERATION]:
            return None
        picture = self._pixels[slot][:size].reshape(height, width, 3).copy()
        points = self._points[slot].reshape(_POINTS, 2).copy() if head[_HAS_POINTS] else None
        index, kind = int(head[_INDEX]), int(head[_KIND])
        captured_at, ready_at = float(times[_CAPTURED]), float(times[_READY])
        _fence()
        if int(head[_LOCK]) != lock:
            return None
        return SharedPicture(picture, FrameKind(kind), captured_at, ready_at, index, points, sequence)

    def wait(self, timeout_s: float, reader: int = 0) -> bool:
        """Wait until a picture is written or `wake` is called; False after `timeout_s`. Only one thread of all
        processes may wait as this reader."""
        return self._receivers[reader].wait(timeout_s)

    @property
    def writers_gone(self) -> bool:
        """`wait` has found that nobody is left who could wake this process."""
        return all(receiver.ended for receiver in self._receivers)

    def close(self) -> None:
        """Unmap the memory and close the pipes. No thread may read or write any more."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            for sender in self._wake:
                sender.close()
            for receiver in self._receivers:
                receiver.close()
            # A mapping cannot be closed while arrays refer to it.
            del self._header, self._heads, self._times, self._points, self._pixels
            with contextlib.suppress(BufferError):  # a reader is copying: the mapping ends with the process
                self._memory.close()

    def __del__(self) -> None:
        if hasattr(self, "_header"):
            self.close()

    def unlink(self) -> None:
        """Remove the block, in the process that created it. Attached processes keep their mapping until they close."""
        with contextlib.suppress(FileNotFoundError), _tracker_left_alone():
            self._memory.unlink()


def _remove_orphans() -> None:
    """Remove the blocks of shows that were killed together with their resource trackers."""
    for block in Path(_FOLDER).glob(f"{_PREFIX}*"):
        pid = block.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdecimal() and not Path("/proc", pid).exists():
            with contextlib.suppress(OSError):  # another user's
                block.unlink()


_registering = threading.Lock()


@contextlib.contextmanager
def _tracker_left_alone() -> Iterator[None]:
    """Tell a resource tracker that was killed nothing: Python would start another, which has never heard of the block
    and says so."""
    tracker: Any = resource_tracker._resource_tracker
    if tracker._fd is None or tracker._check_alive():
        yield
        return
    with _registering:
        unregister = resource_tracker.unregister
        resource_tracker.unregister = _do_not_register
        try:
            yield
        finally:
            resource_tracker.unregister = unregister


def _open_untracked(name: str) -> SharedMemory:
    """Open a block that the resource tracker of whoever made it looks after, and no other."""
    if sys.version_info >= (3, 13):
        return SharedMemory(name=name, track=False)
    with _registering:
        register = resource_tracker.register
        resource_tracker.register = _do_not_register
        try:
            return SharedMemory(name=name)
        finally:
            resource_tracker.register = register


def _do_not_register(*_arguments: object, **_named: object) -> None:
    pass


def _check_room(size: int) -> None:
    """Raises OSError."""
    if sys.platform != "linux":
        return
    room = os.statvfs(_FOLDER)
    if (free := room.f_bavail * room.f_frsize) < size:
        raise OSError(errno.ENOSPC, f"{size / 1e6:.0f} MB are needed, {free / 1e6:.0f} are free", _FOLDER)
