"""What the operator does with the stage window: its screen, mirror, rotation and fit, each remembered at once.

Runs in the Qt thread. The stage window shows; this decides where and how.
"""

from __future__ import annotations

from dataclasses import replace

from PyQt5.QtCore import QObject, pyqtSignal
from PyQt5.QtGui import QGuiApplication
from PyQt5.QtWidgets import QWidget

from live.operator.confirm import agreed
from live.operator.painting import Fit, Presentation
from live.operator.settings_store import SettingsStore
from live.operator.stage import StageWindow, choose_screen


class StageControls(QObject):
    """Begins with the remembered presentation."""

    changed = pyqtSignal()
    """The stage is elsewhere, or shown otherwise."""
    told = pyqtSignal(str, bool)
    """A sentence for the operator, and whether it is a fault."""

    def __init__(self, stage: StageWindow, remembered: SettingsStore, window: QWidget) -> None:
        """window: the operator's, which the stage should not cover."""
        super().__init__(window)
        self._stage = stage
        self._remembered = remembered
        self._window = window
        stage.set_presentation(remembered.presentation)

    @property
    def presentation(self) -> Presentation:
        return self._stage.presentation

    def present(self, presentation: Presentation) -> None:
        """Mirror, rotation and fit of the stage and of its preview."""
        self._remembered.presentation = presentation
        self._stage.set_presentation(presentation)
        self.changed.emit()

    def toggle_mirror(self) -> None:
        self.present(replace(self.presentation, mirror=not self.presentation.mirror))

    def turn(self) -> None:
        self.present(self.presentation.turned())

    def refit(self) -> None:
        self.present(self.presentation.refitted())

    def screens(self) -> list[tuple[str, str]]:
        """The name of each screen, and the words that tell it from the others."""
        mine = self._window.frameGeometry().center()
        found = []
        for number, screen in enumerate(QGuiApplication.screens(), 1):
            size = screen.geometry().size()
            words = f"{number}  {screen.name()}  {size.width()}×{size.height()}"
            if screen.geometry().contains(mine):
                words += "  (this one: covers this window)"
            found.append((screen.name(), words))
        return found

    def fill_screen(self, wanted: str) -> None:
        """The stage full screen on a screen: a name, a number from 1, or empty for one that is not the operator's."""
        if not wanted and self._stage.isFullScreen():
            self.told.emit(f"The stage is on {self._stage.on_screen} already: Shift+F11 makes it a window.", False)
            return
        name = choose_screen(wanted, self._window.frameGeometry().center())
        if name is None and wanted:
            self.told.emit(f"There is no screen {wanted}: the stage stays where it is.", True)
        elif name is None:
            where = "Stage > Full screen on lists this one: it would cover this window."
            self.told.emit(f"There is no second screen. {where}", False)
        else:
            self._stage.fill(name)
            self._remembered.stage_screen = name
            self.changed.emit()

    def leave_screen(self) -> None:
        """The stage as a window, after asking: the audience would see the desktop."""
        question = f"Take the stage off {self._stage.on_screen}? The audience will see the desktop."
        if self._stage.isFullScreen() and not agreed(self._window, question, "Take it off"):
            return
        self._remembered.stage_screen = ""
        self._stage.open_window()
        self._window.raise_()
        self._window.activateWindow()
        self.changed.emit()

    def may_close(self) -> bool:
        """Whether the show may stop; asked when the audience would see it."""
        performing = self._stage.isVisible() and self._stage.isFullScreen()
        return not performing or agreed(self._window, f"Stop the show on {self._stage.on_screen}?", "Stop the show")

    def place(self) -> str:
        """Where the stage is, and how it is shown."""
        stage, presentation = self._stage, self.presentation
        place = f"Stage on {stage.on_screen}" if stage.on_screen is not None else "Stage in a window"
        if stage.lost:
            place = f"{stage.on_screen} unplugged"
        extras = ["mirrored"] if presentation.mirror else []
        extras += [f"{presentation.rotation}°"] if presentation.rotation else []
        extras += [presentation.fit.value] if presentation.fit is not Fit.CONTAIN else []
        return ", ".join([place, *extras])
