"""The outputs by name. A new output is a file beside this one and a line in OUTPUTS.

Runs in the operator's main thread.
"""

from __future__ import annotations

from importlib import import_module

from live.outputs.output import BadOutput, Output

OUTPUTS = {
    "recorder": "live.outputs.recorder:Recorder",
}
"""Name -> "module:class"; the module is imported when the output is asked for."""


def output_class(name: str) -> type[Output]:
    """The class of the output `name`. Raises BadOutput when there is none, or it lacks a library."""
    if name not in OUTPUTS:
        raise BadOutput(f"there is no output {name!r}: expected one of {', '.join(OUTPUTS)}")
    module, _, class_name = OUTPUTS[name].partition(":")
    try:
        found: type[Output] = getattr(import_module(module), class_name)
    except ModuleNotFoundError as error:
        raise BadOutput(f"the output needs {error.name}, which is not installed") from None
    return found


def make_output(spec: str) -> tuple[str, Output]:
    """The output that NAME or NAME=TARGET asks for, not opened yet, and its name. Raises BadOutput."""
    name, separator, target = spec.partition("=")
    return name, output_class(name)(target if separator else None)
