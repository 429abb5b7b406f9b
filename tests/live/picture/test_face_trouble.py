"""Why there is no face: the tracker knows, the heartbeat carries it, the input preview says it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from live.operator.previews import InputView
from live.picture.engine import ANOTHER_PERFORMER
from live.picture.sources.movie_frames import FileFrames
from live.picture.tracker import CUT, SMALL, Tracker
from live.process.frames import Frame
from live.process.messages import Note
from models.features.face_points import FacePoints
from models.features.types import Picture

from .engine_rig import Rig


@pytest.fixture
def pictures(footage: Path) -> Iterator[Picture]:
    return (frame.picture for frame in islice(FileFrames(footage / "talkerF_man_glasses_8s.mp4"), 60))


def test_a_face_that_leaves_at_the_side_is_cut(pictures: Iterator[Picture], face_points: FacePoints) -> None:
    tracker = Tracker(face_points)
    found = []
    for i, picture in enumerate(pictures):
        moved = np.zeros_like(picture)
        left = 10 * i
        moved[:, : picture.shape[1] - left] = picture[:, left:]
        found.append(tracker.update(Frame(moved, i / 30, i)) is not None)
        if not found[-1]:
            break
    assert found[0]
    assert not found[-1]
    assert tracker.trouble == CUT


def test_who_goes_too_far_away_is_small(pictures: Iterator[Picture], face_points: FacePoints) -> None:
    tracker = Tracker(face_points)
    found = []
    for i, picture in enumerate(pictures):
        share = 0.93**i
        away = np.zeros_like(picture)
        height, width = (round(n * share) for n in picture.shape[:2])
        top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
        away[top : top + height, left : left + width] = cv2.resize(
            picture, (width, height), interpolation=cv2.INTER_AREA
        )
        found.append(tracker.update(Frame(away, i / 30, i)) is not None)
        if not found[-1]:
            break
    assert found[0]
    assert not found[-1]
    assert tracker.trouble == SMALL


def test_the_heartbeat_carries_it(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tracker, "update", lambda self, frame: setattr(self, "trouble", CUT))
    rig.frame_unseen()
    assert rig.engine.metrics().face_trouble == CUT


def test_another_performer_is_told_once(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    performers = iter([0, 1, 1, 2, 2])
    monkeypatch.setattr(Tracker, "update", lambda self, frame: setattr(self, "performer", next(performers)))
    for _ in range(5):
        rig.frame_unseen()
    assert [note.text for note in rig.heard(Note)] == [ANOTHER_PERFORMER]


def test_the_input_preview_says_it(qtbot: QtBot) -> None:
    view = InputView()
    qtbot.addWidget(view)
    assert view.face_status == "No face"
    view.show_face_trouble(CUT)
    assert view.face_status == CUT
