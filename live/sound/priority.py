"""Before the others: a process that must not be late asks the system to run it first, and to leave its memory where
it is.

All of its threads: one that is put aside while it holds Python's lock would keep the one that is urgent waiting.
"""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress
from pathlib import Path

ROUND_ROBIN = 10
"""Above everything ordinary, below what the kernel itself needs."""
_NICE = -11
_LOCK_WHAT_IS_TOUCHED = 1 | 2 | 4
"""mlockall's MCL_CURRENT, MCL_FUTURE and MCL_ONFAULT."""


def raise_priority() -> str:
    """Raise every thread of this process, and those it will start; "real-time", "raised" or "as any other", by what
    the system allows.

    Real-time scheduling on Linux wants the right to it (an rtprio limit, as audio packages set up, or root). Even
    threads that never sleep would leave 5 % of a core to the others: the kernel sees to that.
    """
    if sys.platform != "linux":
        return "as any other"
    # What was not used for a while must not have to be read from a disk. Without the right to it nothing is lost.
    ctypes.CDLL(None, use_errno=True).mlockall(_LOCK_WHAT_IS_TOUCHED)
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
    return "as any other"


def reset_priority(pid: int) -> None:
    """Have a process that was started just now run as any other: it has inherited the urgency of who started it.

    Said of it afterwards, and not by lowering the thread that starts it: starting a process holds Python's lock, and
    on a busy machine whoever is urgent would wait with it.
    """
    if sys.platform != "linux":
        return
    with suppress(ProcessLookupError):  # it may be over already
        os.sched_setscheduler(pid, os.SCHED_OTHER, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, pid, max(os.getpriority(os.PRIO_PROCESS, pid), 0))
