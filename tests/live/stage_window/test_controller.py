"""What the window tells its operator of itself."""

from __future__ import annotations

import socket
from pathlib import Path

from pytestqt.qtbot import QtBot

from live.stage_window.controller import WindowController
from live.stage_window.link import MessageLink
from live.stage_window.messages import SignOfLife, StageMessage, StageNotice
from live.stage_window.window import StageWindow


def test_a_window_that_could_not_be_taken_over_says_so_while_somebody_hears(qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ours, theirs = socket.socketpair()
    window = StageWindow()
    controller = WindowController(window, MessageLink(theirs), 60.0, tmp_path / "file" / "run")
    operator = MessageLink(ours)
    said: list[StageMessage] = []
    try:
        for _ in range(2):
            operator.send(SignOfLife())
            qtbot.wait(80)
            said += operator.receive()
    finally:
        controller.close()
        window.close_for_good()
        window.deleteLater()
        operator.close()
    (notice,) = [each.text for each in said if isinstance(each, StageNotice)]
    assert notice.startswith("Should Guise die, the next could not take the stage window over: ")
