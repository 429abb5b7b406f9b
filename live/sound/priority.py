"""Before the others: a thread that must not be late asks the system to run it first."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

_ROUND_ROBIN = 10
_NICE = -11


def run_first() -> str:
    """Raise the calling thread; "real-time", "raised" or "as any other", by what the system allows.

    Real-time scheduling on Linux wants the right to it (an rtprio limit, as audio packages set up, or root). A thread
    that never sleeps would still leave 5 % of a core to the others: the kernel sees to that.
    """
    if sys.platform != "linux":
        return "as any other"
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(_ROUND_ROBIN))
        return "real-time"
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, _NICE)
        return "raised"
    return "as any other"
