"""Runs a verb of `guise` as a user would type it, in a process of its own, and waits for its end."""

from __future__ import annotations

import subprocess
import sys

from calibration.bench.benchmark import NotMeasured
from calibration.bench.stage_run import GUISE_SCRIPT


def run_verb(*arguments: str, on_stdout: bool = False) -> None:
    """`guise ARGUMENTS`; what it prints goes to standard error, or `on_stdout`. Raises NotMeasured when it fails."""
    print(f"guise {' '.join(arguments[:2])} ...", file=sys.stderr)
    ended = subprocess.run(
        [sys.executable, str(GUISE_SCRIPT), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=None if on_stdout else sys.stderr,
        check=False,
    )
    if ended.returncode != 0:
        raise NotMeasured(f"`guise {arguments[0]}` ended with code {ended.returncode}; what it made so far is kept")
