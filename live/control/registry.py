"""The controls by name. A new control is a file beside this one and a line in CONTROLS.

Runs in the operator's main thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from live.control.control import Control

CONTROLS: Mapping[str, str] = {
    # "name": "live.control.module:Class",
}
"""Name -> "module:class"; the module is imported when the show starts. All of them run in every show, with windows or
without. The keys (keys.py) are no line: only the operator's window has a keyboard, and makes them."""


def make_control(name: str) -> Control:
    """The control `name`, not started yet."""
    module, _, class_name = CONTROLS[name].partition(":")
    control: Control = getattr(import_module(module), class_name)()
    return control
