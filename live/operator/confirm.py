"""A question before something the audience would see. Runs in the Qt thread; Enter and Esc both keep performing."""

from __future__ import annotations

from PyQt5.QtWidgets import QMessageBox, QWidget


def agreed(parent: QWidget, question: str, yes: str) -> bool:
    """True when the operator pressed the button that says `yes`. Waits for the answer; pictures go on meanwhile."""
    box = QMessageBox(QMessageBox.Icon.Warning, "Guise", question, parent=parent)
    agree = box.addButton(yes, QMessageBox.ButtonRole.AcceptRole)
    keep = box.addButton("Keep performing", QMessageBox.ButtonRole.RejectRole)
    box.setDefaultButton(keep)
    box.setEscapeButton(keep)
    box.exec_()
    return box.clickedButton() is agree
