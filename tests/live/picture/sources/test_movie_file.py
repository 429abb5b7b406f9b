"""A movie file as camera: its own pace, over and over."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from live.picture.sources import pace
from live.picture.sources.movie_file import MovieFile
from live.picture.sources.movie_frames import playing_time
from live.picture.sources.registry import open_source
from live.picture.sources.source import ReaderThread, Source
from live.process.frames import Frame, now
from models.features.media.picture_stream import TimedFrame
from models.features.types import Picture

from .conftest import half_copied, make_movie, until


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
    source = started(open_source(str(make_movie(tmp_path / "m.mp4", [0.0, 9.0]))))
    assert until(lambda: source.frames_captured == 1)
    time.sleep(0.05)
    source.clock = lambda: now() + 5
    assert not source.gone
    source.clock = lambda: now() + 15
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


def test_what_half_a_file_lacks_is_said_once_and_it_begins_anew_at_once(
    tmp_path: Path, started: Callable[[Source], Source]
) -> None:
    source = started(open_source(str(half_copied(tmp_path))))
    assert until(lambda: source.frames_captured > 50, 10)
    (note,) = source.take_notes()
    assert "half.mp4: the file says 3.0 s, 1." in note
    assert not source.gone


def test_half_a_file_repeats_after_what_is_there(tmp_path: Path) -> None:
    path = half_copied(tmp_path, with_sound=True)
    period_s = playing_time(path)
    assert period_s is not None
    assert 1 < period_s < 2


def test_a_whole_file_repeats_after_what_it_says(footage: Path) -> None:
    assert playing_time(footage / "talkerK_woman_with_speech_6s.mp4") == pytest.approx(6.6, abs=0.1)


def test_what_comes_late_is_passed_over_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that needs 30 ms for each picture it makes, and a film of 200 pictures a second."""
    path = make_movie(tmp_path / "m.mp4", [number / 200 for number in range(200)])
    source = MovieFile(path, epoch=now(), period_s=1.0)
    made = TimedFrame.picture

    def slowly(frame: TimedFrame) -> Picture:
        time.sleep(0.03)
        return made(frame)

    monkeypatch.setattr(TimedFrame, "picture", slowly)
    monkeypatch.setattr(pace, "WINDOW_S", 0.4)
    lags = []
    reader = ReaderThread(source)
    with closing(source.grab(reader)) as pictures:
        for _, due_at in pictures:
            lags.append(now() - due_at)
            if len(lags) == 40:
                break
    assert sorted(lags)[len(lags) // 2] < 0.2
    assert any("cannot be decoded in time" in note for note in source.take_notes())
