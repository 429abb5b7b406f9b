"""`guise live` as a process of its own, observed from outside: its report, its memory, and what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from calibration.bench.benchmark import NotMeasured
from live.process.frames import now
from live.process.report import Report

GUISE_SCRIPT = Path(__file__).resolve().parents[2] / "guise.py"
SHARED_MEMORY = Path("/dev/shm")
GRACE_S = 60.0
"""Beyond the duration of the performance."""


@dataclass
class StagePerformance:
    """One performance, observed from outside. `started_at` is now() of the command."""

    started_at: float
    report: Report
    pss: list[tuple[float, int]] = field(default_factory=list)
    """(seconds since the command, bytes of all its processes)"""
    stderr: str = ""
    code: int = 0


class StageProcess:
    """Starts `guise live` and samples its memory; leaving the `with` block kills what is left of it."""

    def __init__(self, arguments: Sequence[str], *, sample_s: float | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="guise-bench-")
        folder = Path(self._folder.name)
        self._report = folder / "report.json"
        self._errors = folder / "stderr.txt"
        self.temporary = folder / "tmp"
        """The process's own temporary folder: what is in it afterwards was left behind."""
        self.temporary.mkdir()
        self.pss: list[tuple[float, int]] = []
        self.members: dict[int, float] = {}
        """Every process of the tree that was seen: pid and time of creation."""
        self.started_at = now()
        self.process = self._start(arguments)
        self._stopping = threading.Event()
        self._sampler: threading.Thread | None = None
        if sample_s is not None:
            self._sampler = threading.Thread(target=self._sample, args=(sample_s,), name="memory", daemon=True)
            self._sampler.start()

    def _start(self, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
        environment = os.environ | {"TMPDIR": str(self.temporary)}
        if not has_display():
            environment["QT_QPA_PLATFORM"] = "offscreen"
        with self._errors.open("wb") as errors:
            return subprocess.Popen(
                [sys.executable, str(GUISE_SCRIPT), "live", *arguments, "--report", str(self._report)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env=environment,
                start_new_session=True,
            )

    def __enter__(self) -> StageProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        if self._sampler is not None:
            self._sampler.join()
        for process in [*self.running_members(), self.process]:
            with suppress(psutil.Error, OSError):
                process.kill()
        self.process.wait()
        self._folder.cleanup()

    def wait_for_report(self, timeout_s: float) -> StagePerformance:
        """Waits for the end and reads the report. Raises NotMeasured with the last line of its errors when it
        failed."""
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise NotMeasured(f"`guise live` did not end within {timeout_s:.0f} s; {self.last_error_line()}") from None
        finally:
            self._stopping.set()
        if code != 0:
            raise NotMeasured(f"`guise live` ended with code {code}: {self.last_error_line()}")
        try:
            report: Report = json.loads(self._report.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise NotMeasured(f"`guise live` wrote no report: {error}") from error
        return StagePerformance(self.started_at, report, list(self.pss), self.last_error_line(), code)

    def last_error_line(self) -> str:
        """The last line it wrote on standard error."""
        text = self._errors.read_text("utf-8", "replace").strip()
        return text.splitlines()[-1] if text else "it said nothing"

    def interrupt(self) -> None:
        """Ctrl-C, as a terminal sends it: to the whole process group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def find_tree(self) -> list[psutil.Process]:
        """The process and all its children, as of now."""
        try:
            parent = psutil.Process(self.process.pid)
            found = [parent, *parent.children(recursive=True)]
        except psutil.Error:
            return []
        for process in found:
            try:
                self.members[process.pid] = process.create_time()
            except psutil.Error:
                continue
        return found

    def running_members(self) -> list[psutil.Process]:
        """All members of the tree seen so far that still run."""
        alive = []
        for pid, created in self.members.items():
            try:
                process = psutil.Process(pid)
                if process.create_time() == created and process.status() != psutil.STATUS_ZOMBIE:
                    alive.append(process)
            except psutil.Error:
                continue
        return alive

    def _sample(self, every_s: float) -> None:
        due = time.monotonic()
        while not self._stopping.is_set():
            total = sum(map(_pss, self.find_tree()))
            if total:
                self.pss.append((now() - self.started_at, total))
            due = max(due + every_s, time.monotonic())
            self._stopping.wait(due - time.monotonic())


def run_stage(arguments: Sequence[str], seconds: float, *, sample_s: float | None = None) -> StagePerformance:
    """`guise live ARGUMENTS --seconds ...` from start to end."""
    with StageProcess([*arguments, "--seconds", f"{seconds:g}"], sample_s=sample_s) as run:
        return run.wait_for_report(seconds + GRACE_S)


def has_display() -> bool:
    """Whether there is a screen to open a window on."""
    if sys.platform.startswith("linux"):
        return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return True


def shared_memory_names() -> set[str]:
    """Names of the shared memory blocks of this machine (Linux); elsewhere they cannot be listed."""
    return {entry.name for entry in SHARED_MEMORY.iterdir()} if SHARED_MEMORY.is_dir() else set()


def demo_look() -> Path | None:
    """A look of the demo, the first by name."""
    looks = sorted((GUISE_SCRIPT.parent / "live" / "demo").rglob("*.onnx"))
    return looks[0] if looks else None


def _pss(process: psutil.Process) -> int:
    """Its proportional share of shared memory, and all of its own; where PSS is not known, its own alone."""
    try:
        memory = process.memory_full_info()
    except psutil.Error:
        return 0
    return int(getattr(memory, "pss", 0) or getattr(memory, "uss", memory.rss))
