"""Scheduling priority for a process that must not be late, and memory that is not swapped out.

It is raised for all of a process's threads: a thread that is preempted while it holds Python's lock would keep the
urgent one waiting.
"""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Literal

Priority = Literal["real-time", "raised", "normal"]

ROUND_ROBIN = 10
"""Above all ordinary processes, below what the kernel itself needs."""
_NICE = -11
_MLOCK_FLAGS = 1 | 2 | 4
"""mlockall's MCL_CURRENT, MCL_FUTURE and MCL_ONFAULT: lock what is touched."""


def raise_priority() -> Priority:
    """Raise every thread of this process, and those it will start, as far as the system allows.

    Real-time scheduling on Linux needs a permission (an rtprio limit, as audio packages set up, or root). Even threads
    that never sleep would leave 5 % of a core to the others: the kernel sees to that.
    """
    if sys.platform != "linux":
        return "normal"
    # Memory that was not used for a while must not be read back from a disk. Without permission this does nothing.
    ctypes.CDLL(None, use_errno=True).mlockall(_MLOCK_FLAGS)
    threads = [int(task.name) for task in Path("/proc/self/task").iterdir()]
    with suppress(OSError):
        for thread in threads:
            with suppress(ProcessLookupError):
                os.sched_setscheduler(thread, os.SCHED_RR, os.sched_param(ROUND_ROBIN))
        return "real-time"
    with suppress(OSError):
        for thread in threads:
            with suppress(ProcessLookupError):
                os.setpriority(os.PRIO_PROCESS, thread, _NICE)
        return "raised"
    return "normal"


def reset_priority(pid: int) -> None:
    """Give a process that was just started the ordinary priority: it has inherited that of the thread that started it.

    This is done afterwards, and not by lowering the starting thread: starting a process holds Python's lock, and on a
    busy machine the urgent threads would wait with it.
    """
    if sys.platform != "linux":
        return
    with suppress(ProcessLookupError):  # it may have ended already
        os.sched_setscheduler(pid, os.SCHED_OTHER, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, pid, max(os.getpriority(os.PRIO_PROCESS, pid), 0))
