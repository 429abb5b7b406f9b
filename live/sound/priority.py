"""Scheduling priority for the threads that must not be late, and memory that is not swapped out.

Only the loop and the voice's thread are raised. What they start is not, and one of them that computes without end is
lowered: nothing that a voice does may take a core from the picture.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Literal

if sys.platform == "linux":
    import resource

Priority = Literal["real-time", "raised", "normal"]

ROUND_ROBIN = 10
"""Above all ordinary processes, below what the kernel itself needs."""
RUNAWAY_S = 0.5
_NICE = -11
_RLIMIT_RTTIME = 15
"""Which Python's `resource` does not name."""
_MLOCK_FLAGS = 1 | 2 | 4
"""mlockall's MCL_CURRENT, MCL_FUTURE and MCL_ONFAULT: lock what is touched."""


def prepare_process() -> None:
    """Once in a process that raises threads, in its main thread: lock its memory, and lower all of its threads should
    one of them compute for longer than RUNAWAY_S at real-time priority without ever waiting."""
    if sys.platform != "linux":
        return
    # Memory that was not used for a while must not be read back from a disk. Without permission this does nothing.
    ctypes.CDLL(None, use_errno=True).mlockall(_MLOCK_FLAGS)
    signal.signal(signal.SIGXCPU, lambda *_: _lower_all())  # else it would end the process
    with suppress(OSError, ValueError):
        _, most = resource.getrlimit(_RLIMIT_RTTIME)
        resource.setrlimit(_RLIMIT_RTTIME, (round(RUNAWAY_S * 1e6), most))


def raise_priority() -> Priority:
    """Raise the calling thread, and not those it will start, as far as the system allows.

    Real-time scheduling on Linux needs a permission (an rtprio limit, as audio packages set up, or root). Even threads
    that never sleep would leave 5 % of a core to the others: the kernel sees to that.
    """
    if sys.platform != "linux":
        return "normal"
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(ROUND_ROBIN))
        return "real-time"
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        return "raised"
    return "normal"


def _lower_all() -> None:
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):
            os.sched_setscheduler(int(task.name), os.SCHED_OTHER, os.sched_param(0))


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
