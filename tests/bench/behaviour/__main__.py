"""The command line; see the package."""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # python DIR/behaviour: begin again as a package, so that its parts find each other
    import runpy

    sys.path[0] = str(Path(__file__).resolve().parents[1])
    runpy.run_module(Path(__file__).resolve().parent.name, run_name="__main__", alter_sys=True)
    sys.exit()

import argparse
import json
import os
import time
from typing import Any

from . import comparison, earlier, frozen, inputs, learning, performing, refusals, words
from .program import Program

PARTS = {
    "looks": performing.looks,
    "voices": performing.voices,
    "data": learning.data,
    "families": learning.families,
    "resumed": learning.resumed,
    "export": frozen.exported,
    "earlier": earlier.earlier,
    "help": words.helps,
    "refusals": refusals.refusals,
    "live": performing.live,
}


def main() -> int:
    """Takes a picture, or compares two."""
    options = _options()
    if options.compare:
        before, after = (json.loads(path.read_text("utf-8")) for path in options.compare)
        return comparison.compare(before, after, options.only)
    program = Program(options.guise, options.source, options.work, options.earlier or options.work, options.cpu)
    inputs.lay_out(program, options.data)
    for part in options.only or PARTS:
        _take(program, part, options.out)
    return 0


def _options() -> argparse.Namespace:
    source = Path(__file__).resolve().parents[3]
    data = Path(os.environ.get("GUISE_DATA") or source.parent / "shared" / "data")
    given = argparse.ArgumentParser("behaviour", description="A picture of the program's behaviour.")
    given.add_argument("--out", type=Path, help="the picture to write; parts that it holds already are kept")
    given.add_argument("--work", type=Path, help="folder for what is made (default: beside --out)")
    given.add_argument("--earlier", type=Path, help="--work of a run on an older commit (default: its own)")
    given.add_argument("--only", action="append", choices=list(PARTS), help="this part; again for more")
    given.add_argument("--guise", type=Path, default=Path(sys.executable).with_name("guise"), help="the console script")
    given.add_argument("--source", type=Path, default=source, help="the source tree that is read")
    given.add_argument("--data", type=Path, default=data, help="real footage and speech (default: $GUISE_DATA)")
    given.add_argument("--cpu", type=int, help="the processor to compute on (default: the last)")
    given.add_argument("--compare", nargs=2, type=Path, metavar=("BEFORE", "AFTER"), help="tell what differs")
    options = given.parse_args()
    if not options.compare and not options.out:
        given.error("name --out FILE, or --compare two of them")
    options.work = options.work or (options.out and options.out.with_suffix(""))
    return options


def _take(program: Program, part: str, out: Path) -> None:
    """One part of the picture, added to the file at once: what was found is kept if a later part fails."""
    began = time.monotonic()
    print(f"{part} ...", flush=True)
    found = PARTS[part](program)
    seconds = round(time.monotonic() - began)
    print(f"{part}: {len(found.facts)} facts in {seconds} s", flush=True)
    picture: dict[str, Any] = json.loads(out.read_text("utf-8")) if out.is_file() else {}
    for group, value in (("facts", found.facts), ("names", found.names), ("seconds", seconds)):
        picture.setdefault(group, {})[part] = value
    out.write_text(json.dumps(picture, indent=1, sort_keys=True), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
