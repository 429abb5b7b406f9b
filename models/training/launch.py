"""One training in one process for each device: starts, monitors and ends them.

    guise train pix2pix DATA --out RUN --devices 2
    MASTER_ADDR=first-host MASTER_PORT=29500 NODE_RANK=0 guise train ... --nodes 2      on each host, with its number

With more than one device this process does not train. It starts models/training/rank.py once for each device of this
host, reads its messages from a pipe, asks the processes to stop, and ends all of them when one has failed: the others
would wait for it for ever. They end themselves when their pipe closes, so nothing outlives a killed parent.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue

import models.training.train
from models.prepare.data_error import DataError
from models.training.checkpoint import BadRun
from models.training.rank import LOST, Message, plan_to_json
from models.training.stop_signals import stop_signals
from models.training.train import Plan, TrainingProgress

GATHER_S = 0.5
"""Wait after the first failure: other processes fail because of it, and the first to fail may report last."""
ROOT = Path(__file__).resolve().parents[2]


class RankFailed(Exception):
    """A process of the training failed; the message is one line that says which and why."""


def train(plan: Plan, advance: Callable[[TrainingProgress], None]) -> Path:
    """models.training.train.train, in this process or in as many as `plan` asks for.

    Raises the same, RankFailed, and KeyboardInterrupt for a stop before the first step.
    """
    if plan.devices * plan.nodes == 1:
        return models.training.train.train(plan, advance)
    environment = _environment(plan)
    messages: SimpleQueue[tuple[int, Message]] = SimpleQueue()
    ranks: list[_Rank] = []
    try:
        with _forward_stop(ranks) as stopped:
            for number in range(plan.devices):
                ranks.append(_Rank(number, plan, environment, messages))
            if stopped():
                raise KeyboardInterrupt
            saved = _wait(ranks, messages, advance)
            if saved is None:
                raise _failure(ranks, messages, stopped())
            return saved
    finally:
        for rank in ranks:
            rank.end()


@dataclass
class _Rank:
    """One process of the training on this host."""

    number: int
    plan: Plan
    environment: Mapping[str, str]
    messages: SimpleQueue[tuple[int, Message]]
    process: subprocess.Popen[str] = field(init=False)
    reader: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.process = subprocess.Popen(
            # -P: a folder called models in the working directory must not be imported.
            [sys.executable, "-P", "-m", "models.training.rank"],
            env={**os.environ, **self.environment, "LOCAL_RANK": str(self.number)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # A group of its own: Ctrl-C in the terminal must reach it only through this process, once.
            start_new_session=True,
        )
        assert self.process.stdin is not None
        self.process.stdin.write(plan_to_json(self.plan) + "\n")
        self.process.stdin.flush()
        self.reader = threading.Thread(target=self._read_messages, name=f"rank {self.number}", daemon=True)
        self.reader.start()

    def _read_messages(self) -> None:
        """Runs on a thread of its own: reads the process's messages until its pipe closes."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.endswith("\n"):
                self.messages.put((self.number, json.loads(line)))

    def end(self) -> None:
        """Kills the process in any state: the training is over, or another process has failed."""
        with suppress(ProcessLookupError):
            # The whole group: also its data-loader processes.
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.reader.join()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


def _wait(
    ranks: Sequence[_Rank],
    messages: SimpleQueue[tuple[int, Message]],
    advance: Callable[[TrainingProgress], None],
) -> Path | None:
    """Waits until all have ended and returns the newest checkpoint; None as soon as one has failed."""
    saved = None
    while True:
        codes = [rank.process.poll() for rank in ranks]
        all_ended = all(code == 0 for code in codes)
        if all_ended:
            for rank in ranks:
                rank.reader.join()
        while (message := _next_message(messages, 0.0 if all_ended else 0.1)) is not None:
            number, content = message
            if "failed" in content:
                messages.put(message)
                return None
            if "saved" in content:
                saved = Path(content["saved"])
            elif number == 0:
                advance(TrainingProgress(**content["advance"]))
        if all_ended or any(code for code in codes):
            return saved if all_ended else None


def _failure(ranks: Sequence[_Rank], messages: SimpleQueue[tuple[int, Message]], stopped: bool) -> BaseException:
    """The first failure, as the exception it would have been in this process."""
    time.sleep(GATHER_S)
    for rank in ranks:
        code = rank.process.poll()
        if stopped and code == -signal.SIGTERM:
            return KeyboardInterrupt()
        if code is not None and code < 0:
            why = f"{signal.Signals(-code).name}; SIGKILL often means that memory ran out"
            return RankFailed(f"process {rank.number + 1} of {len(ranks)} was killed by {why}")
    failures = []
    while (message := _next_message(messages, 0.0)) is not None:
        if "failed" in message[1]:
            failures.append((message[0], message[1]["failed"]))
    if not failures:
        return RankFailed("a process of the training ended without a word")
    number, failure = min(failures, key=lambda each: (each[1]["at"], each[0]))
    kind, text = failure["kind"], failure["text"]
    if kind == "DataError":
        return DataError(text)
    if kind == "BadRun":
        return BadRun(text)
    if kind == "OSError":
        return OSError(failure.get("errno"), text)
    if kind == LOST:
        return RankFailed("a process on another host ended; what was saved before is whole")
    return RankFailed(f"process {number + 1} of {len(ranks)} failed: {text}")


def _next_message(messages: SimpleQueue[tuple[int, Message]], wait_s: float) -> tuple[int, Message] | None:
    try:
        return messages.get(timeout=wait_s) if wait_s else messages.get_nowait()
    except Empty:
        return None


@contextmanager
def _forward_stop(ranks: Sequence[_Rank]) -> Iterator[Callable[[], bool]]:
    """Passes Ctrl-C and SIGTERM on to the processes, which save and end, or end at once when there is nothing to save;
    a second Ctrl-C ends at once."""
    requested = False

    def ask(number: int) -> None:
        nonlocal requested
        if requested:
            if number == signal.SIGINT:
                raise KeyboardInterrupt
            return
        requested = True
        for rank in ranks:
            # Not SIGINT: before the first step each process would print a traceback.
            rank.process.terminate()

    with stop_signals(ask):
        yield lambda: requested


def _environment(plan: Plan) -> dict[str, str]:
    """Variables by which the processes find each other and this program's packages; raises BadRun."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    if plan.nodes == 1:
        return {"PYTHONPATH": path, "NODE_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
    missing = [name for name in ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK") if not os.environ.get(name)]
    if missing:
        raise BadRun(
            f"--nodes {plan.nodes} needs {', '.join(missing)}: set the first host's address and a free port of it, the "
            f"same on every host, and each host's number, 0 to {plan.nodes - 1}"
        )
    if os.environ["NODE_RANK"] not in map(str, range(plan.nodes)):
        raise BadRun(f"NODE_RANK is {os.environ['NODE_RANK']}: with --nodes {plan.nodes} it is 0 to {plan.nodes - 1}")
    return {"PYTHONPATH": path}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
