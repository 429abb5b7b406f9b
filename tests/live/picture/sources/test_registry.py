"""Which source a name means, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from live.picture.sources.demo import DemoSource
from live.picture.sources.movie_frames import BadSource
from live.picture.sources.none import NoSource
from live.picture.sources.registry import open_source
from live.picture.sources.source import Source, SourceOptions
from live.picture.sources.url import UrlSource
from live.picture.sources.webcam import Webcam

from .conftest import Performer, make_movie


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ("0", Webcam),
        ("/dev/video2", Webcam),
        ("Logitech C920", Webcam),
        ("demo", DemoSource),
        ("none", NoSource),
        ("rtsp://10.0.0.1/cam", UrlSource),
        ("http://host/movie.mp4", UrlSource),
    ],
)
def test_a_source_is_told_by_its_name(spec: str, kind: type[Source]) -> None:
    assert type(open_source(spec, SourceOptions(performer=Performer))) is kind


def test_what_only_begins_like_a_device_is_a_file() -> None:
    for spec in ("/dev/videofoo", "/dev/video0.mp4"):
        with pytest.raises(BadSource, match="no such file"):
            open_source(spec)


def test_without_a_performer_demo_is_refused() -> None:
    with pytest.raises(BadSource, match="no stand-in performer"):
        open_source("demo")


def test_bad_files_are_refused_in_one_line(tmp_path: Path) -> None:
    text = tmp_path / "notes.mp4"
    text.write_text("this is no video\n" * 100)
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "folder.mp4").mkdir()
    whole = make_movie(tmp_path / "whole.mp4", [0.0, 0.1, 0.2])
    (tmp_path / "cut.mp4").write_bytes(whole.read_bytes()[:400])
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream: Any = container.add_stream("pcm_s16le", rate=8000)
        block = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        block.sample_rate = 8000
        container.mux(stream.encode(block))
    for name, says in [
        ("missing.mp4", "no such file"),
        ("notes.mp4", "not a video"),
        ("empty.mp4", "not a video"),
        ("cut.mp4", "not a video"),
        ("folder.mp4", "not a file"),
        ("sound.wav", "no video stream"),
        ("", "an empty name"),
    ]:
        with pytest.raises(BadSource, match=says) as refused:
            open_source(str(tmp_path / name) if name else " ")
        assert "\n" not in str(refused.value)


def test_a_movie_without_one_picture_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.mkv"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    with pytest.raises(BadSource, match=r"not a video|not one picture"):
        open_source(str(path))


def test_no_source_gives_nothing() -> None:
    source = open_source("none")
    source.start()
    source.watch()
    assert source.gone
    assert source.mailbox.take() is None
    source.close()
