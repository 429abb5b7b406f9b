"""Handles random items one after another and says what came of each; a process of its own.

    python -P -m tests.fuzz.worker MODULE:FUNCTION SEED FIRST END FOLDER

FUNCTION(random, folder) draws an item, hands it to the program, and returns a line: what became of it. What it raises
is a finding. For each item one line of JSON goes to standard output.
"""

from __future__ import annotations

import importlib
import json
import random
import resource
import sys
import tempfile
import traceback
from pathlib import Path


def main() -> None:
    entry, seed, first, end, folder = sys.argv[1:]
    module, _, function = entry.partition(":")
    handle = getattr(importlib.import_module(module), function)
    out = sys.stdout
    sys.stdout = sys.stderr  # what the program prints is not ours to parse
    for index in range(int(first), int(end)):
        with tempfile.TemporaryDirectory(dir=folder, prefix=f"{index}-") as own:
            try:
                outcome, finding = handle(random.Random(f"{seed} {entry} {index}"), Path(own)), ""
            except BaseException:
                outcome, finding = "", traceback.format_exc()
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(
            json.dumps({"index": index, "outcome": outcome, "finding": finding, "peak_mb": peak_mb}),
            file=out,
            flush=True,
        )


if __name__ == "__main__":
    main()
