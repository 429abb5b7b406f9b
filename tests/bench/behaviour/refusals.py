"""What the program refuses and in what words: by giving it what it cannot use, and by reading its source."""

from __future__ import annotations

import shutil

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
        shutil.rmtree(program.at("bad/run"), ignore_errors=True)
        found.facts[f"guise {command}"] = program.run(*command.split(), longest_s=LONGEST_S).whole
    for name in SHOWS:
        command = ("live", f"bad/{name}.toml", "--headless", "--mic", "none", "--speaker", "none")
        found.facts[f"show: {name}"] = program.run(*command, longest_s=LONGEST_S).whole
    found.facts["sentences in the source"] = sentences(program.source)
    return found
