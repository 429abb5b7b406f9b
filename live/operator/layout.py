"""Where the parts of the operator's window are, and what is stored of it from one run to the next. Qt thread."""

from __future__ import annotations

from PyQt5.QtCore import QRect, QSize, Qt
from PyQt5.QtGui import QGuiApplication
from PyQt5.QtWidgets import QBoxLayout, QHBoxLayout, QMainWindow, QSplitter, QVBoxLayout, QWidget

from live.operator import theme
from live.operator.settings_store import SettingsStore

WINDOW_SIZE = QSize(1600, 900)
MIN_WIDTH_BESIDE_STAGE = 1240
"""Where less than this is left beside the stage's window, the operator's window covers it."""


def column(*parts: QWidget, stretched: QWidget | None = None) -> QWidget:
    """A widget with these one below the other; `stretched` takes the spare room."""
    return _box(QVBoxLayout(), parts, stretched)


def row(*parts: QWidget, stretched: QWidget | None = None) -> QWidget:
    """A widget with these side by side; `stretched` takes the spare room."""
    return _box(QHBoxLayout(), parts, stretched)


def _box(layout: QBoxLayout, parts: tuple[QWidget, ...], stretched: QWidget | None) -> QWidget:
    box = QWidget()
    box.setLayout(layout)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(theme.SMALL_GAP)
    for part in parts:
        layout.addWidget(part, 1 if part is stretched else 0)
    return box


class WindowLayout(QWidget):
    """All below the menu bar: previews, middle and looks side by side; the log; the strips of sound and meters."""

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
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.GAP, theme.SMALL_GAP, theme.GAP, theme.GAP)
        layout.setSpacing(theme.GAP)
        layout.addWidget(self._down, 1)
        layout.addWidget(column(*strips))

    def restore(self, window: QMainWindow, settings: SettingsStore, stage_width: int) -> None:
        """The stored geometry; without one, beside the stage's window where the screen takes both."""
        geometry = settings.read_bytes("operator/geometry")
        if geometry is None or not window.restoreGeometry(geometry):
            screen = QGuiApplication.primaryScreen()
            assert screen is not None
            available = screen.availableGeometry()
            beside = available.width() - stage_width
            width = beside if beside >= MIN_WIDTH_BESIDE_STAGE else WINDOW_SIZE.width()
            size = QSize(width, WINDOW_SIZE.height())
            window.setGeometry(QRect(available.topLeft(), size.boundedTo(available.size())))
        width, height = window.width(), window.height()
        self._across.setSizes([width * 30 // 100, width * 46 // 100, width * 24 // 100])
        self._down.setSizes([height, height // 9])
        for name, splitter in self._splitters.items():
            state = settings.read_bytes(f"operator/{name}")
            if state is not None:
                splitter.restoreState(state)

    def save(self, window: QMainWindow, settings: SettingsStore) -> None:
        """Stores geometry and splitters."""
        settings.write_bytes("operator/geometry", window.saveGeometry())
        for name, splitter in self._splitters.items():
            settings.write_bytes(f"operator/{name}", splitter.saveState())
