"""A movie file as camera: its own pace, over and over."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from live.picture.sources.movie_file import MovieFile
from live.picture.sources.registry import open_source
from live.picture.sources.source import Source
from live.process.frames import Frame, now

from .conftest import make_movie, until


def test_a_file_plays_at_its_own_pace_and_starts_over(tmp_path: Path, started: Callable[[Source], Source]) -> None:
    path = make_movie(tmp_path / "m.mp4", [0.0, 0.03, 0.06, 0.16])
    source = started(open_source(str(path)))
    frames: list[Frame] = []
    end = now() + 0.75
    while now() < end or len(frames) < 9:
        assert now() < end + 5
        frame = source.mailbox.take(0.1)
        if frame is not None:
            frames.append(frame)
    shades = [round(int(f.picture[9, 9, 0]) / 8) for f in frames]
    assert len(frames) >= 9
    assert shades[:9] == [0, 1, 2, 3, 0, 1, 2, 3, 0]
    assert frames[3].captured_at - frames[2].captured_at == pytest.approx(0.1, abs=0.06)
    assert not source.gone
    assert source.name == "m.mp4"
    assert source.size == (64, 48)


def test_a_slow_file_is_not_taken_for_gone(tmp_path: Path, started: Callable[[Source], Source]) -> None:
    source = started(open_source(str(make_movie(tmp_path / "m.mp4", [0.0, 30.0]))))
    assert until(lambda: source.frames_captured == 1)
    time.sleep(0.05)
    source.clock = lambda: now() + 20
    assert not source.gone
    source.clock = lambda: now() + 40
    assert source.gone


def test_a_file_deleted_while_it_plays_is_tried_again(tmp_path: Path, started: Callable[[Source], Source]) -> None:
    path = make_movie(tmp_path / "m.mp4", [0.0, 0.02, 0.04])
    source = MovieFile(path)
    started(source)
    assert until(lambda: source.frames_captured > 2)
    raw = path.read_bytes()
    path.unlink()
    assert until(lambda: bool(source.error))
    path.write_bytes(raw)
    captured = source.frames_captured
    assert until(lambda: source.frames_captured > captured + 3)
