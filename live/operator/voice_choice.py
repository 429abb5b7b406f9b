"""The choice of a voice for a cue that is made from a look. Qt thread."""

from __future__ import annotations

from pathlib import Path

from PyQt5.QtCore import Qt
from PyQt5.QtGui import QKeyEvent, QPainter, QPaintEvent, QWheelEvent
from PyQt5.QtWidgets import QComboBox, QSizePolicy

from live.operator import theme
from live.operator.presenter import voice_name
from live.show.show_file import VOICE_PRESETS

_QUICK_SUFFIX = "-quick"
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class VoiceChoice(QComboBox):
    """The voice on stage first, then the presets, the quick presets, the learned voices. Up and Down choose."""

    def __init__(self) -> None:
        super().__init__()
        self._learned: list[Path] | None = None
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setMaxVisibleItems(30)
        self.setAccessibleName("Voice of a new cue")
        self.setToolTip("The voice of the cue that a look becomes")
        self.show_learned([])

    @property
    def chosen(self) -> str | Path | None:
        """A preset or a file; None for the voice on stage."""
        chosen: str | Path | None = self.currentData()
        return chosen

    def show_learned(self, files: list[Path]) -> None:
        """Lists these after the presets; the choice stays."""
        if files == self._learned:
            return
        self._learned = files
        before = self.chosen
        self.clear()
        self.addItem("as on stage", None)
        quick = [name for name in VOICE_PRESETS if name.endswith(_QUICK_SUFFIX)]
        for group in ([name for name in VOICE_PRESETS if name not in quick], quick, files):
            if group:
                self.insertSeparator(self.count())
            for voice in group:
                self.addItem(voice_name(voice), voice)
        listed = [self.itemData(row) for row in range(self.count())]
        self.setCurrentIndex(listed.index(before) if before in listed else 0)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        super().paintEvent(event)
        painter = QPainter(self)  # the stylesheet's field has no arrow
        painter.setPen(theme.QUIET)
        painter.drawText(self.rect().adjusted(0, 0, -10, 0), _RIGHT, "▾")

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        assert event is not None
        event.ignore()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        assert event is not None
        if event.key() in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            super().keyPressEvent(event)
        else:  # a letter may be a key of the window
            event.ignore()
