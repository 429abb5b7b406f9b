"""Operators' processes to kill, stop and hang, and what their audience sees meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil

from tests.live.stage_window.watched_window import SAFE, Look, looks

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_S = 90.0
"""How long a test waits for what must come, on a machine as busy as it may be."""


def until(condition: Callable[[], object], timeout_s: float = PATIENCE_S) -> bool:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())


class OperatorRun:
    """One operator's process (operator_program.py)."""

    def __init__(self, folder: Path, runtime: Path, end_after_s: float) -> None:
        folder.mkdir()
        self.folder, self.runtime = folder, runtime
        self.temporary = runtime.with_name(folder.name[-1])  # beside it: a Unix socket's path may not be long
        self.temporary.mkdir()
        safe = np.full((120, 160, 3), SAFE[::-1], np.uint8)
        (folder / "safe.png").write_bytes(cv2.imencode(".png", safe)[1].tobytes())
        self.log = folder / "output"
        program = "tests.live.stage_window.operator_program"
        environment = dict(os.environ, PYTHONPATH=str(ROOT), TMPDIR=str(self.temporary), GUISE_TRACEBACKS="1")
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", program, str(folder), str(runtime), str(end_after_s)],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )

    @property
    def state(self) -> dict[str, Any]:
        file = self.folder / "state.json"
        state: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
        return state

    @property
    def window(self) -> int:
        """The process of its stage window; 0 before there is one."""
        return int(self.state.get("window") or 0)

    @property
    def faults(self) -> list[tuple[str, float | None]]:
        """What was wrong with its stage window, and after how long it was well again."""
        faults = self.state.get("faults", [])
        return [(what, recovered_after_s) for where, what, recovered_after_s in faults if where == "stage window"]

    def looks(self, after: float = 0.0) -> list[Look]:
        """What was seen on its window after this time."""
        return [look for look in looks(self.runtime, self.window) if look.at > after]

    def sees(self, what: str, after: float = 0.0) -> bool:
        """This was seen on its window after this time."""
        return any(look.seen == what for look in self.looks(after))

    def performs(self, after: float = 0.0) -> bool:
        return until(lambda: self.sees("mark", after))

    def command(self, word: str) -> float:
        """Has it misbehave; returns when it begins to."""
        part = self.folder / "command.part"
        part.write_text(word)
        part.rename(self.folder / "command")
        assert until(lambda: not (self.folder / "command").exists())
        return time.monotonic()

    def signal(self, number: signal.Signals) -> float:
        """Sends the operator's process a signal; returns when."""
        self.process.send_signal(number)
        return time.monotonic()

    def family(self) -> list[psutil.Process]:
        """Its process and all that came from it, as long as it lives."""
        me = psutil.Process(self.process.pid)
        return [me, *me.children(recursive=True)]

    def end(self) -> None:
        """Ends whatever is left of it; what shares its memory ends by itself, and removes it."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()
        for process in self._left():
            if process.pid == self.window:
                process.kill()
        if not until(lambda: not self._left(), 20.0):
            for process in self._left():
                process.kill()

    def _left(self) -> list[psutil.Process]:
        left = []
        for process in psutil.process_iter(["pid"]):
            with suppress(psutil.Error):
                if process.environ().get("TMPDIR") == str(self.temporary) and runs(process):
                    left.append(process)
        return left


def runs(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
