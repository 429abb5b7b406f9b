"""Sources: files of every kind, what is no source, a thread that hangs, a device that comes and goes."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import count, islice, pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from live.frames import Frame, now
from live.picture import camera
from live.picture.camera import (
    BadSource,
    DemoSource,
    FileFrames,
    FileSource,
    Grabbed,
    NoSource,
    Source,
    UrlSource,
    Webcam,
    cameras,
    open_source,
)
from live.picture.mailbox import Mailbox
from live.picture.movie_frames import capture_size
from models.features.face_points import Picture
from tests.machine import Machine


def make_movie(
    path: Path,
    times_s: list[float],
    size: tuple[int, int] = (64, 48),
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
) -> Path:
    """A movie whose n-th picture is grey 8 n, shown from `times_s[n]` on."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=30)
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        stream.codec_context.time_base = Fraction(1, 1000)
        for i, at_s in enumerate(times_s):
            picture = np.full((size[1], size[0], 3), 8 * i % 256, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = round(at_s * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def until(condition: Callable[[], bool], within_s: float = 5.0) -> bool:
    end = now() + within_s
    while now() < end:
        if condition():
            return True
        time.sleep(0.005)
    return condition()


@pytest.fixture
def started() -> Iterator[Callable[[Source], Source]]:
    sources: list[Source] = []

    def start(source: Source) -> Source:
        sources.append(source)
        source.start()
        return source

    yield start
    for source in sources:
        source.close()


# ---- the mailbox


def test_the_newest_wins_and_what_was_not_taken_is_counted() -> None:
    box: Mailbox[int] = Mailbox()
    assert box.take() is None
    for i in range(4):
        box.put(i)
    assert (box.take(), box.take(), box.dropped, box.put_count) == (3, None, 3, 4)


def test_taking_waits_no_longer_than_told() -> None:
    box: Mailbox[int] = Mailbox()
    began = now()
    assert box.take(0.05) is None
    assert 0.04 < now() - began < 0.5


# ---- what is named


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
    assert type(open_source(spec)) is kind


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


# ---- files, frame by frame


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


# ---- files at their own pace


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


# ---- what comes and goes


class Flaky(Source):
    """A device of a test: what it does at each opening is scripted."""

    def __init__(self, *openings: str) -> None:
        super().__init__("flaky")
        self.openings = iter(openings)
        self.let_go = threading.Event()
        self.opened = 0

    def grab(self, reader: Any) -> Grabbed:
        self.opened += 1
        what = next(self.openings, "well")
        if what == "missing":
            raise camera.Gone("there is no camera called 'flaky'")
        if what == "hangs at opening":
            self.let_go.wait()
        for i in count():
            if what == "stops" and i == 3:
                raise camera.Gone("flaky stopped")
            if what == "hangs" and i == 3:
                self.let_go.wait()
            if reader.stopping.wait(0.01):
                return
            yield np.zeros((4, 4, 3), np.uint8), now()

    def close(self, timeout_s: float = 1.0) -> None:
        self.let_go.set()
        super().close(timeout_s)


def watched(source: Source, condition: Callable[[], bool]) -> bool:
    def look() -> bool:
        source.watch()
        return condition()

    return until(look)


@pytest.mark.parametrize("trouble", ["stops", "missing"])
def test_a_device_that_stops_or_is_missing_is_opened_again(started: Callable[[Source], Source], trouble: str) -> None:
    source = Flaky(trouble)
    began = now()
    started(source)
    assert watched(source, lambda: source.opened == 2 and source.frames_captured > 10)
    assert now() - began < 5
    assert "flaky" in source.trouble


def test_a_read_that_hangs_is_left_behind(started: Callable[[Source], Source], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera, "GONE_S", 0.2)
    source = Flaky("hangs")
    began = now()
    started(source)
    assert watched(source, lambda: source.gone)
    assert watched(source, lambda: source.opened == 2 and source.frames_captured > 10)
    assert now() - began < 5
    captured = source.frames_captured
    source.let_go.set()  # The old thread comes back to life: its frames must not be mixed in.
    assert watched(source, lambda: source.frames_captured > captured + 5)


def test_an_opening_that_hangs_is_left_behind_and_threads_do_not_pile_up(
    started: Callable[[Source], Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera, "GONE_S", 0.02)
    monkeypatch.setattr(camera, "OPENING_S", 0.02)
    source = Flaky(*["hangs at opening"] * 50)
    started(source)
    end = now() + 0.6
    while now() < end:
        source.watch()
        time.sleep(0.005)
    assert 2 <= source.opened <= camera.MOST_ABANDONED + 1


def test_a_url_that_hangs_hangs_nobody() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        source = open_source(f"http://127.0.0.1:{server.getsockname()[1]}/never.mp4")
        source.start()
        time.sleep(0.1)
        assert source.mailbox.take() is None
        assert source.gone
        began = now()
        source.close(0.2)
        assert now() - began < 1.5, "it gives up after three seconds"


def test_a_url_that_refuses_is_tried_again(started: Callable[[Source], Source]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/cam"
    source = started(open_source(url))
    assert until(lambda: bool(source.trouble))
    assert source.gone
    assert source.frames_captured == 0


def test_the_demo_performs_thirty_times_a_second(started: Callable[[Source], Source]) -> None:
    class Performer:
        def picture(self, t_s: float) -> Picture:
            return np.full((48, 64, 3), round(t_s * 30) % 256, np.uint8)

    with Machine() as machine:
        source = started(DemoSource(Performer()))
        assert until(lambda: source.frames_captured >= 12)
        fps = source.fps
    assert 1 / (1 / 15 + machine.lost_s / 12) < fps < 40


def test_no_source_gives_nothing() -> None:
    source = open_source("none")
    source.start()
    source.watch()
    assert source.gone
    assert source.mailbox.take() is None
    source.close()


def test_cameras_are_named_by_the_system(tmp_path: Path) -> None:
    for number, name, index in [(0, "Built-in", 0), (1, "Built-in", 1), (10, "Logitech C920", 0)]:
        folder = tmp_path / f"video{number}"
        folder.mkdir()
        (folder / "name").write_text(name + "\n")
        (folder / "index").write_text(f"{index}\n")
    assert cameras(tmp_path) == {0: "Built-in", 10: "Logitech C920"}
    assert cameras(tmp_path / "nothing") == {}


def test_a_camera_that_is_not_there_is_said_and_tried_again(started: Callable[[Source], Source]) -> None:
    source = started(open_source("no such camera"))
    assert until(lambda: "no such camera" in source.trouble)
    assert source.gone


class FakeCapture:
    """A webcam of a test, in OpenCV's words: two good frames, then it lies."""

    def __init__(self, *_: int) -> None:
        self.reads = 0
        self.asked: dict[int, float] = {}

    def isOpened(self) -> bool:
        return True

    def set(self, name: int, value: float) -> bool:
        self.asked[name] = value
        return True

    def grab(self) -> bool:
        self.reads += 1
        if self.reads <= 2:
            time.sleep(0.01)
        return True

    def retrieve(self) -> tuple[bool, Picture]:
        return True, np.full((6, 8, 3), (1, 2, 3), np.uint8)

    def release(self) -> None: ...


def test_a_webcam_asks_for_mjpg_and_one_that_lies_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    device = FakeCapture()
    monkeypatch.setattr(camera.cv2, "VideoCapture", lambda *_: device)
    monkeypatch.setattr(camera.sys, "platform", "test")
    source = Webcam(0)
    seen: list[Picture] = []
    grabbed = source.grab(None)  # type: ignore[arg-type]
    with pytest.raises(camera.Gone):
        seen.extend(picture for picture, _ in grabbed)
    assert seen[0][0, 0].tolist() == [3, 2, 1]
    assert len(seen) <= camera.LYING_READS + 2
    assert device.asked[camera.cv2.CAP_PROP_FOURCC] == camera.cv2.VideoWriter.fourcc(*"MJPG")


def test_a_file_deleted_while_it_plays_is_tried_again(tmp_path: Path, started: Callable[[Source], Source]) -> None:
    path = make_movie(tmp_path / "m.mp4", [0.0, 0.02, 0.04])
    source = FileSource(path)
    started(source)
    assert until(lambda: source.frames_captured > 2)
    raw = path.read_bytes()
    path.unlink()
    assert until(lambda: bool(source.trouble))
    path.write_bytes(raw)
    captured = source.frames_captured
    assert until(lambda: source.frames_captured > captured + 3)


def test_frames_of_a_still_file_are_few(footage: Path) -> None:
    frames = list(islice(FileFrames(footage / "hard_group_walking_small_faces_3s.gif"), 5))
    assert frames[1].captured_at > 0.05
