"""What the operator's window keeps from one run to the next: the stage's screen, mirror, rotation and fit, and its own
geometry.

Each change is written at once, so that a crash loses none. Qt thread.
"""

from __future__ import annotations

from pathlib import Path

from PyQt5.QtCore import QByteArray, QSettings

from live.stage_window.presentation import ROTATIONS, Fit, Presentation


class SettingsStore:
    """The user's own settings file, or the one given."""

    def __init__(self, file: Path | None = None) -> None:
        if file is None:
            self._settings = QSettings(QSettings.Format.IniFormat, QSettings.Scope.UserScope, "guise", "guise")
        else:
            self._settings = QSettings(str(file), QSettings.Format.IniFormat)

    @property
    def presentation(self) -> Presentation:
        """Mirror, rotation and fit; an unknown value counts as not set."""
        rotation = str(self._settings.value("stage/rotation", "0"))
        fit = str(self._settings.value("stage/fit", Fit.CONTAIN.value))
        return Presentation(
            mirror=str(self._settings.value("stage/mirror", "false")) == "true",
            rotation=int(rotation) if rotation.isdigit() and int(rotation) in ROTATIONS else 0,
            fit=Fit(fit) if fit in [known.value for known in Fit] else Fit.CONTAIN,
        )

    @presentation.setter
    def presentation(self, presentation: Presentation) -> None:
        self._settings.setValue("stage/mirror", "true" if presentation.mirror else "false")
        self._settings.setValue("stage/rotation", presentation.rotation)
        self._settings.setValue("stage/fit", presentation.fit.value)
        self._settings.sync()

    @property
    def stage_screen(self) -> str:
        """The screen the stage fills; empty for a window."""
        return str(self._settings.value("stage/screen", ""))

    @stage_screen.setter
    def stage_screen(self, name: str) -> None:
        self._settings.setValue("stage/screen", name)
        self._settings.sync()

    def read_bytes(self, name: str) -> QByteArray | None:
        """The geometry or splitter state stored under `name`, or None."""
        value = self._settings.value(name)
        return value if isinstance(value, QByteArray) else None

    def write_bytes(self, name: str, value: QByteArray) -> None:
        """Stores a geometry or splitter state."""
        self._settings.setValue(name, value)
        self._settings.sync()
