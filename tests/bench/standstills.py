"""When the machine stood still: run beside a long performance, to tell its standstills from ours.

    python -m tests.bench.standstills 600

A thread with real-time priority that only asks to be woken every 2 ms; a delay of more than 10 ms is printed.
"""

from __future__ import annotations

import argparse
import os
import time

EVERY_S, REPORTED_S = 0.002, 0.010


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.standstills", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("seconds", type=float, help="how long to watch")
    watched_s = parser.parse_args().seconds
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except (AttributeError, PermissionError):
        print("no real-time urgency here: other programs count, too")
    started = time.monotonic()
    while (slept_at := time.monotonic()) - started < watched_s:
        time.sleep(EVERY_S)
        late = time.monotonic() - slept_at - EVERY_S
        if late > REPORTED_S:
            print(f"at {slept_at - started:.1f} s for {1e3 * late:.1f} ms", flush=True)


if __name__ == "__main__":
    main()
