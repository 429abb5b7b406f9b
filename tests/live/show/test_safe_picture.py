"""The safe picture's file, as all three of its readers read it."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from live.show.safe_picture import BLACK_SIZE, black_picture, open_safe_picture, read_safe_picture
from models.features.media.bad_media import BadMedia


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


def png_of(width: int, height: int) -> bytes:
    """The beginning of a PNG file that says so large it is, and an end without any pixels."""
    data = bytearray(cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


@pytest.mark.parametrize("size", [(9_000, 9_000), (16_000, 16_000), (60_000, 60_000), (2_000_000_000, 1)])
def test_a_picture_of_gigabytes_is_not_decoded(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "safe.png"
    path.write_bytes(png_of(*size))
    with pytest.raises(BadMedia, match="has more than 64 megapixels"):
        open_safe_picture(path)
    assert read_safe_picture(path) is None


def test_a_file_of_gigabytes_is_not_read_and_a_pipe_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "safe.png"
    with path.open("wb") as file:
        file.write(png_of(8, 8))
        file.truncate(200 << 30)
    with pytest.raises(BadMedia, match="has more than 100 MB"):
        open_safe_picture(path)
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(BadMedia, match="is not a file"):
        open_safe_picture(tmp_path / "pipe.png")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp"])
def test_every_format_that_a_show_may_name_is_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"safe{suffix}"
    path.write_bytes(cv2.imencode(suffix, np.full((40, 60, 3), 120, np.uint8))[1].tobytes())
    assert open_safe_picture(path).shape == (40, 60, 3)
