"""`python -m live.stage_window ENTRY FD END_AFTER_S FOLDER`: the stage window's process; stage_process.py starts it.

It has a session of its own: what a terminal sends, and its end, reach the operator's process and not what the audience
sees.
"""

from __future__ import annotations

import importlib
import os
import socket
import sys
import traceback
from pathlib import Path


def main(entry: str, fd: int, end_after_s: float, folder: Path) -> int:
    """entry: "module:function", called with the connection to the operator, `end_after_s` and the folder."""
    connection = socket.socket(fileno=fd)
    try:
        module, _, function = entry.partition(":")
        getattr(importlib.import_module(module), function)(connection, end_after_s, folder)
    except Exception:
        if os.environ.get("GUISE_TRACEBACKS"):
            traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4]))
    # Graphics drivers may hang or crash while a process exits; everything that matters is done.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
