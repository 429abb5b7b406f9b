"""The menus: actions of the table by name, with their keys; the stage's screens, rotation and fit as choices.

Qt thread. A menu entry performs its action and does nothing else.
"""

from __future__ import annotations

from collections.abc import Callable

from PyQt5.QtCore import Qt
from PyQt5.QtGui import QKeySequence
from PyQt5.QtWidgets import QAction, QActionGroup, QMenu, QMenuBar, QSizePolicy

from live.control.actions import Argument, find_action
from live.control.keys import keys_of
from live.operator.stage_controls import StageControls
from live.stage_window.presentation import ROTATIONS, Fit, Presentation


class Menus(QMenuBar):
    """Its keys work whichever of our windows has the focus."""

    def __init__(self, request: Callable[..., None], stage: StageControls) -> None:
        """request: performs the action of this name, with these arguments."""
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.MinimumExpanding, QSizePolicy.Policy.Preferred)
        self._request = request
        self._stage = stage
        self.entries: dict[str, QAction] = {}
        """The entries that take their action's keys, by the action's name."""
        self._build_show()
        self._build_stage()
        self._add_entries(self._add_menu("&Performer"), "lock_middle", "lock_left", "lock_right", "measure_neutral")
        self._add_entries(self._add_menu("S&ound"), "mute")
        self._add_entries(self._add_menu("&Help"), "help")

    @property
    def keys(self) -> frozenset[str]:
        """The keys that the entries take."""
        return frozenset(key for name in self.entries for key in keys_of(name))

    def show_presentation(self, presentation: Presentation) -> None:
        """Checks the stage's present mirror, rotation and fit."""
        self.entries["stage_mirror"].setChecked(presentation.mirror)
        for degrees, entry in zip(ROTATIONS, self._rotations, strict=True):
            entry.setChecked(degrees == presentation.rotation)
        for fit, entry in zip(Fit, self._fits, strict=True):
            entry.setChecked(fit is presentation.fit)

    def _build_show(self) -> None:
        show = self._add_menu("&Show")
        self._add_entries(show, "open_show")
        # Shows its key after a tab and leaves it to the keyboard, as the other keys of the cues.
        text = f"{find_action('reload').text}\t{keys_of('reload')[0]}"
        show.addAction(self._entry(text, "reload"))
        show.addSeparator()
        self._add_entries(show, "stop_show")

    def _build_stage(self) -> None:
        stage = self._add_menu("S&tage")
        self._screens = self._add_menu("Full screen on", stage)
        self._screens.aboutToShow.connect(self._list_screens)
        self._add_entries(stage, "stage_full_screen", "stage_window")
        stage.addSeparator()
        self._add_entries(stage, "stage_mirror")
        self.entries["stage_mirror"].setCheckable(True)
        rotation = self._add_menu("Rotation", stage)
        self._add_entries(rotation, "stage_rotate")
        rotation.addSeparator()
        self._rotations = self._add_choices(
            rotation, "stage_rotation", [(f"{degrees}°", degrees) for degrees in ROTATIONS]
        )
        fit = self._add_menu("Fit", stage)
        self._add_entries(fit, "stage_next_fit")
        fit.addSeparator()
        self._fits = self._add_choices(fit, "stage_fit", [(way.value.capitalize(), way.value) for way in Fit])

    def _add_menu(self, title: str, parent: QMenu | None = None) -> QMenu:
        menu = QMenu(title, parent or self)
        (parent or self).addMenu(menu)
        return menu

    def _add_entries(self, menu: QMenu, *names: str) -> None:
        for name in names:
            entry = self._entry(find_action(name).text, name)
            entry.setShortcuts([QKeySequence(key) for key in keys_of(name)])
            entry.setShortcutContext(Qt.ShortcutContext.ApplicationShortcut)
            entry.setAutoRepeat(False)
            menu.addAction(entry)
            self.entries[name] = entry

    def _add_choices(self, menu: QMenu, name: str, choices: list[tuple[str, Argument]]) -> list[QAction]:
        """One checkable entry for each text and argument of the action, of which one is checked."""
        group = QActionGroup(self)
        entries = [self._entry(text, name, argument) for text, argument in choices]
        for entry in entries:
            entry.setCheckable(True)
            group.addAction(entry)
            menu.addAction(entry)
        return entries

    def _list_screens(self) -> None:
        self._screens.clear()
        for name, text in self._stage.screens():
            text = text.replace("&", "&&")  # else it would underline a letter
            self._screens.addAction(self._entry(text, "stage_on_screen", name, parent=self._screens))

    def _entry(self, text: str, name: str, *arguments: Argument, parent: QMenu | None = None) -> QAction:
        entry = QAction(text, parent or self)
        entry.triggered.connect(lambda _checked: self._request(name, *arguments))
        return entry
