"""The window's head: the menus, and beside them what is always true of the show; it takes no line of its own. Runs in
the Qt thread.
"""

from __future__ import annotations

from collections.abc import Iterable

from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QHBoxLayout, QLabel, QMenuBar, QWidget

from live.manage.stage_manager import EngineState
from live.operator import theme


class MenuBar(QWidget):
    """Not a menu bar's own corner: that does not grow with its words."""

    def __init__(self, menus: QMenuBar) -> None:
        super().__init__()
        self._health = QLabel()
        self._health.setTextFormat(Qt.TextFormat.RichText)
        self._place = theme.label("", "caption")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, theme.GAP + 4, 0)
        row.setSpacing(2 * theme.GAP)
        row.addWidget(menus, 1)
        row.addWidget(self._place)
        row.addWidget(self._health)

    def show_place(self, words: str) -> None:
        """Where the stage is."""
        self._place.setText(words)

    def show_health(self, engines: Iterable[EngineState]) -> None:
        """A green point for each engine that performs."""
        parts = []
        for engine in engines:
            well = engine.health == "performing"
            colour = theme.ON_STAGE if well else theme.LOADING if engine.health == "starting" else theme.FAULT
            words = engine.name.capitalize() if well else f"{engine.name.capitalize()} {engine.health}"
            parts.append(f'<span style="color:{colour.name()}">●</span> {words}')
        self._health.setText("&nbsp;&nbsp;&nbsp;&nbsp;".join(parts))
