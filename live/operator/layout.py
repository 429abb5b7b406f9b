"""How the parts of the operator's window lie, and what is kept of it from one evening to the next. Runs in the Qt
thread.
"""

from __future__ import annotations

from PyQt5.QtCore import QRect, QSize, Qt
from PyQt5.QtGui import QGuiApplication
from PyQt5.QtWidgets import QBoxLayout, QHBoxLayout, QMainWindow, QSplitter, QVBoxLayout, QWidget

from live.operator import theme
from live.operator.settings_store import SettingsStore

WINDOW_SIZE = QSize(1600, 900)
LEAST_BESIDE = 1240
"""Narrower than this the operator's window is not put beside the stage: it covers it."""


def column(*parts: QWidget, stretched: QWidget | None = None) -> QWidget:
    """One below the other; one of them takes the room there is."""
    return _lined(QVBoxLayout(), parts, stretched)


def row(*parts: QWidget, stretched: QWidget | None = None) -> QWidget:
    """One beside the other; one of them takes the room there is."""
    return _lined(QHBoxLayout(), parts, stretched)


def _lined(lines: QBoxLayout, parts: tuple[QWidget, ...], stretched: QWidget | None) -> QWidget:
    whole = QWidget()
    whole.setLayout(lines)
    lines.setContentsMargins(0, 0, 0, 0)
    lines.setSpacing(theme.SMALL_GAP)
    for part in parts:
        lines.addWidget(part, 1 if part is stretched else 0)
    return whole


class WindowLayout(QWidget):
    """Everything below the head: previews, middle and looks side by side; the log; the strips of sound and figures."""

    def __init__(
        self, previews: tuple[QWidget, ...], middle: QWidget, looks: QWidget, log: QWidget, strips: tuple[QWidget, ...]
    ) -> None:
        super().__init__()
        self._previews = QSplitter(Qt.Orientation.Vertical)
        for view in previews:
            self._previews.addWidget(view)
        self._across = QSplitter(Qt.Orientation.Horizontal)
        for part, stretch in ((self._previews, 3), (middle, 4), (looks, 2)):
            self._across.addWidget(part)
            self._across.setStretchFactor(self._across.count() - 1, stretch)
        self._down = QSplitter(Qt.Orientation.Vertical)
        self._down.addWidget(self._across)
        self._down.addWidget(log)
        self._down.setStretchFactor(0, 1)
        self._splitters = {"across": self._across, "down": self._down, "previews": self._previews}
        for splitter in self._splitters.values():
            splitter.setHandleWidth(theme.GAP)
            splitter.setChildrenCollapsible(False)
        lines = QVBoxLayout(self)
        lines.setContentsMargins(theme.GAP, theme.SMALL_GAP, theme.GAP, theme.GAP)
        lines.setSpacing(theme.GAP)
        lines.addWidget(self._down, 1)
        lines.addWidget(column(*strips))

    def restore(self, window: QMainWindow, remembered: SettingsStore, stage: QWidget) -> None:
        """As it was; the first time beside the stage's window, where the screen takes both."""
        geometry = remembered.bytes("operator/geometry")
        if geometry is None or not window.restoreGeometry(geometry):
            screen = QGuiApplication.primaryScreen()
            assert screen is not None
            room = screen.availableGeometry()
            beside = room.width() - stage.width()
            size = QSize(beside if beside >= LEAST_BESIDE else WINDOW_SIZE.width(), WINDOW_SIZE.height())
            window.setGeometry(QRect(room.topLeft(), size.boundedTo(room.size())))
        width, height = window.width(), window.height()
        self._across.setSizes([width * 30 // 100, width * 46 // 100, width * 24 // 100])
        self._down.setSizes([height, height // 9])
        for name, splitter in self._splitters.items():
            kept = remembered.bytes(f"operator/{name}")
            if kept is not None:
                splitter.restoreState(kept)

    def remember(self, window: QMainWindow, remembered: SettingsStore) -> None:
        """Keeps geometry and splitters."""
        remembered.keep_bytes("operator/geometry", window.saveGeometry())
        for name, splitter in self._splitters.items():
            remembered.keep_bytes(f"operator/{name}", splitter.saveState())
