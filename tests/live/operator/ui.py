"""Both windows with a scripted StageManager, and the keys that tests press."""

from __future__ import annotations

import time
from pathlib import Path

from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from live.control.actions import Actions
from live.operator.fault_log import FaultLog
from live.operator.settings_store import SettingsStore
from live.operator.stage import Stage
from live.operator.window import OperatorWindow
from tests.live.operator.fake_stage_manager import FakeStageManager
from tests.live.operator.fake_stage_process import FakeStageProcess


class Ui:
    """The operator's window, the stage as it knows it, and the StageManager they show."""

    def __init__(self, manager: FakeStageManager, folder: Path) -> None:
        self.time = time.perf_counter()
        self.manager = manager
        self.settings = folder / "settings.ini"
        self.process = FakeStageProcess()
        self.stage = Stage(self.process, manager.audience.on_drawn)
        self.window = OperatorWindow(
            manager,
            Actions(manager),
            self.stage,
            SettingsStore(self.settings),
            thumbnail_cache=folder / "thumbnails",
            clock=lambda: self.time,
        )


def log_lines(log: FaultLog) -> list[str]:
    """The lines of the log, from the top."""
    return [item.text() for item in map(log.item, range(log.count())) if item is not None]


def press(qtbot: QtBot, key: int, modifier: Qt.KeyboardModifiers | None = None) -> None:
    """Presses a key in the widget that has the focus."""
    target = QApplication.focusWidget() or QApplication.activeWindow()
    assert target is not None
    qtbot.keyClick(target, key, modifier or Qt.KeyboardModifier.NoModifier)
