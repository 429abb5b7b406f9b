"""One process of a training in several: told its plan by standard input, it says how far it is by standard output.

Started by models/training/launch.py alone, in an environment that says which one it is (LOCAL_RANK, NODE_RANK). What it
says is JSON, a line each: {"advance": {...}}, at the end {"saved": "..."} or {"failed": {"at", "kind", "says"}}.
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
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import distributed

from models.prepare.data_error import DataError
from models.training.checkpoint import BadRun
from models.training.registry import family
from models.training.train import Advance, Plan, train

LOST = "lost"
"""The kind of failure that is another process's."""


def packed(plan: Plan) -> str:
    """A plan as one line of JSON."""
    fields: dict[str, Any] = {name: getattr(plan, name) for name in plan.__dataclass_fields__}
    fields |= {"family": plan.family.name, "options": plan.options.model_dump()}
    return json.dumps(fields | {"data": list(map(str, plan.data))}, default=str)


def unpacked(line: str) -> Plan:
    """What `packed` packed."""
    fields: dict[str, Any] = json.loads(line)
    kind = family(fields["family"])
    fields |= {"family": kind, "options": kind.options(**fields["options"])}
    fields |= {"data": tuple(map(Path, fields["data"])), "out": Path(fields["out"])}
    return Plan(**fields | {"init": fields["init"] and Path(fields["init"])})


def main() -> int:
    """0 when all went well; else what went wrong has been said."""
    says = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    # Whatever a library prints is not for the one who listens.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    plan = unpacked(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, name="lifeline", daemon=True).start()

    def say(what: dict[str, Any]) -> None:
        print(json.dumps(what), file=says)

    def advance(now: Advance) -> None:
        if os.environ["LOCAL_RANK"] == "0":
            say({"advance": asdict(now)})

    failed = True
    try:
        say({"saved": str(train(plan, advance))})
        failed = False
    except Exception as error:
        say({"failed": {"at": time.monotonic()} | _told(error)})
    if failed:
        # Those that read our data end with the last thing that knows them, which the error did.
        gc.collect()
        # At once, for the others' sake: an orderly end might wait for an answer of theirs.
        os._exit(1)
    distributed.destroy_process_group()
    return 0


def _told(error: Exception) -> dict[str, Any]:
    """What went wrong as JSON: `kind` and `says`."""
    if isinstance(error, DataError | BadRun):
        return {"kind": type(error).__name__, "says": str(error)}
    if isinstance(error, OSError) and not isinstance(error, ConnectionError):
        return {"kind": "OSError", "says": [error.errno, error.strerror or str(error)]}
    text = " ".join(str(error).split())
    if isinstance(error, distributed.DistError) or "gloo" in text or "Connection" in text:
        return {"kind": LOST, "says": text}
    last = traceback.extract_tb(error.__traceback__)[-1]
    return {"kind": "error", "says": f"{type(error).__name__}: {text} ({Path(last.filename).name}:{last.lineno})"}


def _end_with_parent() -> None:
    """On a thread of its own: standard input ends when the parent does, in whatever way."""
    while os.read(sys.stdin.fileno(), 1024):
        pass
    # With those that read its data; launch.py gave us a group of our own.
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
