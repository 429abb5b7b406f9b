"""Movies frame by frame: every kind of file, its times, and what is damaged."""

from __future__ import annotations

from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from live.picture.sources.movie_frames import FileFrames, capture_size

from .conftest import make_movie


def test_every_frame_comes_once_with_its_own_time(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.08, 0.2, 0.5, 0.52, 0.6]  # A variable frame rate.
    frames = list(FileFrames(make_movie(tmp_path / "m.mp4", times)))
    assert [f.index for f in frames] == list(range(len(times)))
    assert [f.captured_at for f in frames] == pytest.approx(times, abs=0.002)
    assert [int(f.picture[20, 20, 0]) for f in frames] == pytest.approx([8 * i for i in range(7)], abs=4)


@pytest.mark.parametrize(
    ("size", "codec", "pix_fmt", "suffix"),
    [
        ((64, 48), "libx264", "yuv420p", "mp4"),
        ((48, 90), "libx264", "yuv444p", "mp4"),
        ((33, 21), "png", "rgba", "mov"),
        ((33, 21), "png", "gray", "mov"),
        ((63, 47), "ffv1", "gray", "mkv"),
        ((32, 32), "gif", "rgb8", "gif"),
    ],
)
def test_any_kind_of_picture_comes_as_rgb(
    tmp_path: Path, size: tuple[int, int], codec: str, pix_fmt: str, suffix: str
) -> None:
    path = make_movie(tmp_path / f"m.{suffix}", [0.0, 0.1, 0.2, 0.3], size, codec, pix_fmt)
    frames = list(FileFrames(path))
    assert len(frames) == 4
    for frame in frames:
        assert frame.picture.shape == (size[1], size[0], 3)
        assert frame.picture.dtype == np.uint8
        assert frame.picture.flags.c_contiguous


def test_4k_is_brought_down(tmp_path: Path) -> None:
    path = make_movie(tmp_path / "m.mp4", [0.0], (3840, 2160), "mpeg4")
    assert next(iter(FileFrames(path))).picture.shape == (720, 1280, 3)
    assert capture_size(1920, 1080) == (1920, 1080)
    assert capture_size(2160, 3840) == (720, 1280)
    assert capture_size(480, 908) == (480, 908)
    assert capture_size(20000, 4) == (2560, 2)


def test_a_turned_movie_comes_upright(tmp_path: Path) -> None:
    path = tmp_path / "m.mp4"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        picture = np.zeros((48, 64, 3), np.uint8)
        picture[:, :16] = 255  # White on the left.
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    # A quarter turn in the track header's matrix, as a telephone writes it: clockwise.
    raw = path.read_bytes()
    one = (1 << 16).to_bytes(4, "big")
    minus = ((1 << 32) - (1 << 16)).to_bytes(4, "big")
    plain = one + bytes(12) + one + bytes(12) + (1 << 30).to_bytes(4, "big")
    turned = bytes(4) + one + bytes(4) + minus + bytes(16) + (1 << 30).to_bytes(4, "big")
    at = raw.index(plain, raw.index(b"tkhd"))
    path.write_bytes(raw[:at] + turned + raw[at + 36 :])
    upright = next(iter(FileFrames(path))).picture
    assert upright.shape == (64, 48, 3)
    assert upright[4].mean() > 200
    assert upright[-4].mean() < 50


def test_corrupt_packets_are_skipped(footage: Path, tmp_path: Path) -> None:
    source = footage / "talkerF_man_glasses_8s.mp4"
    raw = bytearray(source.read_bytes())
    random = np.random.default_rng(3)
    for at in random.integers(len(raw) // 4, len(raw) * 3 // 4, 40):
        raw[at : at + 30] = random.bytes(30)
    path = tmp_path / "corrupt.mp4"
    path.write_bytes(raw)
    frames = list(FileFrames(path))
    assert len(frames) > 30
    assert all(a.captured_at < b.captured_at for a, b in pairwise(frames))


def test_a_file_cut_off_gives_what_it_has(footage: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.gif"
    raw = (footage / "hard_three_people_glasses_3s.gif").read_bytes()
    path.write_bytes(raw[: len(raw) // 3])
    assert 3 < len(list(FileFrames(path))) < 30


def test_the_footage_with_a_variable_frame_rate(footage: Path) -> None:
    frames = list(FileFrames(footage / "talkerJ_man_with_speech_6s.mp4"))
    assert len(frames) == 135
    assert frames[-1].captured_at == pytest.approx(6.1, abs=0.1)


def test_frames_of_a_still_file_are_few(footage: Path) -> None:
    frames = list(islice(FileFrames(footage / "hard_group_walking_small_faces_3s.gif"), 5))
    assert frames[1].captured_at > 0.05
