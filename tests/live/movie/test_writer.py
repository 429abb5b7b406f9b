"""Movies are playable whatever happens, and writing them never holds up the show."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import pytest

from live.movie.writer import MovieWriter, SoundTrackSpec, movie_size
from models.features.types import Picture


def shade(value: int, size: tuple[int, int] = (64, 48)) -> Picture:
    return np.full((size[1], size[0], 3), value, np.uint8)


@contextmanager
def little_room(room_bytes: int) -> Iterator[None]:
    """No file may become larger than this, as on a disk that is full then."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def played(path: Path) -> list[tuple[float, int]]:
    """Time and shade of every picture in a movie."""
    with av.open(str(path)) as container:
        return [(f.time or 0.0, int(f.to_ndarray(format="rgb24")[20, 20, 0])) for f in container.decode(video=0)]


def test_a_constant_frame_rate_is_made_of_what_was_newest(tmp_path: Path) -> None:
    path = tmp_path / "m.mp4"
    with MovieWriter(path, 10, (64, 48)) as writer:
        for at_s, value in [(5.0, 10), (5.1, 60), (5.11, 100), (5.5, 200), (5.6, 240)]:
            writer.write(shade(value), at_s, wait=True)
    assert writer.error == ""
    times = [t for t, _ in played(path)]
    shades = [s for _, s in played(path)]
    assert times == pytest.approx([i / 10 for i in range(7)], abs=1e-3)
    assert shades == pytest.approx([10, 100, 100, 100, 100, 200, 240], abs=6)


def test_each_picture_keeps_its_own_time(tmp_path: Path) -> None:
    path = tmp_path / "m.mp4"
    times = [0.0, 0.033, 0.1, 0.5, 0.51]
    with MovieWriter(path, None, (64, 48)) as writer:
        for i, at_s in enumerate(times):
            assert writer.write(shade(40 * i), at_s, wait=True)
    assert [t for t, _ in played(path)] == pytest.approx(times, abs=1e-3)
    assert [s for _, s in played(path)] == pytest.approx([0, 40, 80, 120, 160], abs=6)


def test_odd_and_changing_sizes_are_fitted(tmp_path: Path) -> None:
    path = tmp_path / "m.mp4"
    with MovieWriter(path, None, (63, 47)) as writer:
        for i, size in enumerate([(63, 47), (20, 90), (200, 11), (64, 48)]):
            writer.write(shade(200, size), i / 10, wait=True)
    assert writer.size == (64, 48)
    assert len(played(path)) == 4


def test_a_slow_encoder_drops_and_never_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encode = MovieWriter._encode
    monkeypatch.setattr(MovieWriter, "_encode", lambda *a: (time.sleep(0.2), encode(*a)))
    writer = MovieWriter(tmp_path / "m.mp4", None, (64, 48), queue_size=2)
    began = time.perf_counter()
    for i in range(20):
        writer.write(shade(i), i / 30)
    assert time.perf_counter() - began < 2, "the encoder takes 4 s for all"
    writer.close()
    assert writer.dropped >= 10
    assert len(played(tmp_path / "m.mp4")) == 20 - writer.dropped


def test_a_full_disk_ends_the_recording_and_nothing_else(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    with little_room(200_000):
        writer = MovieWriter(tmp_path / "full.mp4", 30, (64, 48))
        for i in range(400):
            writer.write(random.integers(0, 255, (48, 64, 3), np.uint8), i / 30, wait=True)
        writer.close()
    assert writer.error == f"recording to {tmp_path}/full.mp4 ended: File too large"
    assert writer.write(shade(1), 99.0) is False
    assert len(played(tmp_path / "full.mp4")) > 10, "it is playable up to there"


def test_a_folder_that_is_not_there_is_an_error_of_the_recording_alone(tmp_path: Path) -> None:
    writer = MovieWriter(tmp_path / "nowhere" / "m.mp4", 30, (64, 48))
    with pytest.raises(OSError, match="No such file"):
        writer.wait_until_open()
    writer.close()
    assert writer.error == f"recording to {tmp_path}/nowhere/m.mp4 ended: No such file or directory"


def test_a_pipe_is_no_file_and_holds_up_nobody(tmp_path: Path) -> None:
    """To open a pipe that nobody reads never ends, and FFmpeg would hold Python's lock meanwhile."""
    os.mkfifo(tmp_path / "m.mp4")
    writer = MovieWriter(tmp_path / "m.mp4", 30, (64, 48))
    writer.write(shade(1), 0.0)
    writer.close()
    assert writer.error.startswith(f"recording to {tmp_path}/m.mp4 ended: ")


def test_a_disk_that_does_not_answer_holds_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = threading.Event()
    opened = os.open
    monkeypatch.setattr("live.movie.fragmented_file.os.open", lambda *a: (answers.wait(30), opened(*a))[1])
    monkeypatch.setattr(MovieWriter, "OPEN_S", 0.1)
    writer = MovieWriter(tmp_path / "m.mp4", None, (64, 48))
    for i in range(100):
        writer.write(shade(i), i / 30)
    assert not writer.opened
    assert writer.dropped == 40
    writer.close()
    assert not writer.opened
    answers.set()
    writer.wait_until_open()
    writer._thread.join(30)
    assert writer.error == ""


def test_a_name_with_a_colon_is_a_file_s_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with MovieWriter("take:2.mp4", None, (64, 48)) as writer:
        writer.write(shade(1), 0.0, wait=True)
    assert writer.error == ""
    assert played(tmp_path / "take:2.mp4")[0][0] == 0.0


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    (tmp_path / "m.mp4").write_bytes(b"the show before")
    with MovieWriter(tmp_path / "m.mp4", None, (64, 48), keep=True) as writer:
        writer.write(shade(1), 0.0, wait=True)
    assert (tmp_path / "m.mp4").read_bytes() == b"the show before"
    assert writer.path == tmp_path / "m-2.mp4"
    assert len(played(writer.path)) == 1


def test_whatever_fails_in_the_encoder_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyError("no such thing")

    monkeypatch.setattr(MovieWriter, "_encode", fail)
    with MovieWriter(tmp_path / "m.mp4", None, (64, 48)) as writer:
        writer.write(shade(1), 0.0)
    assert writer.error.endswith("ended: 'no such thing'")
    assert not (tmp_path / "m.mp4").exists(), "an empty movie is left"


@pytest.mark.parametrize("size", [(2560, 64), (1000, 3), (3, 1000), (1280, 1), (1, 1), (5000, 200)])
def test_pictures_of_any_shape_make_a_movie_that_plays(tmp_path: Path, size: tuple[int, int]) -> None:
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    picture[...] = 200
    with MovieWriter(tmp_path / "m.mp4", None, movie_size(*size), preset="ultrafast") as writer:
        writer.write(picture, 0.0, wait=True)
        writer.write(shade(90, (1280, 1)), 0.1, wait=True)
    assert writer.error == ""
    with av.open(str(tmp_path / "m.mp4")) as container:
        first, _ = container.decode(video=0)
    middle = first.to_ndarray(format="rgb24")[first.height // 2, first.width // 2]
    assert middle == pytest.approx([200] * 3, abs=12)
    assert max(first.width, first.height) <= 4096


BARS = [
    (191, 191, 191),
    (191, 191, 0),
    (0, 191, 191),
    (0, 191, 0),
    (191, 0, 191),
    (191, 0, 0),
    (0, 0, 191),
    (20, 30, 40),
]


def test_colours_are_those_of_bt_709_and_the_file_says_so(tmp_path: Path) -> None:
    picture = np.repeat(np.array([BARS], np.uint8), 64, axis=1).repeat(64, axis=0)
    with MovieWriter(tmp_path / "m.mp4", None, (512, 64), crf=10) as writer:
        writer.write(picture, 0.0, wait=True)
    with av.open(str(tmp_path / "m.mp4")) as container:
        context = container.streams.video[0].codec_context
        said = context.colorspace, context.color_primaries, context.color_trc, context.color_range
        shape = context.sample_aspect_ratio
        planes = next(container.decode(video=0)).to_ndarray().astype(float)
    assert said == (1, 1, 1, 1), "BT.709 thrice, and the range of television"
    assert shape == 1
    y, u, v = planes[32, 32::64], *planes[64:].reshape(2, 32, 256)[:, 16, 16::32]
    luma, blue, red = (y - 16) / 219, (u - 128) / 224, (v - 128) / 224
    seen = np.stack([luma + 1.5748 * red, luma - 0.1873 * blue - 0.4681 * red, luma + 1.8556 * blue], 1) * 255
    assert np.abs(seen - BARS).max() <= 3


def _record(path: str) -> None:
    writer = MovieWriter(path, None, (64, 48), sound=SoundTrackSpec())
    second = np.random.default_rng(1).uniform(-0.1, 0.1, (48_000, 1)).astype(np.float32)
    for i in range(100_000):
        writer.write(shade(i % 256), i / 30, wait=True)
        if i % 30 == 0:
            writer.write_sound(second, i / 30, wait=True)


def test_killed_while_recording_it_is_playable_up_to_there(tmp_path: Path) -> None:
    path = tmp_path / "m.mp4"
    process = multiprocessing.get_context("spawn").Process(target=_record, args=(str(path),), daemon=True)
    process.start()
    end = time.monotonic() + 30
    while time.monotonic() < end and not (path.exists() and path.stat().st_size > 60_000):
        time.sleep(0.02)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    process.close()
    shots = played(path)
    assert len(shots) >= 60
    with av.open(str(path)) as container:
        last_heard = [frame.time or 0.0 for frame in container.decode(audio=0)][-1]
    assert last_heard == pytest.approx(shots[-1][0], abs=2.0)


def test_a_track_that_falls_silent_holds_up_nothing(tmp_path: Path) -> None:
    """The pictures of a minute lie in the file long before it ends, though no sound has come."""
    path = tmp_path / "m.mp4"
    writer = MovieWriter(path, None, (64, 48), sound=SoundTrackSpec())
    writer.write_sound(np.zeros((48_000, 1), np.float32), 0.0)
    for i in range(600):
        writer.write(shade(i % 256), i / 10, wait=True)
        writer.write_silence(i / 10 - 1)
    end = time.monotonic() + 10
    while writer.frames < 600 and time.monotonic() < end:
        time.sleep(0.01)
    assert played(path)[-1][0] > 55
    writer.close()
    assert played(path)[-1][0] == pytest.approx(59.9)


def test_key_frames_come_by_time(tmp_path: Path) -> None:
    path = tmp_path / "m.mp4"
    with MovieWriter(path, None, (64, 48)) as writer:
        for i in range(40):
            writer.write(shade(5 * i), i / 8, wait=True)
    with av.open(str(path)) as container:
        keys = [frame.time for frame in container.decode(video=0) if frame.key_frame]
    assert keys == pytest.approx([0.0, 1.0, 2.0, 3.0, 4.0], abs=1e-3)


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_aac_s_own_delay_is_no_skew(tmp_path: Path, rate: int) -> None:
    """Read by whoever looks at no edit list: the times of the packets themselves."""
    path = tmp_path / "m.mp4"
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, (2 * rate, 1)).astype(np.float32)
    with MovieWriter(path, None, (64, 48), sound=SoundTrackSpec(rate)) as writer:
        for i in range(60):
            writer.write(shade(0), 7.0 + i / 30, wait=True)
        writer.write_sound(noise[: rate // 2], 7.0, wait=True)
        writer.write_sound(noise[rate // 2 :], 7.5, wait=True)
    with av.open(str(path)) as container:
        first = next(container.demux(audio=0))
        assert first.pts == 0
        container.seek(0)
        sounds = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    for begin in (rate // 4, rate):
        wanted = noise[begin : begin + rate // 8, 0]
        found = np.correlate(sounds[begin - 64 : begin + rate // 8 + 64], wanted, "valid")
        assert abs(int(np.argmax(found)) - 64) <= 1


def test_sound_that_the_encoder_cannot_take_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encode, begun, go_on = MovieWriter._encode, threading.Event(), threading.Event()
    monkeypatch.setattr(MovieWriter, "_encode", lambda *a: (begun.set(), go_on.wait(10), encode(*a)))
    monkeypatch.setattr(MovieWriter, "MAX_QUEUED_SOUND_S", 1.0)
    with MovieWriter(tmp_path / "m.mp4", None, (64, 48), sound=SoundTrackSpec()) as writer:
        writer.write(shade(0), 0.0)
        assert begun.wait(10)
        taken = [writer.write_sound(np.zeros((24_000, 1), np.float32), n / 2) for n in range(4)]
        go_on.set()
    assert taken == [True, True, False, False]
    assert writer.dropped_sound_s == 1.0


def test_small_pictures_are_enlarged_without_steps(tmp_path: Path) -> None:
    assert movie_size(256, 256) == (512, 512)
    assert movie_size(640, 480) == (640, 480)
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:, 32:] = 200
    path = tmp_path / "m.mp4"
    with MovieWriter(path, None, movie_size(64, 64), crf=5) as writer:
        writer.write(picture, 0.0, wait=True)
    with av.open(str(path)) as container:
        line = next(container.decode(video=0)).to_ndarray(format="rgb24")[256, :, 1].astype(int)
    assert line.size == 512
    assert np.abs(np.diff(line)).max() < 60, "an edge of the small picture is a slope in the large one"
