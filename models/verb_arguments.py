"""A verb's words -> its call: options that take several values after one name, and one line for what it does not know.

Typer takes one value an option and answers with a box of nine lines. Typer is handed in by the caller, or imported by
the functions.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, cast

from models.command_line import one_line

if TYPE_CHECKING:
    import typer


class _Parameter(Protocol):
    param_type_name: str
    opts: Sequence[str]
    multiple: bool


class _Command(Protocol):
    """What typer's own copy of click and click itself have in common."""

    params: Sequence[_Parameter]


def call_verb(app: typer.Typer, words: Sequence[str], name: str) -> int:
    """Runs `app` with the words after its name, such as `guise evaluate`. Returns its exit code: 2, and one line on
    standard error, for words it does not know; 130 for Ctrl-C."""
    from typer import Abort
    from typer.main import get_command

    command = get_command(app)
    try:
        code = command.main(several_values(command, words), prog_name=name, standalone_mode=False)
    except Abort:
        return 130
    except Exception as error:
        if not hasattr(error, "format_message"):  # the sign of a usage error, whichever click it comes from
            raise
        return _tell(error, name)
    return code if isinstance(code, int) else 0


def several_values(command: object, words: Sequence[str]) -> list[str]:
    """`--speech a b` as `--speech a --speech b`, for options that may be given again. Left as it is where the command
    takes words without a name, too: nobody could tell them apart."""
    first, command = _subcommand(command, words)
    params = cast(_Command, command).params
    if any(parameter.param_type_name == "argument" for parameter in params):
        return list(words)
    repeated = {option for parameter in params if getattr(parameter, "multiple", False) for option in parameter.opts}
    output, option, has_value = list(words[:first]), "", False
    for word in words[first:]:
        if word.startswith("-") and word != "-":
            name, equals, _ = word.partition("=")
            option, has_value = (name if name in repeated else ""), bool(equals)
        elif option and has_value:
            output.append(option)
        elif option:
            has_value = True
        output.append(word)
    return output


def _subcommand(command: object, words: Sequence[str]) -> tuple[int, object]:
    """How many words name the command that is meant, and it."""
    commands = cast(Mapping[str, object], getattr(command, "commands", {}))
    if words and words[0] in commands:
        deeper, found = _subcommand(commands[words[0]], words[1:])
        return deeper + 1, found
    return 0, command


def _tell(error: Exception, name: str) -> int:
    context = getattr(error, "ctx", None)
    path = name if context is None else context.command_path
    if type(error).__name__ == "NoArgsIsHelpError":
        print(context.get_help() if context is not None else name, file=sys.stderr)
        return 2
    message = one_line(cast(_HasMessage, error).format_message()).rstrip(".")
    print(f"{path}: {message[:1].lower()}{message[1:]} (see {path} --help)", file=sys.stderr)
    return 2


class _HasMessage(Protocol):
    def format_message(self) -> str: ...
