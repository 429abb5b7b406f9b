"""Which screen the stage fills."""

from __future__ import annotations

from PyQt5.QtGui import QGuiApplication
from PyQt5.QtWidgets import QApplication

from live.operator.stage_controls import choose_screen


def test_no_other_screen_is_no_screen(qapp: QApplication) -> None:
    screen = QGuiApplication.primaryScreen()
    assert screen is not None
    mine = screen.geometry().center()
    assert choose_screen("", mine) is None
    assert choose_screen("1", mine) == screen.name()
    assert choose_screen("9", mine) is None
