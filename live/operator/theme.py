"""The look of the operator's window: palette, type sizes, spacing and one stylesheet, readable from two metres.

Each colour means one thing everywhere: green is on stage, amber is standby, blue is loading, red is a fault, the panic
banner or muted sound. Qt thread; knows nothing of the show.
"""

from __future__ import annotations

from typing import Final

from PyQt5.QtCore import Qt
from PyQt5.QtGui import QColor, QFont, QPalette
from PyQt5.QtWidgets import QApplication, QLabel

BACKGROUND: Final = QColor("#0e1014")
PANEL: Final = QColor("#171a20")
RAISED: Final = QColor("#23272f")
HOVER: Final = QColor("#2c313b")
LINE: Final = QColor("#333a46")
TEXT: Final = QColor("#f3f5f8")
QUIET: Final = QColor("#a3adbc")
DISABLED: Final = QColor("#6b7482")
INK: Final = QColor("#0b0d10")
"""Text on a bright colour."""

ON_STAGE: Final = QColor("#37c871")
STANDBY: Final = QColor("#f6b73c")
FAULT: Final = QColor("#ff5247")
ALARM: Final = QColor("#c81e1e")
"""The panic banner and a pressed panic or mute button: darker than FAULT, so that white text is legible on it."""
LOADING: Final = QColor("#55a4ff")
SELECTION: Final = QColor("#dfe6f0")

BODY_PX: Final = 18
CUE_PX: Final = 24
FIGURE_PX: Final = 24
TITLE_PX: Final = 26
BANNER_PX: Final = 30
GO_PX: Final = 60

GAP: Final = 12
SMALL_GAP: Final = 6
RADIUS: Final = 6

FAMILIES: Final = ["Inter", "Segoe UI", "Helvetica Neue", "Noto Sans", "DejaVu Sans"]
"""The first of these that is installed is used; all have digits of one width, so that the meters do not shift."""


def font(size_px: int = BODY_PX, *, bold: bool = False) -> QFont:
    """The window's font at a size in pixels."""
    new = QFont()
    new.setFamilies(FAMILIES)
    new.setPixelSize(size_px)
    new.setBold(bold)
    new.setStyleHint(QFont.StyleHint.SansSerif)
    return new


def apply(application: QApplication) -> None:
    """Gives the whole application its palette, font and stylesheet. Called once, before the first window."""
    application.setStyle("Fusion")
    application.setFont(font())
    application.setPalette(palette())
    application.setStyleSheet(stylesheet())


def label(text: str = "", name: str = "") -> QLabel:
    """A label; the stylesheet selects it by its name."""
    new = QLabel(text)
    new.setTextFormat(Qt.TextFormat.PlainText)  # a name of a show may look like HTML, which could name any file
    new.setObjectName(name)
    return new


def plain_tip(text: str) -> str:
    """Text for a tool tip, which Qt takes for HTML where it looks like it."""
    rich = Qt.mightBeRichText(text)  # type: ignore[attr-defined]  # the stubs lack both
    return str(Qt.convertFromPlainText(text)) if rich else text  # type: ignore[attr-defined]


def set_colour(label: QLabel, colour: QColor) -> None:
    """Sets a label's text colour by its palette: a stylesheet would cost a repaint of the whole window."""
    own = label.palette()
    if own.color(QPalette.ColorRole.WindowText) != colour:
        own.setColor(QPalette.ColorRole.WindowText, colour)
        label.setPalette(own)


def palette() -> QPalette:
    """The dark palette, for what the Fusion style draws."""
    new = QPalette()
    for role, colour in (
        (QPalette.ColorRole.Window, BACKGROUND),
        (QPalette.ColorRole.WindowText, TEXT),
        (QPalette.ColorRole.Base, PANEL),
        (QPalette.ColorRole.AlternateBase, RAISED),
        (QPalette.ColorRole.Text, TEXT),
        (QPalette.ColorRole.Button, RAISED),
        (QPalette.ColorRole.ButtonText, TEXT),
        (QPalette.ColorRole.BrightText, FAULT),
        (QPalette.ColorRole.ToolTipBase, RAISED),
        (QPalette.ColorRole.ToolTipText, TEXT),
        (QPalette.ColorRole.PlaceholderText, QUIET),
        (QPalette.ColorRole.Highlight, HOVER),
        (QPalette.ColorRole.HighlightedText, TEXT),
        (QPalette.ColorRole.Link, LOADING),
    ):
        new.setColor(role, colour)
    for role in (QPalette.ColorRole.WindowText, QPalette.ColorRole.Text, QPalette.ColorRole.ButtonText):
        new.setColor(QPalette.ColorGroup.Disabled, role, DISABLED)
    return new


def stylesheet() -> str:
    """What a palette cannot set: corners, borders, and sizes by object name."""
    return f"""
    QMainWindow, QDialog, QMessageBox {{ background: {BACKGROUND.name()}; }}
    QToolTip {{ background: {RAISED.name()}; color: {TEXT.name()}; border: 1px solid {LINE.name()}; padding: 6px; }}
    QMenuBar {{ background: {BACKGROUND.name()}; color: {TEXT.name()}; padding: 2px 6px; }}
    QMenuBar::item {{ padding: 5px 12px; border-radius: 4px; }}
    QMenuBar::item:selected {{ background: {HOVER.name()}; }}
    QMenu {{ background: {RAISED.name()}; border: 1px solid {LINE.name()}; padding: 6px; }}
    QMenu::item {{ padding: 7px 34px 7px 30px; border-radius: 4px; }}
    QMenu::item:selected {{ background: {HOVER.name()}; }}
    QMenu::item:disabled {{ color: {DISABLED.name()}; }}
    QMenu::separator {{ height: 1px; background: {LINE.name()}; margin: 6px; }}

    QFrame#panel {{ background: {PANEL.name()}; border-radius: {RADIUS}px; }}
    QLabel#caption {{ color: {QUIET.name()}; }}
    QLabel#caption:disabled {{ color: {DISABLED.name()}; }}
    QLabel#figure {{ font-size: {FIGURE_PX}px; font-weight: bold; }}
    QLabel#title {{ font-size: {TITLE_PX}px; font-weight: bold; }}
    QLabel#next {{ font-size: {TITLE_PX}px; font-weight: bold; color: {STANDBY.name()}; }}
    QLabel#banner {{ background: {ALARM.name()}; color: white; font-size: {BANNER_PX}px; font-weight: bold; }}

    QPushButton {{ background: {RAISED.name()}; border: 1px solid {LINE.name()}; border-radius: {RADIUS}px;
        padding: 8px 14px; }}
    QPushButton:hover {{ background: {HOVER.name()}; }}
    QPushButton:pressed {{ background: {LINE.name()}; }}
    QPushButton#go {{ background: {ON_STAGE.name()}; color: {INK.name()}; border: none; font-size: {GO_PX}px;
        font-weight: 900; }}
    QPushButton#go:hover {{ background: #45d880; }}
    QPushButton#go:pressed {{ background: #a4f3c4; }}
    QPushButton#panic {{ background: transparent; color: {FAULT.name()}; border: 2px solid {FAULT.name()};
        font-weight: bold; }}
    QPushButton#panic:hover {{ background: #3a1c1c; }}
    QPushButton#panic:checked {{ background: {ALARM.name()}; color: white; border-color: {ALARM.name()}; }}

    QPushButton#mute {{ font-weight: bold; }}
    QPushButton#mute:checked {{ background: {ALARM.name()}; color: white; border-color: {ALARM.name()}; }}
    QPushButton#mute:focus {{ border: 2px solid {SELECTION.name()}; }}
    QPushButton#mute:disabled {{ color: {DISABLED.name()}; background: {PANEL.name()}; border-color: {RAISED.name()}; }}
    QLabel#lamp {{ color: {LINE.name()}; border: 1px solid {LINE.name()}; border-radius: 5px; padding: 0 7px;
        font-weight: bold; }}
    QLabel#lamp:disabled {{ color: {RAISED.name()}; border-color: {RAISED.name()}; }}
    QLabel#lamp[on="true"] {{ background: {STANDBY.name()}; color: {INK.name()}; border-color: {STANDBY.name()}; }}

    QComboBox {{ background: {RAISED.name()}; border: 1px solid {LINE.name()}; border-radius: {RADIUS}px;
        padding: 5px 10px; }}
    QComboBox:focus {{ border-color: {SELECTION.name()}; }}
    QComboBox::drop-down {{ border: none; width: 26px; }}
    QComboBox QAbstractItemView {{ background: {RAISED.name()}; selection-background-color: {HOVER.name()}; }}

    QListView {{ background: {PANEL.name()}; border: 2px solid transparent; border-radius: {RADIUS}px;
        outline: none; }}
    QListView:focus {{ border-color: {LINE.name()}; }}
    QListWidget {{ padding: 4px 8px; }}
    QSplitter::handle {{ background: {BACKGROUND.name()}; }}
    QSplitter::handle:hover {{ background: {RAISED.name()}; }}
    QScrollBar:vertical {{ background: transparent; width: 12px; margin: 2px; }}
    QScrollBar::handle:vertical {{ background: {LINE.name()}; border-radius: 4px; min-height: 40px; }}
    QScrollBar::add-line, QScrollBar::sub-line {{ height: 0; width: 0; }}
    QScrollBar::add-page, QScrollBar::sub-page {{ background: none; }}
    """
