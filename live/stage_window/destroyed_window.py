"""Notices under X11 that somebody else destroyed the stage's window: Qt does not, and would paint into nothing.

Qt thread of the window's process.
"""

from __future__ import annotations

import ctypes

from PyQt5.QtCore import QAbstractNativeEventFilter, QByteArray, QTimer
from PyQt5.sip import voidptr

from live.stage_window.window import StageWindow

_DESTROY_NOTIFY = 17


class _DestroyNotify(ctypes.Structure):
    """The begin of xcb_destroy_notify_event_t; other events are as long at least."""

    _fields_ = (
        ("response_type", ctypes.c_uint8),
        ("pad", ctypes.c_uint8),
        ("sequence", ctypes.c_uint16),
        ("event", ctypes.c_uint32),
        ("window", ctypes.c_uint32),
    )


class DestroyedWindow(QAbstractNativeEventFilter):
    """Has the window come back."""

    def __init__(self, window: StageWindow) -> None:
        super().__init__()
        self._window = window

    def nativeEventFilter(
        self, kind: QByteArray | bytes | bytearray, message: voidptr | None
    ) -> tuple[bool, int | None]:
        if message is not None and bytes(kind) == b"xcb_generic_event_t":
            event = _DestroyNotify.from_address(int(message))
            # An id that Qt has given up itself is no longer the window's.
            if event.response_type & 0x7F == _DESTROY_NOTIFY and event.window == int(self._window.effectiveWinId()):
                QTimer.singleShot(0, self._window.come_back)
        return False, 0
