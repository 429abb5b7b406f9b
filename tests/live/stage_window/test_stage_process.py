"""When a stage window that says nothing counts as hung."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from live.stage_window.stage_process import _is_running
from tests.live.stage_window.operator_rig import until


def test_a_window_that_waits_for_a_processor_is_told_from_one_that_is_stopped_or_sleeps() -> None:
    process = subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"])
    try:
        assert until(lambda: _is_running(process.pid), 30.0)
        os.kill(process.pid, signal.SIGSTOP)
        assert until(lambda: not _is_running(process.pid), 30.0)
    finally:
        process.kill()
        process.wait()
    assert not _is_running(process.pid)
    sleeps = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"])
    try:
        time.sleep(0.1)
        assert until(lambda: not _is_running(sleeps.pid), 30.0)
    finally:
        sleeps.kill()
        sleeps.wait()
