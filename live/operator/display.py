"""Whether windows can be opened here. Checked before Qt is imported, because Qt ends the process where it cannot.

Runs in the operator's process and imports no Qt.
"""

from __future__ import annotations

import ctypes
import os
import re
import socket
import sys
from importlib.util import find_spec
from pathlib import Path

XCB_PACKAGES = (
    "libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0 libxcb-xinerama0 "
    "libxkbcommon-x11-0"
)
"""The packages of Debian and Ubuntu that Qt's windows need and that PyQt5's wheel does not contain."""


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
            None
            if _accepts_connection(socket.AF_INET, (host, 6000 + int(number)))
            else f"the display {display} does not answer"
        )
    paths = (f"/tmp/.X11-unix/X{number}", f"\0/tmp/.X11-unix/X{number}")
    return (
        None
        if any(_accepts_connection(socket.AF_UNIX, path) for path in paths)
        else f"the display {display} does not answer"
    )


def missing_library() -> str | None:
    """The first library that Qt's windows need and that is not installed; None: Qt can be imported.

    Found as Qt would find it: by loading its X11 plugin, which takes 15 ms. It stays loaded, and Qt uses the same.
    """
    if sys.platform != "linux" or not _uses_x11():
        return None
    found = find_spec("PyQt5")
    if found is None or found.origin is None:
        return None
    plugin = Path(found.origin).parent / "Qt5" / "plugins" / "platforms" / "libqxcb.so"
    # A distribution's PyQt5 has it elsewhere, and depends on what it needs.
    if not plugin.is_file():
        return None
    try:
        ctypes.CDLL(str(plugin))
    except OSError as error:
        # Other errors may not matter to Qt, which loads lazily.
        missing = re.match(r"(\S+): cannot open shared object file", str(error))
        return None if missing is None else missing[1]
    return None


def _uses_x11() -> bool:
    """Whether Qt will use X11: not where QT_QPA_PLATFORM names another platform, and on Wayland only under GNOME."""
    platform = os.environ.get("QT_QPA_PLATFORM")
    if platform:
        return platform.startswith("xcb")
    gnome = "gnome" in os.environ.get("XDG_CURRENT_DESKTOP", "").lower()
    return gnome or os.environ.get("XDG_SESSION_TYPE") != "wayland"


def _accepts_connection(family: socket.AddressFamily, address: tuple[str, int] | str) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(2.0)
        return client.connect_ex(address) == 0
