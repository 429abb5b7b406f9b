"""The command line: `guise VERB`. One line a verb; what a verb needs is imported when it is called."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from importlib import import_module
from io import TextIOWrapper
from types import FrameType
from typing import Any

VERBS = {
    "live": ("live.cli:live", "Perform: the operator's window and the stage"),
    "render": ("live.cli:render", "Perform offline: every frame of a movie, or a recording, by the same engines"),
    "prepare": ("models.cli:prepare", "Footage or recordings -> a data set"),
    "train": ("models.cli:train", "A data set -> a training run"),
    "export": ("export.cli:export", "A training run -> a frozen model"),
    "reduce": ("export.cli:reduce", "A training run -> frozen models of every size, and what each is worth"),
    "inspect": ("export.cli:inspect", "What a frozen model is, and whose likeness it shows"),
    "evaluate": ("calibration.cli:evaluate", "What a frozen model is worth, on footage or speech"),
    "listen": ("calibration.cli:listen", "A blind listening test in the browser, and what it found"),
    "calibrate": ("calibration.cli:calibrate", "Measure the performer; the result is a profile that live reads"),
    "doctor": ("calibration.cli:doctor", "What this machine has, and what to install"),
    "bench": ("calibration.cli:bench", "Measure speed, switching, likeness and memory, and print the figures"),
}

FIRST = {
    "live": "live.process.fork_server:start_forkserver",
    **dict.fromkeys(
        ("render", "export", "reduce", "evaluate", "calibrate", "bench"), "export.runtime.time_limit:allow_slow_runs"
    ),
}
"""What a verb calls before anything else is imported: live, because its engines import more than all the rest, and this
starts it; verbs where nobody waits for a frame, because a slow model is none of their business."""


def main(arguments: list[str] | None = None) -> int:
    """Runs one verb. Returns 0 on success, 2 for bad input (with one line on standard error), 130 for Ctrl-C."""
    if arguments is None:
        _prepare_process()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name that is not UTF-8 ends no verb
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if _interrupted:  # libraries in C turn Ctrl-C into errors of their own
            return 130
        if isinstance(error, OSError):  # a verb's own refusals have been told: this is the output's, or a disk's
            return _tell_os_error(error)
        raise
    return code


_interrupted: list[int] = []
"""The signals that asked this process to end."""


def _interrupt(number: int, frame: FrameType | None) -> None:
    _interrupted.append(number)
    raise KeyboardInterrupt


def _prepare_process() -> None:
    """Terminating is as orderly as Ctrl-C from the first moment on, and what opens a file gets none of the numbers that
    standard input and output have: they may have been closed."""
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    sys.stdin = sys.stdin or os.fdopen(0, "r", closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def _tell_os_error(error: OSError) -> int:
    """Says what the system refused, where anybody still reads it."""
    from models.command_line import give_up_output, one_line

    if not isinstance(error, BrokenPipeError):  # whoever ended the pipe knows
        where = f"{error.filename}: " if error.filename else ""
        with contextlib.suppress(OSError, ValueError):
            print("guise:", one_line(f"{where}{error.strerror or error}"), file=sys.stderr)
    give_up_output()
    return 2


def _run(arguments: list[str] | None) -> int:
    words = sys.argv[1:] if arguments is None else arguments
    if not words or words[0] in ("-h", "--help", "help"):
        print(_help())
        return 0
    verb, *rest = words
    if verb == "--version":
        from importlib.metadata import version

        print(f"guise {version('guise')}")
        return 0
    if verb not in VERBS:
        return _refuse(verb)
    if verb in FIRST and "--help" not in rest:
        _load(FIRST[verb])()
    return _call(verb, _load(VERBS[verb][0]), rest)


def _refuse(verb: str) -> int:
    from difflib import get_close_matches

    near = get_close_matches(verb, VERBS, 1)
    hint = f"did you mean `guise {near[0]}`?" if near else "`guise --help` lists the verbs"
    print(f"guise: there is no verb {verb!r}: {hint}", file=sys.stderr)
    return 2


def _call(verb: str, command: Any, arguments: list[str]) -> int:
    """Has typer read the arguments and call the verb's function, or its group of commands."""
    import typer

    if not isinstance(command, typer.Typer):
        app = typer.Typer(add_completion=False, rich_markup_mode="markdown")
        app.command()(command)
        command = app
    from models.verb_arguments import call_verb

    try:
        return call_verb(command, arguments, f"guise {verb}")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)


def _load(target: str) -> Any:
    """Imports what "module:name" names."""
    module, name = target.split(":")
    return getattr(import_module(module), name)


def _help() -> str:
    width = max(map(len, VERBS))
    lines = [f"  {verb:<{width}}  {what}" for verb, (_, what) in VERBS.items()]
    head = (
        "Guise: appear live with another face and another voice.\n\nguise VERB ...   (guise VERB --help tells more)\n"
    )
    return "\n".join([head, *lines])


if __name__ == "__main__":
    sys.exit(main())
