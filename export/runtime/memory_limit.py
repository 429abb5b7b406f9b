"""Models are held to a memory: what a file of that size may need, and no more.

Linux alone keeps such a limit (RLIMIT_DATA counts what a process may write to, and asking for more fails at once,
before the machine runs out and the kernel chooses whom to kill); CUDA's drivers map far more than they use, so a
machine with a GPU has none. What a model took is measured everywhere. Thread: any.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

SMALL_BYTES = 500_000_000
BYTES_PER_FILE_BYTE = 8
"""fp16 weights take twice their size, once in their order and once as the processor multiplies them; then activations.
The demo's look takes 6.4 in all."""
_GPU_DEVICES = ("/dev/nvidiactl", "/dev/dxg")
"""What NVIDIA's driver makes, on Linux and within Windows."""
RUN_BYTES = 2_000_000_000
"""What everything together may grow by between two loads in a process that performs."""


class TooMuchMemory(RuntimeError):
    """A model needs more memory than its file's size explains; the message is one line."""


class _Hold:
    """The limit of this process. Loads may overlap: the largest that one of them needs holds for all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loads = 0
        self._allowed = 0
        self.performing = False

    def begin(self, extra_bytes: int) -> None:
        with self._lock:
            self._loads += 1
            wanted = _data_bytes() + extra_bytes
            self._allowed = wanted if self._loads == 1 else max(self._allowed, wanted)
            _limit_data(self._allowed)

    def end(self) -> None:
        with self._lock:
            self._loads -= 1
            if self._loads == 0:
                _limit_data(_data_bytes() + RUN_BYTES if self.performing else None)


_HOLD = _Hold()


def allowed_bytes(path: Path) -> int:
    """What the model in the file at `path` may add to the memory of its process."""
    return SMALL_BYTES + BYTES_PER_FILE_BYTE * path.stat().st_size


def memory_bytes() -> int:
    """What this process has in memory now."""
    return int(psutil.Process().memory_info().rss)


@contextmanager
def limited_memory(extra_bytes: int) -> Iterator[None]:
    """Within it, this process gets no more than `extra_bytes` beyond what it has now: what asks for more fails."""
    if sys.platform != "linux" or any(map(os.path.exists, _GPU_DEVICES)):
        yield
        return
    _HOLD.begin(extra_bytes)
    try:
        yield
    finally:
        _HOLD.end()


def limit_memory_of_runs() -> None:
    """From the next load on, this process may grow by RUN_BYTES until another: a model that needs gigabytes only when
    it sees something fails alone. For processes that perform and do nothing else."""
    _HOLD.performing = True


def needs_memory(error: BaseException) -> bool:
    """Whether it stands for memory that was not to be had."""
    text = str(error)
    return isinstance(error, MemoryError) or any(
        word in text for word in ("bad_alloc", "BFCArena", "allocate memory", "bad allocation")
    )


def _data_bytes() -> int:
    """What the kernel holds against RLIMIT_DATA."""
    # In pages: size, resident, shared, text, lib, data, dt; data and stack are one there.
    pages = Path("/proc/self/statm").read_text().split()[5]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _limit_data(limit: int | None) -> None:
    """None: as much as the administrator allows."""
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    soft = most if limit is None else limit if most == resource.RLIM_INFINITY else min(limit, most)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, most))
