"""A movie as camera that keeps to an epoch: its pictures have the times that the player of its sound uses."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from live.app import _synchronized
from live.picture.settings import PictureSettings
from live.picture.sources.demo import DemoSource
from live.picture.sources.movie_file import MovieFile
from live.picture.sources.movie_frames import FileFrames, playing_time
from live.process.frames import Frame, now
from live.sound.settings import SoundSettings
from live.sound.sound_file import SoundFile
from models.features.types import Picture

from .conftest import half_copied

PERIOD_S = 0.6
TIMES_S = [0.04 * n for n in range(10)]


def movie(path: Path, times_s: list[float], begin_s: float = 0.0, sound_s: float = 0.0, step: int = 16) -> Path:
    """Its n-th picture is grey `step` n; `sound_s`: how long its sound is, which begins at 0."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=30, options={"bf": "0", "g": "5"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        audio: Any = container.add_stream("aac", rate=48_000, layout="mono") if sound_s else None
        for first in range(0, round(sound_s * 48_000) // 1024 * 1024, 1024):
            block = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            block.sample_rate, block.time_base, block.pts = 48_000, Fraction(1, 48_000), first
            container.mux(audio.encode(block))
        for n, at_s in enumerate(times_s):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), step * n % 256, np.uint8), format="rgb24")
            frame.pts, frame.time_base = round((begin_s + at_s) * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if audio is not None:
            container.mux(audio.encode(None))
    return path


Watch = Callable[[MovieFile, float], list[Frame]]


@pytest.fixture
def watch() -> Iterator[Watch]:
    sources: list[MovieFile] = []

    def see(source: MovieFile, seconds: float) -> list[Frame]:
        sources.append(source)
        source.start()
        frames = []
        end = now() + seconds
        while now() < end:
            frame = source.mailbox.take(0.05)
            if frame is not None:
                frames.append(frame)
        return frames

    yield see
    for source in sources:
        source.close()


def number_of(frame: Frame, step: int = 16) -> int:
    return round(float(frame.picture.mean()) / step)


@pytest.mark.parametrize("begin_s", [0.0, 0.5])
def test_every_round_is_stamped_by_the_epoch(tmp_path: Path, watch: Watch, begin_s: float) -> None:
    path = movie(tmp_path / "m.mp4", TIMES_S, begin_s)
    epoch = now() + 0.05
    frames = watch(MovieFile(path, epoch=epoch, period_s=PERIOD_S), 1.7)
    assert len(frames) >= 20
    for frame in frames:
        rounds, time_s = divmod(frame.captured_at - epoch + 1e-6, PERIOD_S)
        assert time_s == pytest.approx(TIMES_S[number_of(frame)], abs=1.1e-3)
        assert rounds in (0, 1, 2)
    assert {number_of(frame) for frame in frames if frame.captured_at > epoch + 0.59} == set(range(10))


def test_what_is_past_when_it_comes_up_is_left_out(tmp_path: Path, watch: Watch) -> None:
    """Also after a restart of the engine, hours later: it is sought in the file, not decoded from its beginning."""
    path = movie(tmp_path / "m.mp4", [n / 25 for n in range(250)], step=1)
    epoch = now() - 3600.0 * 10 - 7.0
    frames = watch(MovieFile(path, epoch=epoch, period_s=10.0), 0.8)
    assert number_of(frames[0], 1) == pytest.approx(7.0 * 25, abs=12)
    assert all((f.captured_at - epoch) % 10.0 == pytest.approx(number_of(f, 1) / 25, abs=0.042) for f in frames)
    assert abs(frames[-1].captured_at - now()) < 0.2


def test_a_machine_that_stood_still_goes_on_where_it_would_be(tmp_path: Path, watch: Watch) -> None:
    stood = [0.0]
    path = movie(tmp_path / "m.mp4", [n / 25 for n in range(250)], step=1)
    epoch = now()
    source = MovieFile(path, lambda: now() + stood[0], epoch=epoch, period_s=10.0)
    watch(source, 0.3)
    stood[0] = 4.0
    time.sleep(0.3)
    frame = source.mailbox.take(1.0)
    frame = source.mailbox.take(1.0)
    assert frame is not None
    assert frame.captured_at - epoch == pytest.approx(number_of(frame, 1) / 25, abs=0.042)
    assert frame.captured_at > epoch + 4.0


def test_the_period_is_the_longer_of_picture_and_sound(tmp_path: Path) -> None:
    assert playing_time(movie(tmp_path / "a.mp4", TIMES_S, sound_s=0.9)) == pytest.approx(0.9, abs=0.03)
    assert playing_time(movie(tmp_path / "b.mp4", TIMES_S, sound_s=0.2)) == pytest.approx(0.4, abs=0.05)
    shifted = movie(tmp_path / "c.mp4", TIMES_S, begin_s=0.5, sound_s=0.2)
    assert playing_time(shifted) == pytest.approx(0.4, abs=0.05)
    assert playing_time(movie(tmp_path / "d.mp4", TIMES_S)) is None
    assert playing_time(tmp_path / "none.mp4") is None


def test_half_a_movie_begins_anew_at_once_in_picture_and_sound(tmp_path: Path) -> None:
    """By its own word it lasts three seconds; nobody waits for what is not there."""
    path = half_copied(tmp_path, with_sound=True)
    picture, sound = _synchronized(PictureSettings(camera=str(path)), SoundSettings(mic=str(path)))
    assert picture.period_s == sound.period_s
    assert picture.period_s is not None
    read_s = [time_s for _, time_s in FileFrames(path).timed_frames()][-1]
    heard_s = SoundFile(path, 48_000).length_s(None)
    assert picture.period_s == pytest.approx(max(read_s, heard_s), abs=0.15)


def test_only_one_and_the_same_movie_is_kept_together(tmp_path: Path) -> None:
    path, other = (movie(tmp_path / name, TIMES_S, sound_s=0.5) for name in ("m.mp4", "o.mp4"))
    (tmp_path / "link.mp4").symlink_to(path)
    picture, sound = _synchronized(PictureSettings(camera=str(path)), SoundSettings(mic=str(tmp_path / "link.mp4")))
    assert picture.epoch == sound.epoch
    assert picture.epoch == pytest.approx(now(), abs=1.0)
    assert picture.period_s == sound.period_s == playing_time(path)
    for mic in (str(other), "none", "demo", "default"):
        picture, sound = _synchronized(PictureSettings(camera=str(path)), SoundSettings(mic=mic))
        assert (picture.epoch, sound.mic) == (None, mic)


def test_the_demos_performer_and_speech_begin_at_one_moment(watch: Watch) -> None:
    picture, sound = _synchronized(PictureSettings(camera="demo"), SoundSettings(mic="demo"))
    assert picture.epoch == sound.epoch
    assert picture.epoch is not None
    assert _synchronized(PictureSettings(camera="demo"), SoundSettings(mic="none"))[0].epoch is None
    asked: list[float] = []

    class Performer:
        def picture(self, t_s: float) -> Picture:
            asked.append(t_s)
            return np.zeros((48, 64, 3), np.uint8)

    epoch = now() - 7.0
    frames = watch(DemoSource(Performer, epoch=epoch), 0.4)
    assert len(frames) >= 3
    assert asked[0] == pytest.approx(7.0, abs=0.3)
    assert all(any(abs(frame.captured_at - epoch - t_s) < 1e-6 for t_s in asked) for frame in frames)
