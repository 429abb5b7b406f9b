"""The GO panel: the standby cue, and the buttons GO, Back and Panic. Qt thread."""

from __future__ import annotations

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtWidgets import QFrame, QHBoxLayout, QPushButton, QSizePolicy, QVBoxLayout

from live.control.actions import find_action
from live.control.keys import keys_of
from live.manage.model_status import ModelProgress
from live.operator import theme
from live.operator.cue_list import STATUS_COLOURS, STATUS_TEXTS, CueRow
from live.operator.elided_label import ElidedLabel

GO_HEIGHTS = (112, 230)
BUTTON_HEIGHT = 46


class GoPanel(QFrame):
    """Its buttons ask for actions; the window performs them."""

    requested = pyqtSignal(str)
    """The name of an action."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.next_name = ElidedLabel("next")
        self.next_status = ElidedLabel()
        self.go_button = self._button("go")
        self.go_button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.go_button.setFixedHeight(GO_HEIGHTS[0])
        self.back_button = self._button("back")
        self.panic_button = self._button("panic")
        self.panic_button.setCheckable(True)
        self._lay_out()

    def show_next(self, rows: list[CueRow]) -> None:
        """The standby cue, and whether its models are loaded."""
        row = next((row for row in rows if row.standby), None)
        if row is None:
            name, status, colour = "End of the show", "", theme.QUIET
        else:
            name, colour = f"{row.number}  {row.name}", STATUS_COLOURS[row.status]
            refused = row.status is ModelProgress.REFUSED
            status = f"Refused: {row.why}" if refused else STATUS_TEXTS[row.status].capitalize()
        self.next_name.set_full_text(name)
        self.next_status.set_full_text(status)
        theme.set_colour(self.next_status, colour)

    def show_panic(self, on: bool) -> None:
        self.panic_button.setChecked(on)

    def fit_into(self, window_height: int) -> None:
        """Makes GO as high as the window has room for."""
        low, high = GO_HEIGHTS
        self.go_button.setFixedHeight(min(max(window_height * 18 // 100, low), high))

    def _button(self, name: str) -> QPushButton:
        button = QPushButton(find_action(name).text)
        button.setObjectName(name)
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # Space is GO, whatever was clicked last
        button.setToolTip(keys_of(name)[0])
        # Panic is a switch, which changes when it is released; the others act when they are pressed.
        signal = button.clicked if name == "panic" else button.pressed
        signal.connect(lambda: self.requested.emit(name))
        return button

    def _lay_out(self) -> None:
        small = QHBoxLayout()
        small.setSpacing(theme.GAP)
        for button in (self.back_button, self.panic_button):
            button.setMinimumHeight(BUTTON_HEIGHT)
            small.addWidget(button, 1)
        text = QVBoxLayout()
        text.setSpacing(2)
        text.addWidget(theme.label("Next", "caption"))
        text.addWidget(self.next_name)
        text.addWidget(self.next_status)
        text.addStretch(1)
        text.addLayout(small)
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.GAP, theme.GAP, theme.GAP, theme.GAP)
        row.setSpacing(theme.GAP)
        row.addLayout(text, 1)
        row.addWidget(self.go_button, 1)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
