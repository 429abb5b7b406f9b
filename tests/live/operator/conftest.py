"""The windows, opened and closed for each test that asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from PyQt5.QtCore import QCoreApplication, QEvent
from PyQt5.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from live.operator import theme
from tests.live.operator.fake_stage_manager import FakeStageManager
from tests.live.operator.ui import Ui


@pytest.fixture
def ui(qtbot: QtBot, qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ui]:
    # Half a second passes from one key event to the next, so that a test's presses are not taken for a held key's.
    monkeypatch.setattr("live.operator.shortcuts.now", count(0.0, 0.5).__next__)
    theme.apply(qapp)
    made = Ui(FakeStageManager(), tmp_path)
    made.window.resize(1280, 720)
    made.window.show()
    made.stage.show_as_window()
    made.window.activateWindow()
    qtbot.waitUntil(made.window.isActiveWindow)
    made.window.cue_list.setFocus()
    yield made
    made.window.close_without_asking()
    made.stage.close_for_good()
    made.window.deleteLater()
    made.stage.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
