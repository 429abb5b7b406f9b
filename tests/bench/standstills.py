"""When the machine stood still: beside a long performance, to tell its standstills from ours.

    python -m tests.bench.standstills 600

A thread with real-time urgency that does nothing but ask to be woken every 2 ms; what is later than 10 ms is told.
"""

from __future__ import annotations

import os
import sys
import time

EVERY_S, TOLD_S = 0.002, 0.010


def main() -> None:
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except (AttributeError, PermissionError):
        print("no real-time urgency here: other programs count, too")
    began = time.monotonic()
    while (asked := time.monotonic()) - began < float(sys.argv[1]):
        time.sleep(EVERY_S)
        late = time.monotonic() - asked - EVERY_S
        if late > TOLD_S:
            print(f"at {asked - began:.1f} s for {1e3 * late:.1f} ms", flush=True)


if __name__ == "__main__":
    main()
