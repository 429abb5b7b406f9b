"""What the program refuses and in what words: by giving it what it cannot use, and by reading its source."""

from __future__ import annotations

import shutil
from typing import Any

from .bad_inputs import COMMANDS, SHOWS, make_bad_inputs
from .program import Found, Program
from .sentences import sentences

LONGEST_S = 40
"""What takes longer was not refused."""


def refusals(program: Program) -> Found:
    """Exit code and words of many refusals, and every sentence in the source."""
    found = Found()
    shutil.rmtree(program.at("bad"), ignore_errors=True)
    make_bad_inputs(program)
    for command in COMMANDS:
        found.facts[f"guise {command}"] = _refused(program, *command.split())
    for name in SHOWS:
        command = ("live", f"bad/{name}.toml", "--headless", "--mic", "none", "--speaker", "none", "--seconds", "1")
        found.facts[f"show: {name}"] = _refused(program, *command)
    found.facts["sentences in the source"] = sentences(program.source)
    return found


def _refused(program: Program, *command: str) -> dict[str, Any]:
    """What was said, with no run and no folder left from the command before. Some are not refused; what they print
    is measured, and left out."""
    for name in ("bad/run", "nowhere"):
        shutil.rmtree(program.at(name), ignore_errors=True)
    said = program.run(*command, longest_s=LONGEST_S).whole
    return said if said["code"] else {"code": 0, "err": said["err"]}
