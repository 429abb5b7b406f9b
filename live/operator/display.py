"""Can there be windows here? Asked before Qt is: where it cannot have any, Qt ends the process with words of its own.

Lives in the operator's process, and imports no Qt.
"""

from __future__ import annotations

import ctypes
import os
import re
import socket
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

XCB_PACKAGES = (
    "libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0 libxcb-xinerama0 "
    "libxkbcommon-x11-0"
)
"""What Qt's windows need of Debian and Ubuntu, and PyQt5's wheel does not bring."""


def no_display() -> str | None:
    """Why there can be no window, or None."""
    if sys.platform != "linux" or os.environ.get("QT_QPA_PLATFORM") or os.environ.get("WAYLAND_DISPLAY"):
        return None
    display = os.environ.get("DISPLAY", "")
    if not display:
        return "there is no display"
    host, _, rest = display.rpartition(":")
    number = rest.partition(".")[0]
    if not number.isdigit():
        return f"there is no display {display}"
    if host not in ("", "unix"):
        return (
            None if _answers(socket.AF_INET, (host, 6000 + int(number))) else f"the display {display} does not answer"
        )
    paths = (f"/tmp/.X11-unix/X{number}", f"\0/tmp/.X11-unix/X{number}")
    return None if any(_answers(socket.AF_UNIX, path) for path in paths) else f"the display {display} does not answer"


def missing_library() -> str | None:
    """The first library that Qt's windows need and that is not there; None: Qt may be asked.

    Found as Qt would: by loading what speaks to X11. It stays loaded, Qt uses the same; 15 ms.
    """
    if sys.platform != "linux" or not _by_x11():
        return None
    found = find_spec("PyQt5")
    if found is None or found.origin is None:
        return None
    plugin = Path(found.origin).parent / "Qt5" / "plugins" / "platforms" / "libqxcb.so"
    # A distribution's PyQt5 has it elsewhere, and brings what it needs.
    if not plugin.is_file():
        return None
    try:
        ctypes.CDLL(str(plugin))
    except OSError as error:
        # Whatever else it says, Qt, which loads lazily, may not mind.
        said = re.match(r"(\S+): cannot open shared object file", str(error))
        return None if said is None else said[1]
    return None


def _by_x11() -> bool:
    """Will Qt speak to X11? Not where it is told otherwise, and on Wayland with GNOME alone."""
    told = os.environ.get("QT_QPA_PLATFORM")
    if told:
        return told.startswith("xcb")
    gnome = "gnome" in os.environ.get("XDG_CURRENT_DESKTOP", "").lower()
    return gnome or os.environ.get("XDG_SESSION_TYPE") != "wayland"


def _answers(family: socket.AddressFamily, address: Any) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as knock:
        knock.settimeout(2.0)
        return knock.connect_ex(address) == 0
