"""The one way to pictures: whatever a file is like, they come as a player would show them."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import psutil
import pytest
from av.video.frame import VideoFrame

from models.features.media.bad_media import BadMedia, NoStream
from models.features.media.containers import create_movie, open_pictures
from models.features.media.picture_files import encode_picture
from models.features.media.picture_stream import PictureStream
from models.features.media.stamps import PictureStamps
from models.features.types import Picture

from .films import FRAMES, HEIGHT, WIDTH, as_hdr, scene, set_display_matrix, write_film

SCENES = [scene(number) for number in range(FRAMES)]


def pictures_of(path: Path) -> list[Picture]:
    with PictureStream(path) as stream:
        return [frame.picture() for frame in stream.frames()]


def assert_shows_the_scene(path: Path, within: float = 2.0) -> None:
    pictures = pictures_of(path)
    assert len(pictures) == FRAMES
    for picture, expected in zip(pictures, SCENES, strict=True):
        assert picture.shape == expected.shape
        assert np.abs(picture.astype(int) - expected).mean() < within
        greys = [cv2.cvtColor(each, cv2.COLOR_RGB2GRAY).astype(np.float64) for each in (picture, expected)]
        assert np.linalg.norm(cv2.phaseCorrelate(*greys)[0]) < 1


@pytest.mark.parametrize(
    ("pixel_format", "tags"),
    [
        ("yuv420p", {}),
        ("yuv420p", {"matrix": 5}),
        ("yuv420p", {"matrix": 5, "untagged": True}),
        ("yuv422p", {"matrix": 5, "full_range": True}),
        ("yuv420p", {"full_range": True}),
        ("yuv444p10le", {}),
        ("bgr0", {"matrix": 0, "full_range": True}),
        ("gbrp10le", {"matrix": 0, "full_range": True}),
    ],
)
def test_colours_are_those_of_the_tags(tmp_path: Path, pixel_format: str, tags: dict[str, Any]) -> None:
    assert_shows_the_scene(write_film(tmp_path / "m.mkv", SCENES, pixel_format, **tags))


def test_a_large_film_without_a_tag_is_taken_for_bt709(tmp_path: Path) -> None:
    large = np.asarray(cv2.resize(SCENES[0], (1280, 720)), np.uint8)
    picture = pictures_of(write_film(tmp_path / "m.mkv", [large], "yuv420p", untagged=True))[0]
    assert np.abs(picture.astype(int) - large).mean() < 2


@pytest.mark.parametrize("pq", [False, True])
def test_high_dynamic_range_comes_back_to_what_it_was_made_from(tmp_path: Path, pq: bool) -> None:
    hdr = [as_hdr(picture, pq) for picture in SCENES]
    path = tmp_path / "m.mkv"
    write_film(path, hdr, "yuv420p10le", matrix=9, transfer=16 if pq else 18, primaries=9)  # type: ignore[arg-type]
    assert_shows_the_scene(path, within=4)


@pytest.mark.parametrize(
    ("stored", "matrix"),
    [
        (lambda picture: np.rot90(picture, 1), (0, 1, -1, 0)),
        (lambda picture: np.rot90(picture, 2), (-1, 0, 0, -1)),
        (lambda picture: np.rot90(picture, 3), (0, -1, 1, 0)),
        (lambda picture: picture[:, ::-1], (-1, 0, 0, 1)),
        (lambda picture: picture[::-1], (1, 0, 0, -1)),
        (lambda picture: picture.transpose(1, 0, 2), (0, 1, 1, 0)),
    ],
)
def test_what_is_turned_or_mirrored_comes_upright(
    tmp_path: Path, stored: Callable[[Picture], Picture], matrix: tuple[int, int, int, int]
) -> None:
    turned = [np.ascontiguousarray(stored(picture)) for picture in SCENES]
    path = write_film(tmp_path / "m.mp4", turned, "yuv444p", codec="libx264")
    assert_shows_the_scene(set_display_matrix(path, *matrix))


@pytest.mark.parametrize(
    ("size", "aspect"),
    [((WIDTH * 3 // 4, HEIGHT), Fraction(4, 3)), ((WIDTH, HEIGHT // 2), Fraction(1, 2))],
)
def test_pixels_come_square(tmp_path: Path, size: tuple[int, int], aspect: Fraction) -> None:
    narrow = [np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8) for picture in SCENES]
    assert_shows_the_scene(write_film(tmp_path / "m.mp4", narrow, codec="libx264", aspect=aspect))


def test_an_aspect_that_no_camera_has_is_an_error_of_the_file(tmp_path: Path) -> None:
    assert_shows_the_scene(write_film(tmp_path / "m.mp4", SCENES, codec="libx264", aspect=Fraction(400, 1)))


def test_interlaced_pictures_lose_their_combs_and_keep_their_times(tmp_path: Path) -> None:
    path = tmp_path / "i.mp4"
    with av.open(str(path), "w") as container:
        options = {"qp": "0", "x264-params": "tff=1"}
        stream: Any = container.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv444p"
        for number in range(8):
            woven = scene(2 * number)
            woven[1::2] = scene(2 * number + 1)[1::2]
            container.mux(stream.encode(VideoFrame.from_ndarray(woven, format="rgb24")))
        container.mux(stream.encode(None))
    with PictureStream(path) as stream:
        frames = list(stream.frames())
        pictures = [frame.picture() for frame in frames]
    container, stream = open_pictures(path)
    with container:
        raw = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(stream)]
    assert [frame.time_s for frame in frames] == pytest.approx([time for time, _ in raw])
    plain = _combs(scene(8))
    assert _combs(pictures[4]) - plain < 0.25 * (_combs(raw[4][1]) - plain)


def _combs(picture: Picture) -> float:
    """Second differences from line to line, beyond what rounding makes."""
    return float(np.maximum(np.abs(np.diff(picture.astype(int), 2, axis=0)) - 6, 0).mean())


def test_a_size_that_changes_is_fitted_into_the_first(tmp_path: Path) -> None:
    small = np.ascontiguousarray(SCENES[1][:, : WIDTH // 2])
    first = write_film(tmp_path / "1.m2v", [SCENES[0]] * 2, "yuv420p", codec="mpeg2video")
    second = write_film(tmp_path / "2.m2v", [small] * 2, "yuv420p", codec="mpeg2video")
    path = tmp_path / "both.m2v"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    pictures = pictures_of(path)
    assert {picture.shape for picture in pictures} == {(HEIGHT, WIDTH, 3)}
    assert pictures[-1][:, : WIDTH // 5].max() == 0
    assert pictures[-1][:, WIDTH // 2].min() > 20


def test_see_through_pixels_lie_on_black(tmp_path: Path) -> None:
    path = tmp_path / "m.mov"
    rgba = np.full((32, 32, 4), (200, 100, 50, 255), np.uint8)
    rgba[:, :16, 3] = 0
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "rgba"
        container.mux(stream.encode(VideoFrame.from_ndarray(rgba, format="rgba")))
        container.mux(stream.encode(None))
    picture = pictures_of(path)[0]
    assert picture[:, :16].max() == 0
    assert tuple(picture[5, 20]) == (200, 100, 50)


def test_cover_art_is_no_film(tmp_path: Path) -> None:
    cover = _with_cover(tmp_path / "s.mp3", sound_only=True)
    with pytest.raises(NoStream, match="no video stream"):
        PictureStream(cover)
    film = _with_cover(tmp_path / "m.mp4", sound_only=False)
    assert pictures_of(film)[0].shape == (HEIGHT, WIDTH, 3)


def _with_cover(path: Path, sound_only: bool) -> Path:
    """A file whose first picture stream is a picture on its cover, 32 pixels wide."""
    with av.open(str(path), "w") as container:
        cover: Any = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 32, 32, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        picture = VideoFrame.from_ndarray(np.full((32, 32, 3), 99, np.uint8), format="rgb24")
        if sound_only:
            sound: Any = container.add_stream("libmp3lame", rate=44_100)
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1152), np.float32), "fltp", "mono")
            frame.rate = 44_100
            packets = [*sound.encode(frame), *sound.encode(None)]
        else:
            film: Any = container.add_stream("libx264", rate=25)
            film.width, film.height, film.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            packets = [
                packet
                for each in [*(VideoFrame.from_ndarray(scene, format="rgb24") for scene in SCENES), None]
                for packet in film.encode(each)
            ]
        container.mux([*cover.encode(picture), *cover.encode(None)])
        container.mux(packets)
    return path


@pytest.mark.parametrize("name", [b"take:2.mkv", b"http:m.mkv", b"caf\xe9.mkv", b"a b%20'.mkv"])
def test_any_name_of_a_file_is_one(tmp_path: Path, name: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    write_film(tmp_path / "m.mkv", SCENES).rename(tmp_path / os.fsdecode(name))
    monkeypatch.chdir(tmp_path)
    assert_shows_the_scene(Path(os.fsdecode(name)))


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    for path in (tmp_path / "pipe.mp4", tmp_path, Path("/dev/zero")):
        with pytest.raises(BadMedia, match="is not a file"):
            PictureStream(path)


def test_pictures_beyond_all_bounds_are_refused(tmp_path: Path) -> None:
    path = write_film(tmp_path / "m.mov", [np.zeros((32, 17_000, 3), np.uint8)], codec="png", pixel_format="rgb24")
    with pytest.raises(BadMedia, match="17000x32"):
        PictureStream(path)


def test_half_a_file_says_how_much_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "m.mp4"
    options = {"movflags": "faststart"}
    container, stream = create_movie(path, (WIDTH, HEIGHT), Fraction(25), {"qp": "0", "g": "5"}, options)
    with container:
        for number in range(75):
            container.mux(stream.encode(VideoFrame.from_ndarray(scene(number % 40), format="rgb24")))
        container.mux(stream.encode(None))
    assert _notes(path) == ()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    (note,) = _notes(path)
    assert note.startswith("the file says 3.0 s, 1.")


def _notes(path: Path) -> tuple[str, ...]:
    with PictureStream(path) as stream:
        read = len(list(stream.frames()))
        return stream.notes(read / 25)


def test_stamps_are_mended() -> None:
    year = 3.2e7
    stamps = PictureStamps(0.04)
    raw = [5.0, 5.04, year, year + 0.04, 5.16, None, 5.24, 5.23, 5.32]
    assert [stamps.mend(stamp) for stamp in raw] == pytest.approx(
        [0.0, 0.04, 0.08, 0.12, 0.16, 0.20, 0.24, 0.28, 0.32], abs=0.001
    )
    right_again = PictureStamps(0.04)
    assert [right_again.mend(stamp) for stamp in (0.0, 0.04, year, 0.20)] == pytest.approx([0.0, 0.04, 0.08, 0.20])
    slides = PictureStamps(0.04, sound_until_s=100)
    assert [slides.mend(stamp) for stamp in (0.0, 30.0, 60.0)] == pytest.approx([0, 30, 60])


def test_still_pictures_are_read_like_films(tmp_path: Path) -> None:
    (tmp_path / "p.png").write_bytes(encode_picture(SCENES[0], ".png"))
    assert len(pictures_of(tmp_path / "p.png")) == 1


def test_damage_in_a_file_that_does_not_say_its_length_is_said(tmp_path: Path) -> None:
    path = write_film(tmp_path / "m.mkv", SCENES)
    with PictureStream(path) as stream:
        list(stream.frames())
        stream.damaged = 2
        assert stream.notes(FRAMES / 25) == ("2 damaged pieces are left out of the pictures",)


def test_frames_leave_nothing_behind(tmp_path: Path) -> None:
    """The picture engine collects no garbage while it performs: a frame that refers to itself would stay, and with it
    the threads that convert it."""
    path = write_film(tmp_path / "m.mkv", SCENES * 5, "yuv420p")
    gc.collect()
    gc.disable()
    try:
        threads = psutil.Process().num_threads()
        assert len(pictures_of(path)) == 5 * FRAMES
        left = [each for each in gc.get_objects() if type(each) is VideoFrame]
        assert len(left) <= 1, "the first, of which the display matrix was asked for"
        assert psutil.Process().num_threads() <= threads + 2
    finally:
        gc.enable()
