"""The program as a black box: its verbs run one after another in the work folder, always under the same circumstances.

Every path on a command line is relative to the folder it runs in, so that neither messages nor what is stored in files
tell where the work folder lies.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LONGEST_S = 300
"""Of a processor's time, so that a busy machine changes nothing; of the clock's ten times as long."""
ONE_THREAD = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM", "NUMBA")
NOT_INHERITED = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM", "GUISE_ARGS", "FORCE_COLOR", "PYTHONPATH")
VOLATILE = (
    (re.compile(r"\b\d+(\.\d+)? ms\b"), "* ms"),
    (re.compile(r"\b\d+(\.\d+)? (minutes|min left|s left)"), r"* \2"),
    (re.compile(r"(?m)^( *(?:sha256|revision) +)\S+ *$"), r"\1*"),
    (re.compile(r"(?m)^( *set +)[0-9a-f]{32}:"), r"\1*:"),
    (re.compile(r"(\"id\": ?)\"[0-9a-f]{32}\""), r'\1"*"'),
    (re.compile(r"0x[0-9a-f]{6,}"), "0x*"),
)
"""Times, what depends on them, and what git knows."""


@dataclass
class Found:
    """What a part of the picture holds. `names`: what may be called otherwise without anything behaving otherwise."""

    facts: dict[str, Any] = field(default_factory=dict)
    names: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Said:
    """What a run of the program left: its exit code, and its words with what is volatile in them replaced by *."""

    code: int
    out: str
    err: str

    @property
    def whole(self) -> dict[str, Any]:
        """As the picture keeps it, line by line."""
        return {"code": self.code, "out": self.out.splitlines(), "err": self.err.splitlines()}


class Program:
    """`guise` at `console_script`, run in `work`; `source` is the tree that it comes from."""

    def __init__(self, console_script: Path, source: Path, work: Path, earlier: Path, cpu: int | None) -> None:
        self.console_script = console_script.absolute()
        self.source = source.resolve()
        self.work = work.resolve()
        self.earlier = earlier.resolve()
        self._cpu = max(os.sched_getaffinity(0)) if cpu is None else cpu
        self.work.mkdir(parents=True, exist_ok=True)

    def within(self, folder: str) -> Program:
        """The same program, at work in a folder of the work folder."""
        return Program(self.console_script, self.source, self.work / folder, self.earlier, self._cpu)

    def at(self, name: str) -> Path:
        """A file or folder of the work folder."""
        return self.work / name

    def fresh(self, name: str) -> str:
        """`name`, with nothing there and its folder made: a place for the program to write to."""
        place = self.at(name)
        if place.is_dir():
            shutil.rmtree(place)
        place.unlink(missing_ok=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        return name

    def run(self, *arguments: object, pinned: bool = True, longest_s: float = LONGEST_S, **variables: str) -> Said:
        """guise ARGUMENTS; `pinned` holds it on one processor, which also decides how many threads libraries take."""
        command = ["nice", "-n", "10", str(self.console_script), *map(str, arguments)]

        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_CPU, (round(longest_s), round(longest_s) + 5))
            if pinned:
                os.sched_setaffinity(0, {self._cpu})

        try:
            done = subprocess.run(
                command,
                cwd=self.work,
                env={**self._environment(), **variables},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=10 * longest_s,
                preexec_fn=limit,
            )
        except subprocess.TimeoutExpired:
            return Said(-1, "", f"not done after {10 * longest_s:g} s")
        return Said(done.returncode, self.plain(done.stdout), self.plain(done.stderr))

    def plain(self, text: str) -> str:
        """A text without what differs from run to run and place to place."""
        places = ((self.work, "WORK"), (self.source, "SOURCE"), (self.console_script.parent.parent, "VENV"))
        for place, word in sorted(places, key=lambda pair: -len(str(pair[0]))):
            text = text.replace(str(place), word)
        for volatile, plain in VOLATILE:
            text = volatile.sub(plain, text)
        return "\n".join(line.rstrip() for line in text.splitlines())

    def _environment(self) -> Mapping[str, str]:
        inherited = {key: value for key, value in os.environ.items() if key not in NOT_INHERITED}
        return {
            **inherited,
            **{f"{library}_NUM_THREADS": "1" for library in ONE_THREAD},
            "CUDA_VISIBLE_DEVICES": "",
            "PYTHONHASHSEED": "0",
            "COLUMNS": "120",
            "NO_COLOR": "1",
            "TERM": "dumb",
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "XDG_CONFIG_HOME": str(self.work / "config"),
            "XDG_CACHE_HOME": str(self.work / "cache"),
        }
