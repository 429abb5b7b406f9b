"""What the program says of itself: the help of every verb, kept whole."""

from __future__ import annotations

import json

from .program import Found, Program

VERBS = (
    ("--help",),
    ("-h",),
    (),
    ("--version",),
    *((verb, "--help") for verb in ("live", "render", "prepare", "train", "export", "reduce", "inspect", "evaluate")),
    *((verb, "--help") for verb in ("listen", "calibrate", "doctor", "bench")),
    *(("prepare", kind, "--help") for kind in ("face", "voice", "phonemes")),
    *(("evaluate", kind, "--help") for kind in ("face", "voice")),
    ("calibrate", "performer", "--help"),
    ("prepare",),
    ("evaluate",),
    ("calibrate",),
)
"""`guise train --help` lists the options of all families."""


def helps(program: Program) -> Found:
    """Every --help; of `doctor` what it looks at."""
    found = Found()
    for arguments in VERBS:
        found.facts[f"guise {' '.join(arguments)}".strip()] = program.run(*arguments).whole
    doctor = program.run("doctor", "--json")
    findings = json.loads(doctor.out)["findings"]
    found.facts["doctor"] = sorted(f"{each['name']}, essential: {each['essential']}" for each in findings)
    return found
