"""The GO panel: what comes next, and the three buttons that are keys: GO, back, panic. Runs in the Qt thread."""

from __future__ import annotations

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtWidgets import QFrame, QHBoxLayout, QPushButton, QSizePolicy, QVBoxLayout

from live.control.keys import Action, key_of
from live.operator import theme
from live.operator.cue_list import STATUS_COLOURS, CueRow, CueStatus
from live.operator.elided_label import ElidedLabel

GO_HEIGHTS = (126, 230)
BUTTON_HEIGHT = 46


class GoPanel(QFrame):
    """A button pressed is its key pressed."""

    pressed = pyqtSignal(str)
    """The key."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.next_name = ElidedLabel("next")
        self.next_status = ElidedLabel()
        self.go_button = self._button("GO", "go")
        self.go_button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.go_button.setFixedHeight(GO_HEIGHTS[0])
        self.back_button = self._button("Back", "back")
        self.panic_button = self._button("Panic", "panic")
        self.panic_button.setCheckable(True)
        self._lay_out()

    def show_next(self, rows: list[CueRow]) -> None:
        """The standby cue, and how far it is."""
        row = next((row for row in rows if row.standby), None)
        if row is None:
            name, status, colour = "End of the show", "", theme.QUIET
        else:
            name, colour = f"{row.number}  {row.name}", STATUS_COLOURS[row.status]
            status = f"Refused: {row.why}" if row.status is CueStatus.REFUSED else row.status.value.capitalize()
        self.next_name.say(name)
        self.next_status.say(status)
        theme.colour(self.next_status, colour)

    def show_panic(self, on: bool) -> None:
        self.panic_button.setChecked(on)

    def fit_into(self, window_height: int) -> None:
        """GO is as large as the window has room for."""
        low, high = GO_HEIGHTS
        self.go_button.setFixedHeight(min(max(window_height * 18 // 100, low), high))

    def _button(self, text: str, action: Action) -> QPushButton:
        key = key_of(action)
        button = QPushButton(text)
        button.setObjectName(action)
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # Space is GO, whatever was clicked last
        button.setToolTip(key)
        # Panic is a switch, which changes when it is released; the others act at once.
        signal = button.clicked if action == "panic" else button.pressed
        signal.connect(lambda: self.pressed.emit(key))
        return button

    def _lay_out(self) -> None:
        small = QHBoxLayout()
        small.setSpacing(theme.GAP)
        for button in (self.back_button, self.panic_button):
            button.setMinimumHeight(BUTTON_HEIGHT)
            small.addWidget(button, 1)
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(theme.label("Next", "caption"))
        words.addWidget(self.next_name)
        words.addWidget(self.next_status)
        words.addStretch(1)
        words.addLayout(small)
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.GAP, theme.GAP, theme.GAP, theme.GAP)
        row.setSpacing(theme.GAP)
        row.addLayout(words, 1)
        row.addWidget(self.go_button, 1)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
