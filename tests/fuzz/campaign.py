"""Hands random items to worker processes, and watches time and memory."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.bench.structure import ROOT

MAX_ITEM_S = 10.0
MAX_RSS_MB = 1500
_START_S = 30.0
"""How long a worker may take to import on a busy machine."""


@dataclass
class Result:
    """outcomes: how often each came, by its first word. findings: what must not be, each with its item's number."""

    outcomes: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    slowest_s: float = 0.0

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {outcome}" for outcome, count in self.outcomes.most_common())
        return f"{counts}; the slowest took {self.slowest_s:.2f} s"


def run_campaign(
    entry: str, seed: int, count: int, folder: Path, max_item_s: float = MAX_ITEM_S, enough: int = 20
) -> Result:
    """Has `count` items handled by `entry` ("module:function"), by one process after another; ends after `enough`
    findings."""
    result = Result()
    first = 0
    while first < count and len(result.findings) < enough:
        first = _run_worker(entry, seed, first, count, folder, max_item_s, result)
    return result


def _run_worker(entry: str, seed: int, first: int, end: int, folder: Path, max_item_s: float, result: Result) -> int:
    """Returns the number of the item to go on with."""
    command = [sys.executable, "-P", "-m", "tests.fuzz.worker", entry, str(seed), str(first), str(end), str(folder)]
    where = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=where) as process:
        assert process.stdout is not None
        lines: queue.Queue[str] = queue.Queue()
        reader = threading.Thread(target=lambda: [lines.put(line) for line in process.stdout or ()])
        reader.start()
        patience_s = _START_S + max_item_s
        while first < end:
            began = time.monotonic()
            line = _wait_for_line(lines, process, began + patience_s)
            if line is None:
                result.findings.append(f"{entry} {seed} {first}: {_end_of(process, time.monotonic() - began)}")
                first += 1
                break
            said = json.loads(line)
            if patience_s == max_item_s:
                result.slowest_s = max(result.slowest_s, time.monotonic() - began)
            patience_s = max_item_s
            first += 1
            if said["finding"]:
                result.findings.append(f"{entry} {seed} {said['index']}: {said['finding']}")
                break
            result.outcomes[said["outcome"]] += 1
            if said["peak_mb"] > MAX_RSS_MB:
                result.findings.append(f"{entry} {seed} {said['index']}: took {said['peak_mb']} MB")
                break
        process.kill()
        process.wait()
        reader.join()
    return first


def _wait_for_line(lines: queue.Queue[str], process: subprocess.Popen[str], until: float) -> str | None:
    """None where none comes in time, or the process ends or grows beyond the limit meanwhile."""
    while time.monotonic() < until:
        try:
            return lines.get(timeout=0.2)
        except queue.Empty:
            if process.poll() is not None and lines.empty():
                return None
            if _rss_mb(process.pid) > MAX_RSS_MB:
                return None
    return None


def _end_of(process: subprocess.Popen[str], waited_s: float) -> str:
    if process.poll() is not None:
        return f"the process ended with {process.returncode}"
    if (rss_mb := _rss_mb(process.pid)) > MAX_RSS_MB:
        return f"took {rss_mb} MB"
    return f"nothing came of it within {waited_s:.0f} s"


def _rss_mb(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss // 2**20)
    except psutil.Error:
        return 0
