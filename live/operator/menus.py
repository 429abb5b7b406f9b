"""The menus: every command of the window by name, with its key; the stage's screens, rotation and fit as choices.

Runs in the Qt thread and decides nothing: what a command does is given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from PyQt5.QtCore import Qt
from PyQt5.QtGui import QKeySequence
from PyQt5.QtWidgets import QAction, QActionGroup, QMenu, QMenuBar, QSizePolicy

from live.control.keys import key_of
from live.operator.commands import WINDOW_COMMANDS
from live.operator.painting import ROTATIONS, Fit, Presentation
from live.operator.stage_controls import StageControls

_COMMANDS = {command.name: command for command in WINDOW_COMMANDS}


class Menus(QMenuBar):
    """Its keys work whichever of our windows has the focus."""

    def __init__(
        self, do: Mapping[str, Callable[[], None]], press: Callable[[str], None], stage: StageControls
    ) -> None:
        """
        Args:
            do: what each of WINDOW_COMMANDS does, by its name.
            press: takes a key that drives the show.
        """
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.MinimumExpanding, QSizePolicy.Policy.Preferred)
        self._do = do
        self._stage = stage
        self.actions_by_name: dict[str, QAction] = {}
        self._build_show(press)
        self._build_stage()
        self._add(self._menu("&Performer"), "lock middle", "lock left", "lock right")
        self._add(self._menu("S&ound"), "mute")
        self._add(self._menu("&Help"), "help")

    def tick(self, presentation: Presentation) -> None:
        """Marks what the stage does now."""
        self.actions_by_name["mirror"].setChecked(presentation.mirror)
        for degrees, action in zip(ROTATIONS, self._rotations, strict=True):
            action.setChecked(degrees == presentation.rotation)
        for way, action in zip(Fit, self._fits, strict=True):
            action.setChecked(way is presentation.fit)

    def _build_show(self, press: Callable[[str], None]) -> None:
        show = self._menu("&Show")
        self._add(show, "open")
        key = key_of("reload")
        again = QAction(f"Read again\t{key}", self)  # shows the key and does not take it: that is the show's
        again.triggered.connect(lambda: press(key))
        show.addAction(again)
        show.addSeparator()
        self._add(show, "stop")

    def _build_stage(self) -> None:
        stage = self._menu("S&tage")
        self._screens = self._menu("Full screen on", stage)
        self._screens.aboutToShow.connect(self._list_screens)
        self._add(stage, "fill screen", "leave screen")
        stage.addSeparator()
        self._add(stage, "mirror")
        self.actions_by_name["mirror"].setCheckable(True)
        rotation = self._menu("Rotation", stage)
        self._add(rotation, "turn")
        rotation.addSeparator()
        self._rotations = [
            self._choice(rotation, f"{degrees}°", partial(self._rotate, degrees)) for degrees in ROTATIONS
        ]
        fit = self._menu("Fit", stage)
        self._add(fit, "refit")
        fit.addSeparator()
        self._fits = [self._choice(fit, way.value.capitalize(), partial(self._fit, way)) for way in Fit]
        for choices in (self._rotations, self._fits):
            group = QActionGroup(self)
            for action in choices:
                group.addAction(action)

    def _menu(self, title: str, within: QMenu | None = None) -> QMenu:
        menu = QMenu(title, within or self)
        (within or self).addMenu(menu)
        return menu

    def _add(self, menu: QMenu, *names: str) -> None:
        for name in names:
            command = _COMMANDS[name]
            action = QAction(command.text, self)
            action.setShortcuts([QKeySequence(key) for key in command.keys])
            action.setShortcutContext(Qt.ShortcutContext.ApplicationShortcut)
            action.setAutoRepeat(False)
            action.triggered.connect(partial(_without_checked, self._do[name]))
            menu.addAction(action)
            self.actions_by_name[name] = action

    def _choice(self, menu: QMenu, text: str, do: Callable[[], None]) -> QAction:
        action = QAction(text, self)
        action.setCheckable(True)
        action.triggered.connect(partial(_without_checked, do))
        menu.addAction(action)
        return action

    def _rotate(self, degrees: int) -> None:
        self._stage.present(replace(self._stage.presentation, rotation=degrees))

    def _fit(self, way: Fit) -> None:
        self._stage.present(replace(self._stage.presentation, fit=way))

    def _list_screens(self) -> None:
        self._screens.clear()
        for name, words in self._stage.screens():
            action = QAction(words, self._screens)
            action.triggered.connect(partial(_without_checked, partial(self._stage.fill_screen, name)))
            self._screens.addAction(action)


def _without_checked(do: Callable[[], None], _checked: bool) -> None:
    do()
