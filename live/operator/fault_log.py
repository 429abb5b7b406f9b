"""The log: faults and notes with their times, the newest on top. Qt thread."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from PyQt5.QtCore import QSize, Qt
from PyQt5.QtGui import QKeyEvent
from PyQt5.QtWidgets import QAbstractItemView, QListWidget, QListWidgetItem, QWidget

from live.operator import theme
from live.process.frames import now

MAX_ENTRIES = 300


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One line. at: by now(). recovered: the fault is over."""

    at: float
    text: str
    fault: bool = False
    recovered: bool = False


def clock_time(at: float) -> str:
    """The wall clock's time at a time stamp of now()."""
    return (datetime.now() - timedelta(seconds=now() - at)).strftime("%H:%M:%S")


class FaultLog(QListWidget):
    """The list."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._entries: tuple[LogEntry, ...] = ()
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setUniformItemSizes(True)
        self.setMinimumHeight(56)
        self.setAccessibleName("Faults and notes")

    def sizeHint(self) -> QSize:
        return QSize(600, 84)

    def show_entries(self, entries: Iterable[LogEntry]) -> None:
        """Shows these; at most MAX_ENTRIES."""
        newest_first = tuple(sorted(entries, key=lambda entry: -entry.at)[:MAX_ENTRIES])
        if newest_first == self._entries:
            return
        self._entries = newest_first
        self.clear()
        for entry in newest_first:
            item = QListWidgetItem(f"{clock_time(entry.at)}   {entry.text}")
            item.setToolTip(theme.plain_tip(entry.text))
            colour = theme.TEXT
            if entry.fault:
                colour = theme.QUIET if entry.recovered else theme.FAULT
            item.setForeground(colour)
            self.addItem(item)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        assert event is not None
        if event.key() in (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown):
            super().keyPressEvent(event)
        else:
            event.ignore()
