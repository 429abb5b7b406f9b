"""The controls, one line each: how each is made. Whoever owns what a control needs makes it, starts it and stops it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from live.control.control import Control, ControlContext
from live.control.keys import Keys

CONTROLS: Mapping[str, Callable[[ControlContext], Control]] = {
    "keys": Keys,
}
"""By name. The operator's window makes them, because the only one there is needs its keyboard."""
