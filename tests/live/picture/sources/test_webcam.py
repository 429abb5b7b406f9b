"""A webcam: found by name, missing, unplugged."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from live.picture.sources import webcam
from live.picture.sources.registry import open_source
from live.picture.sources.source import Source, SourceGone
from live.picture.sources.webcam import Webcam, cameras
from models.features.types import Picture

from .conftest import until


def test_cameras_are_named_by_the_system(tmp_path: Path) -> None:
    for number, name, index in [(0, "Built-in", 0), (1, "Built-in", 1), (10, "Logitech C920", 0)]:
        folder = tmp_path / f"video{number}"
        folder.mkdir()
        (folder / "name").write_text(name + "\n")
        (folder / "index").write_text(f"{index}\n")
    assert cameras(tmp_path) == {0: "Built-in", 10: "Logitech C920"}
    assert cameras(tmp_path / "nothing") == {}


def test_a_camera_that_is_not_there_is_said_and_tried_again(started: Callable[[Source], Source]) -> None:
    source = started(open_source("no such camera"))
    assert until(lambda: "no such camera" in source.error)
    assert source.gone


class FakeCapture:
    """A webcam of a test with OpenCV's interface: two good frames, then bogus ones."""

    def __init__(self, *_: int) -> None:
        self.reads = 0
        self.asked: dict[int, float] = {}

    def isOpened(self) -> bool:
        return True

    def set(self, name: int, value: float) -> bool:
        self.asked[name] = value
        return True

    def grab(self) -> bool:
        self.reads += 1
        if self.reads <= 2:
            time.sleep(0.01)
        return True

    def retrieve(self) -> tuple[bool, Picture]:
        return True, np.full((6, 8, 3), (1, 2, 3), np.uint8)

    def release(self) -> None: ...


def test_a_webcam_asks_for_mjpg_and_one_that_lies_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    device = FakeCapture()
    monkeypatch.setattr(cv2, "VideoCapture", lambda *_: device)
    monkeypatch.setattr(sys, "platform", "test")
    source = Webcam(0)
    seen: list[Picture] = []
    grabbed = source.grab(None)  # type: ignore[arg-type]
    with pytest.raises(SourceGone):
        seen.extend(picture for picture, _ in grabbed)
    assert seen[0][0, 0].tolist() == [3, 2, 1]
    assert len(seen) <= webcam.BOGUS_READS + 2
    assert device.asked[cv2.CAP_PROP_FOURCC] == cv2.VideoWriter.fourcc(*"MJPG")
