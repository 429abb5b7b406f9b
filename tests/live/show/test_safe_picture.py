"""The safe picture's file, as all three of its readers read it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from live.show.safe_picture import BLACK_SIZE, black_picture, read_safe_picture


def test_what_cannot_be_read_is_none(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.png").touch()
    for path in (None, tmp_path / "text.png", tmp_path / "empty.png", tmp_path / "nothing.png", tmp_path):
        assert read_safe_picture(path) is None


def test_a_large_picture_is_made_smaller_and_keeps_its_proportions(tmp_path: Path) -> None:
    picture = np.full((1080, 1440, 3), (10, 20, 30), np.uint8)
    (tmp_path / "s\u00e4fe.png").write_bytes(cv2.imencode(".png", picture[..., ::-1])[1].tobytes())
    read = read_safe_picture(tmp_path / "s\u00e4fe.png")
    assert read is not None
    assert read.shape == (720, 960, 3)
    assert (read == (10, 20, 30)).all()


def test_black_has_the_size_asked_for() -> None:
    assert black_picture((5, 3)).shape == (3, 5, 3)
    assert black_picture().shape == (BLACK_SIZE[1], BLACK_SIZE[0], 3)
    assert not black_picture().any()
