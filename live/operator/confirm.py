"""A question before something that the audience would see. Qt thread. Enter and Esc both keep performing."""

from __future__ import annotations

from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QMessageBox, QWidget


def confirm(parent: QWidget, text: str, yes: str) -> bool:
    """True when the operator pressed the button labelled `yes`. Waits for the answer; pictures go on meanwhile."""
    box = QMessageBox(QMessageBox.Icon.Warning, "Guise", "", parent=parent)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(text)
    yes_button = box.addButton(yes, QMessageBox.ButtonRole.AcceptRole)
    no_button = box.addButton("Keep performing", QMessageBox.ButtonRole.RejectRole)
    box.setDefaultButton(no_button)
    box.setEscapeButton(no_button)
    box.exec_()
    return box.clickedButton() is yes_button
