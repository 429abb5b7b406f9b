"""Names are text: one that looks like HTML could have the Qt thread open any file of this machine, pipes too."""

from __future__ import annotations

from pathlib import Path

import pytest
from PyQt5.QtCore import QAbstractItemModel, Qt, QTimer
from PyQt5.QtWidgets import QAbstractItemView, QApplication, QLabel, QMessageBox, QWidget
from pytestqt.qtbot import QtBot

from live.manage.health import Health
from live.manage.snapshot import EngineState
from live.operator.confirm import confirm
from live.process.engine_kind import EngineKind
from live.process.metrics import PictureMetrics
from tests.live.operator.fake_stage_manager import cue, fault, note, sound
from tests.live.operator.ui import Ui

HOSTILE = "<img src='/fifo'>&x"


def is_rich(label: QLabel) -> bool:
    text, form = label.text(), label.textFormat()
    return form == Qt.TextFormat.RichText or (form == Qt.TextFormat.AutoText and Qt.mightBeRichText(text))


def tips(widget: QWidget) -> list[str]:
    """Its tool tip, and those of the items it lists."""
    found = [widget.toolTip()]
    model = widget.model() if isinstance(widget, QAbstractItemView) else None
    if isinstance(model, QAbstractItemModel):
        rows = range(model.rowCount())
        found += [str(model.data(model.index(row, 0), Qt.ItemDataRole.ToolTipRole)) for row in rows]
    return found


def drawn_as_html(window: QWidget) -> list[str]:
    """Whatever of its widgets is rich text and has markup in it that is not the window's own."""
    rich = [label.text() for label in window.findChildren(QLabel) if is_rich(label)]
    rich += [tip for each in window.findChildren(QWidget) for tip in tips(each) if Qt.mightBeRichText(tip)]
    return [text for text in rich if "<img" in text]


def hostile_show(ui: Ui, folder: Path) -> None:
    look = folder / f"{HOSTILE.replace('/', '')}.onnx"
    look.touch()
    metrics = PictureMetrics(camera=HOSTILE, camera_trouble=HOSTILE, provider=HOSTILE, look=HOSTILE)
    ui.manager.become(
        show_name=HOSTILE,
        show_path=folder / "show.toml",
        cues=(cue(0, HOSTILE, look=look, voice=look), cue(1, HOSTILE, "refused", HOSTILE, look=look)),
        picture=EngineState(EngineKind.PICTURE, Health.PERFORMING, 0.1, 0, metrics),
        sound=sound(
            microphone=HOSTILE, speaker=HOSTILE, voice=HOSTILE, priority=HOSTILE, latency_parts_ms={HOSTILE: 2.0}
        ),
        faults=(fault(1.0, HOSTILE, HOSTILE),),
        notes=(note(1.0, HOSTILE),),
    )
    ui.window.note(HOSTILE)
    ui.window.refresh()


def test_no_name_of_a_show_is_drawn_as_html(ui: Ui, tmp_path: Path) -> None:
    hostile_show(ui, tmp_path)
    assert ui.window.title.text() == HOSTILE
    assert ui.window.go_panel.next_name.toolTip()
    assert drawn_as_html(ui.window) == []


def test_a_question_is_not_drawn_as_html(qtbot: QtBot, ui: Ui) -> None:
    seen: list[list[str]] = []

    def answer() -> None:
        box = QApplication.activeModalWidget()
        assert isinstance(box, QMessageBox)
        assert box.text() == HOSTILE
        seen.append(drawn_as_html(box))
        box.reject()

    QTimer.singleShot(50, answer)
    assert not confirm(ui.window, HOSTILE, "Yes")
    assert seen == [[]]


@pytest.mark.parametrize("text", [HOSTILE, "a < b", "two\nlines", "<b>"])
def test_a_tool_tip_says_what_it_was_given(text: str) -> None:
    from PyQt5.QtGui import QTextDocument

    from live.operator.theme import plain_tip

    tip = plain_tip(text)
    shown = QTextDocument()
    if Qt.mightBeRichText(tip):
        shown.setHtml(tip)
    else:
        shown.setPlainText(tip)
    assert shown.toPlainText() == text
