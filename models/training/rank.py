"""One process of a training with several: it reads its plan from standard input and reports on standard output.

Started by models/training/launch.py alone, which sets LOCAL_RANK and NODE_RANK. Messages are JSON, one a line:
see Message.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Required, TypedDict

from torch import distributed

from models.prepare.data_error import DataError
from models.training.checkpoint import BadRun
from models.training.registry import family
from models.training.train import Plan, TrainingProgress, train

LOST = "lost"
"""The kind of a failure that is caused by another process's end."""


class Failure(TypedDict, total=False):
    """at: seconds of the monotonic clock; errno: of an OSError, whose strerror is `text`."""

    at: Required[float]
    kind: Required[str]
    text: Required[str]
    errno: int | None


class ProgressFields(TypedDict):
    """The fields of TrainingProgress."""

    step: int
    steps: int
    left_s: float
    losses: dict[str, float]


class Message(TypedDict, total=False):
    """One of these: progress, at the end the checkpoint that was saved, or a failure."""

    advance: ProgressFields
    saved: str
    failed: Failure


def plan_to_json(plan: Plan) -> str:
    """A plan as one line of JSON."""
    fields: dict[str, object] = {name: getattr(plan, name) for name in plan.__dataclass_fields__}
    fields |= {"family": plan.family.name, "options": plan.options.model_dump()}
    return json.dumps(fields | {"data": list(map(str, plan.data))}, default=str)


def plan_from_json(line: str) -> Plan:
    """The inverse of `plan_to_json`."""
    fields = json.loads(line)
    kind = family(fields["family"])
    fields |= {"family": kind, "options": kind.options(**fields["options"])}
    fields |= {"data": tuple(map(Path, fields["data"])), "out": Path(fields["out"])}
    return Plan(**fields | {"init": fields["init"] and Path(fields["init"])})


def main() -> int:
    """0 for success; else 1, after the failure was reported."""
    messages = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    # Output of libraries goes to standard error: standard output carries messages only.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    plan = plan_from_json(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, name="lifeline", daemon=True).start()

    def send(content: Message) -> None:
        print(json.dumps(content), file=messages)

    def advance(now: TrainingProgress) -> None:
        if os.environ["LOCAL_RANK"] == "0":
            send({"advance": {"step": now.step, "steps": now.steps, "left_s": now.left_s, "losses": dict(now.losses)}})

    failed = True
    try:
        send({"saved": str(train(plan, advance))})
        failed = False
    except Exception as error:
        send({"failed": _failure(error)})
    if failed:
        # Data-loader processes end when the last reference to the loader goes, which the exception held.
        gc.collect()
        # At once: an orderly exit might wait for other processes.
        os._exit(1)
    distributed.destroy_process_group()
    return 0


def _failure(error: Exception) -> Failure:
    at = time.monotonic()
    if isinstance(error, DataError | BadRun):
        return {"at": at, "kind": type(error).__name__, "text": str(error)}
    if isinstance(error, OSError) and not isinstance(error, ConnectionError):
        return {"at": at, "kind": "OSError", "text": error.strerror or str(error), "errno": error.errno}
    text = " ".join(str(error).split())
    if isinstance(error, distributed.DistError) or "gloo" in text or "Connection" in text:
        return {"at": at, "kind": LOST, "text": text}
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(last.filename).name}:{last.lineno}"
    return {"at": at, "kind": "error", "text": f"{type(error).__name__}: {text} ({where})"}


def _end_with_parent() -> None:
    """Runs on a thread of its own: standard input closes when the parent ends, however that happens."""
    while os.read(sys.stdin.fileno(), 1024):
        pass
    # With the data-loader processes; launch.py gave this process a group of its own.
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
