"""The bar at the top of the operator's window: the menus, and to their right where the stage is and how the engines
are; so that these take no line of their own. Qt thread.
"""

from __future__ import annotations

from collections.abc import Iterable

from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QHBoxLayout, QLabel, QMenuBar, QWidget

from live.manage.snapshot import EngineState
from live.operator import theme


class MenuBar(QWidget):
    """A row of widgets, because the corner widget of a QMenuBar does not grow with its text."""

    def __init__(self, menus: QMenuBar) -> None:
        super().__init__()
        self._health = QLabel()
        self._health.setTextFormat(Qt.TextFormat.RichText)
        self._stage = theme.label("", "caption")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, theme.GAP + 4, 0)
        row.setSpacing(2 * theme.GAP)
        row.addWidget(menus, 1)
        row.addWidget(self._stage)
        row.addWidget(self._health)

    def show_stage(self, description: str) -> None:
        """Where the stage is, and how it is shown."""
        self._stage.setText(description)

    def show_health(self, engines: Iterable[EngineState]) -> None:
        """A dot for each engine, green while it performs."""
        parts = []
        for engine in engines:
            performing = engine.health == "performing"
            colour = theme.ON_STAGE if performing else theme.LOADING if engine.health == "starting" else theme.FAULT
            text = engine.name.capitalize() if performing else f"{engine.name.capitalize()} {engine.health}"
            parts.append(f'<span style="color:{colour.name()}">●</span> {text}')
        self._health.setText("&nbsp;&nbsp;&nbsp;&nbsp;".join(parts))
