"""The outputs by name. A new output is a file beside this one and a line in OUTPUTS.

Runs in the operator's process, in the thread that opens the output.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from live.outputs.output import BadOutput, Output

if TYPE_CHECKING:
    from live.manage.stage_manager import StageManager

OUTPUTS = {
    "recorder": "live.outputs.recorder:Recorder",
}
"""Name -> "module:class"; the module is imported when the output is opened."""


def output_class(name: str) -> type[Output]:
    """The class of the output `name`. Raises BadOutput when there is none."""
    if name not in OUTPUTS:
        raise BadOutput(f"there is no output {name!r}: expected one of {', '.join(OUTPUTS)}")
    module, _, class_name = OUTPUTS[name].partition(":")
    found: type[Output] = getattr(import_module(module), class_name)
    return found


def open_output(name: str, target: str | None, manager: StageManager, sample_rate: int | None) -> Output:
    """Opens the output `name`, which then takes pictures and sound until it is closed. The arguments are Output's.

    Raises BadOutput.
    """
    return output_class(name)(target, manager, sample_rate)
