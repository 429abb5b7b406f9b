"""The home of media, on real files: written and read again, and refused in one line."""

from __future__ import annotations

import io
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile
from av.video.frame import VideoFrame
from PIL import Image

from models.features.media.bad_media import BadMedia, NoStream
from models.features.media.containers import create_movie, decoded, open_pictures, open_sound
from models.features.media.picture_files import encode_picture, read_picture_file, write_picture_file
from models.features.media.picture_stream import PictureStream
from models.features.media.sound_files import (
    growing_sound_file,
    read_sound_file,
    sound_file_length,
    write_sound_file,
)
from models.features.types import Picture

RED = (220, 30, 40)


def _plain(height: int, width: int) -> Picture:
    return np.full((height, width, 3), RED, np.uint8)


def _movie(path: Path, frames: int = 10) -> Path:
    container, stream = create_movie(path, (64, 48), Fraction(25), {"crf": "12"})
    with container:
        for _ in range(frames):
            container.mux(stream.encode(VideoFrame.from_ndarray(_plain(48, 64), format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("many_threads", [False, True])
def test_movie_is_written_and_read(tmp_path: Path, many_threads: bool) -> None:
    with PictureStream(_movie(tmp_path / "m.mp4"), many_threads=many_threads) as stream:
        assert stream.frame_count == 10
        assert stream.fps == 25
        frames = list(stream.frames())
        assert len(frames) == 10
        np.testing.assert_allclose(frames[0].picture(), _plain(48, 64), atol=6)
    with PictureStream(tmp_path / "m.mp4", fit=lambda size: (size[0] // 2, size[1] // 2)) as stream:
        assert next(stream.frames()).picture().shape == (24, 32, 3)


def test_damaged_packet_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "m.mp4"
    container, stream = create_movie(path, (64, 48), Fraction(25), {"g": "1"})  # every frame a key frame
    with container:
        for number in range(10):
            picture = np.random.default_rng(number).integers(0, 255, (48, 64, 3), np.uint8)
            container.mux(stream.encode(VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    container, stream = open_pictures(path)
    with container:
        third = [packet for packet in container.demux(stream) if packet.size][3]
        begin, length = third.pos, third.size
    raw = bytearray(path.read_bytes())
    raw[begin + 4 : begin + length] = bytes(length - 4)
    path.write_bytes(raw)
    container, stream = open_pictures(path)
    with container:
        frames = list(decoded(container, stream))
    assert None in frames
    assert sum(frame is not None for frame in frames) == 9


def test_streams_that_are_not_there(tmp_path: Path) -> None:
    write_sound_file(tmp_path / "s.wav", np.zeros(1000), 16_000)
    with pytest.raises(NoStream, match="no video stream"):
        open_pictures(tmp_path / "s.wav")
    with pytest.raises(NoStream, match="no sound in it"):
        open_sound(_movie(tmp_path / "m.mp4"))


def test_what_is_no_medium_is_refused_in_one_line(tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no movie\nof any kind\n" * 40)
    for read in (open_pictures, open_sound, read_picture_file, read_sound_file, sound_file_length):
        with pytest.raises(BadMedia, match=r"text\.mp4") as refused:
            read(text)
        assert len(str(refused.value).splitlines()) == 1
    for opened in (open_pictures, open_sound):
        with pytest.raises(FileNotFoundError):
            opened(tmp_path / "missing.mp4")
    for read in (read_picture_file, read_sound_file, sound_file_length):
        with pytest.raises(BadMedia, match=r"missing\.mp4"):
            read(tmp_path / "missing.mp4")
    (tmp_path / "empty.png").touch()
    with pytest.raises(BadMedia, match="cannot be read as a picture"):
        read_picture_file(tmp_path / "empty.png")


def test_a_pipe_is_waited_for_by_nobody(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    for read in (open_pictures, open_sound, read_picture_file, read_sound_file, sound_file_length):
        with pytest.raises(BadMedia, match=r"pipe\.mp4 is not a file"):
            read(pipe)


def test_a_picture_is_bounded_by_its_header(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    Image.new("1", (12_000, 12_000)).save(path)
    with pytest.raises(BadMedia, match="more than 64 megapixels"):
        read_picture_file(path)
    with path.open("r+b") as file:
        file.truncate(100_000_001)
    with pytest.raises(BadMedia, match="more than 100 MB"):
        read_picture_file(path)


def test_picture_is_written_and_read_in_rgb(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (9, 7, 3), np.uint8)
    write_picture_file(tmp_path / "p.png", picture)
    np.testing.assert_array_equal(read_picture_file(tmp_path / "p.png"), picture)
    assert encode_picture(picture, ".png") == (tmp_path / "p.png").read_bytes()
    with pytest.raises(FileNotFoundError):
        write_picture_file(tmp_path / "no folder" / "p.png", picture)


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_sound_is_written_and_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"s{suffix}"
    sound = (np.random.default_rng(0).integers(-32768, 32767, (1000, 2)) / 32768).astype(np.float32)
    write_sound_file(path, sound, 44_100)
    samples, rate = read_sound_file(path)
    assert rate == 44_100
    assert samples.dtype == np.float32
    np.testing.assert_array_equal(samples, sound)
    np.testing.assert_array_equal(read_sound_file(path, 100, 50)[0], sound[100:150])
    assert sound_file_length(path) == 1000
    assert soundfile.info(path).format == suffix[1:].upper()
    with pytest.raises(OSError, match="System error"):
        write_sound_file(tmp_path / "no folder" / f"s{suffix}", sound, 44_100)


def test_sound_in_memory_and_piece_by_piece(tmp_path: Path) -> None:
    memory = io.BytesIO()
    write_sound_file(memory, np.zeros(10), 16_000)
    assert memory.getvalue()[:4] == b"RIFF"
    with growing_sound_file(tmp_path / "s.wav", 16_000) as write:
        write(np.full(10, 0.5, np.float32))
        write(np.full(5, -0.5, np.float32))
    samples, _ = read_sound_file(tmp_path / "s.wav")
    np.testing.assert_array_equal(samples[:, 0], [0.5] * 10 + [-0.5] * 5)
    with (
        pytest.raises(OSError, match="System error"),
        growing_sound_file(tmp_path / "no folder" / "s.wav", 16_000),
    ):
        pass
