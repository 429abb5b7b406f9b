"""What the operator does with the stage window: its screen, mirror, rotation and fit; each is stored at once.

Qt thread. The stage window shows; this decides where and how. The handlers of the stage's actions are here.
"""

from __future__ import annotations

from dataclasses import replace

from PyQt5.QtCore import QObject, QPoint, pyqtSignal
from PyQt5.QtGui import QGuiApplication
from PyQt5.QtWidgets import QWidget

from live.control.keys import keys_of
from live.operator.confirm import confirm
from live.operator.settings_store import SettingsStore
from live.operator.stage import Stage
from live.stage_window.presentation import ROTATIONS, Fit, Presentation
from live.stage_window.window import find_screen


class StageControls(QObject):
    """Begins with the stored presentation."""

    changed = pyqtSignal()
    """The stage is elsewhere, or shown otherwise."""
    message = pyqtSignal(str, bool)
    """A sentence for the operator, and whether it is a fault."""

    def __init__(self, stage: Stage, settings: SettingsStore, window: QWidget) -> None:
        """window: the operator's, which the stage should not cover."""
        super().__init__(window)
        self._stage = stage
        self._settings = settings
        self._window = window
        stage.set_presentation(settings.presentation)

    @property
    def presentation(self) -> Presentation:
        return self._stage.presentation

    def toggle_mirror(self) -> None:
        self._set_presentation(replace(self.presentation, mirror=not self.presentation.mirror))

    def rotate(self) -> None:
        """Rotates by 90° more."""
        self._set_presentation(self.presentation.rotated())

    def set_rotation(self, degrees: int) -> None:
        """Raises ValueError for other degrees than those of ROTATIONS."""
        if degrees not in ROTATIONS:
            raise ValueError(f"the stage rotates to {', '.join(map(str, ROTATIONS))} degrees, not {degrees}")
        self._set_presentation(replace(self.presentation, rotation=degrees))

    def use_next_fit(self) -> None:
        self._set_presentation(self.presentation.with_next_fit())

    def set_fit(self, fit: str) -> None:
        """Raises ValueError for a word that is no Fit."""
        self._set_presentation(replace(self.presentation, fit=Fit(fit)))

    def _set_presentation(self, presentation: Presentation) -> None:
        self._settings.presentation = presentation
        self._stage.set_presentation(presentation)
        self.changed.emit()

    def screens(self) -> list[tuple[str, str]]:
        """The name of each screen, and the text of its menu entry."""
        center = self._window.frameGeometry().center()
        found = []
        for number, screen in enumerate(QGuiApplication.screens(), 1):
            size = screen.geometry().size()
            text = f"{number}  {screen.name()}  {size.width()}×{size.height()}"
            if screen.geometry().contains(center):
                text += "  (this one: covers this window)"
            found.append((screen.name(), text))
        return found

    def fill_other_screen(self) -> None:
        """Puts the stage full screen on the first screen that is not the operator's."""
        if self._stage.full_screen:
            text = f"The stage is on {self._stage.on_screen} already: {keys_of('stage_window')[0]} makes it a window."
            self.message.emit(text, False)
            return
        name = choose_screen("", self._window.frameGeometry().center())
        if name is None:
            where = "Stage > Full screen on lists this one: it would cover this window."
            self.message.emit(f"There is no second screen. {where}", False)
        else:
            self._fill_screen(name)

    def fill_screen(self, wanted: str) -> None:
        """Puts the stage full screen on a screen, given by its name or its number from 1."""
        name = choose_screen(wanted, self._window.frameGeometry().center())
        if name is None:
            self.message.emit(f"There is no screen {wanted}: the stage stays where it is.", True)
        else:
            self._fill_screen(name)

    def _fill_screen(self, name: str) -> None:
        self._stage.fill_screen(name)
        self._settings.stage_screen = name
        self.changed.emit()

    def show_as_window(self) -> None:
        """Makes the stage a window, after asking when it fills a screen: the audience would see the desktop."""
        text = f"Take the stage off {self._stage.on_screen}? The audience will see the desktop."
        if self._stage.full_screen and not confirm(self._window, text, "Take it off"):
            return
        self._settings.stage_screen = ""
        self._stage.show_as_window()
        self._window.raise_()
        self._window.activateWindow()
        self.changed.emit()

    def confirm_close(self) -> bool:
        """Whether the show may stop; asks the operator when the audience would see it."""
        performing = self._stage.visible and self._stage.full_screen
        return not performing or confirm(self._window, f"Stop the show on {self._stage.on_screen}?", "Stop the show")

    def describe(self) -> str:
        """Where the stage is, and how it is shown."""
        stage, presentation = self._stage, self.presentation
        place = f"Stage on {stage.on_screen}" if stage.on_screen is not None else "Stage in a window"
        if stage.unplugged:
            place = f"{stage.on_screen} unplugged"
        if stage.lost:
            return "Stage window taken over"
        extras = ["mirrored"] if presentation.mirror else []
        extras += [f"{presentation.rotation}°"] if presentation.rotation else []
        extras += [presentation.fit.value] if presentation.fit is not Fit.CONTAIN else []
        return ", ".join([place, *extras])


def choose_screen(wanted: str, operator_at: QPoint) -> str | None:
    """The name of the screen that `wanted` means: a name, a number from 1, or empty for the first screen that is not
    the operator's (the one that contains the point `operator_at`). None when there is no such screen.
    """
    screens = QGuiApplication.screens()
    if wanted.isdigit() and 1 <= int(wanted) <= len(screens):
        return screens[int(wanted) - 1].name()
    if wanted:
        return wanted if find_screen(wanted) is not None else None
    others = [screen for screen in screens if not screen.geometry().contains(operator_at)]
    return others[0].name() if others else None
