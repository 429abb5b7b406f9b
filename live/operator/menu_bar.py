"""The bar at the top of the operator's window: the menus, and to their right where the stage is and how the engines
are; so that these take no line of their own. Qt thread.
"""

from __future__ import annotations

from collections.abc import Sequence

from PyQt5.QtCore import Qt
from PyQt5.QtGui import QColor
from PyQt5.QtWidgets import QHBoxLayout, QLabel, QMenuBar, QWidget

from live.manage.health import Health
from live.manage.snapshot import EngineState
from live.operator import theme
from live.process.metrics import PictureMetrics, SoundMetrics

_COLOURS = {Health.PERFORMING: theme.ON_STAGE, Health.STARTING: theme.LOADING}


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

    def show_health(
        self, picture: EngineState[PictureMetrics], sound: EngineState[SoundMetrics], hanging: Sequence[str] = ()
    ) -> None:
        """A dot for each engine, green while it performs, and a red one for each thread of this process that hangs."""
        parts = []
        for engine in (picture, sound):
            name = engine.kind.capitalize()
            text = name if engine.health is Health.PERFORMING else f"{name} {engine.health}"
            colour = _COLOURS.get(engine.health, theme.FAULT)
            parts.append(_dot(colour, text))
        parts += [_dot(theme.FAULT, f"{thread.capitalize()} hangs") for thread in hanging]
        self._health.setText("&nbsp;&nbsp;&nbsp;&nbsp;".join(parts))


def _dot(colour: QColor, text: str) -> str:
    return f'<span style="color:{colour.name()}">●</span> {text}'
