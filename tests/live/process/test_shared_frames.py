"""Shared frames: pictures cross whole or not at all, and neither writer nor reader waits."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from live.process.engine_process import EngineProcess
from live.process.fork_server import start_forkserver
from live.process.frames import now
from live.process.shared_frames import FramesLayout, PictureTooLarge, SharedFrames, Superseded
from live.process.stage_picture import FrameKind, StagePicture
from models.features.types import Picture


@pytest.fixture
def frames() -> Iterator[SharedFrames]:
    made = SharedFrames.create(64 * 48 * 3)
    yield made
    made.close()
    made.unlink()


def write(frames: SharedFrames, picture: Picture, index: int = 0, kind: FrameKind = FrameKind.GENERATED) -> None:
    frames.write(StagePicture(picture, kind, 1.5, 2.5, index))


def test_a_picture_arrives_unchanged(frames: SharedFrames) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    points = np.arange(136, dtype=np.float32).reshape(68, 2)
    assert frames.newest() is None
    frames.write(StagePicture(picture, FrameKind.PREVIEW, 1.5, 2.5, 7, points))
    read = frames.newest()
    assert read is not None
    assert np.array_equal(read.picture, picture)
    assert (read.sequence, read.index, read.captured_at, read.ready_at, read.kind) == (
        1,
        7,
        1.5,
        2.5,
        FrameKind.PREVIEW,
    )
    assert read.points is not None
    assert np.array_equal(read.points, points)
    assert frames.newest(after=read.sequence) is None


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 64, 3), (47, 1, 3), (3, 5, 3), (48, 64, 3)])
def test_pictures_of_changing_sizes_down_to_one_pixel(frames: SharedFrames, shape: tuple[int, int, int]) -> None:
    write(frames, np.full((48, 64, 3), 9, np.uint8))
    picture = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    write(frames, picture)
    read = frames.newest()
    assert read is not None
    assert read.points is None
    assert np.array_equal(read.picture, picture)


def test_a_view_that_is_not_contiguous(frames: SharedFrames) -> None:
    picture = np.random.default_rng(2).integers(0, 256, (20, 30, 3), np.uint8)
    write(frames, picture[::2, ::-1])
    read = frames.newest()
    assert read is not None
    assert np.array_equal(read.picture, picture[::2, ::-1])


def test_a_picture_that_does_not_fit_is_refused_and_the_last_one_stays(frames: SharedFrames) -> None:
    write(frames, np.full((2, 2, 3), 5, np.uint8))
    with pytest.raises(PictureTooLarge, match="65x48 needs 9360 bytes, the shared block takes 9216"):
        write(frames, np.zeros((48, 65, 3), np.uint8))
    for wrong in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(ValueError, match="not an RGB uint8 picture"):
            write(frames, wrong)
    with pytest.raises(ValueError, match="68 points"):
        frames.write(
            StagePicture(np.zeros((1, 1, 3), np.uint8), FrameKind.SAFE, 0.0, 0.0, 0, np.zeros((5, 2), np.float32))
        )
    read = frames.newest()
    assert read is not None
    assert read.sequence == 1
    assert read.picture[0, 0, 0] == 5


def test_the_newest_picture_wins_and_wakes_once(frames: SharedFrames) -> None:
    assert not frames.wait(0.0)
    for index in range(1000):
        write(frames, np.full((1, 1, 3), index % 256, np.uint8), index)
    assert frames.wait(0.0)
    assert not frames.wait(0.0)
    read = frames.newest()
    assert read is not None
    assert (read.index, read.sequence) == (999, 1000)


def test_the_slot_of_a_writer_killed_while_writing_is_repaired(frames: SharedFrames) -> None:
    write(frames, np.full((1, 1, 3), 1, np.uint8))
    frames._heads[2][0] += 1  # the next slot's lock, as a killed writer leaves it
    read = frames.newest()
    assert read is not None
    assert read.picture[0, 0, 0] == 1
    for value in range(2, 10):
        write(frames, np.full((1, 1, 3), value, np.uint8))
        read = frames.newest()
        assert read is not None
        assert read.picture[0, 0, 0] == value


def test_no_torn_picture_under_a_fast_writer() -> None:
    """The writer overtakes the reader all the time; each picture has one colour, which is its index."""
    frames = SharedFrames.create(200 * 200 * 3, slots=3)
    stop = threading.Event()

    def write_fast() -> None:
        index = 0
        while not stop.is_set():
            index += 1
            side = 100 + index % 100
            write(frames, np.full((side, side, 3), index % 251, np.uint8), index)

    writer = threading.Thread(target=write_fast)
    writer.start()
    seen, after, until = 0, 0, time.monotonic() + 8.0
    while seen < 30 and time.monotonic() < until:
        read = frames.newest(after)
        if read is None:
            continue
        assert read.sequence > after
        assert read.picture.shape[0] == 100 + read.index % 100
        assert (read.picture == read.index % 251).all()
        after, seen = read.sequence, seen + 1
    stop.set()
    writer.join()
    frames.close()
    frames.unlink()
    assert seen > 10


def test_a_picture_of_an_engine_wakes_the_reader() -> None:
    start_forkserver(["numpy"])
    frames = SharedFrames.create(16 * 16 * 3)
    engine = EngineProcess("writer", "tests.live.process.fake_engine:main", ("", frames.handle))
    engine.start()
    from live.process.messages import Go, Prepare

    engine.send(Prepare("abcd"))
    until = time.monotonic() + 10
    sent = False
    read = None
    while read is None and time.monotonic() < until:
        if not sent and any(type(event).__name__ == "Ready" for event in engine.events()):
            engine.send(Go(0, "abcd"))
            sent = True
        if frames.wait(0.05):
            read = frames.newest()
    assert read is not None
    assert read.picture.shape == (12, 16, 3)
    assert read.picture[0, 0, 0] == 4
    assert 0 <= now() - read.captured_at < 5, "one clock in all processes"
    assert engine.stop()
    name = frames.layout.name
    frames.close()
    frames.unlink()
    assert not Path("/dev/shm", name.lstrip("/")).exists()


def test_each_reader_is_woken_by_itself() -> None:
    frames = SharedFrames.create(12, readers=2)
    write(frames, np.full((1, 1, 3), 1, np.uint8))
    assert frames.wait(0.0, reader=0)
    assert not frames.wait(0.0, reader=0)
    assert frames.wait(0.0, reader=1)
    frames.wake()
    assert frames.wait(0.0, reader=0)
    assert frames.wait(0.0, reader=1)
    frames.close()
    frames.unlink()


def test_a_reader_that_never_comes_stops_nobody(frames: SharedFrames) -> None:
    for _ in range(70_000):  # more than a pipe holds
        frames.wake()
    write(frames, np.zeros((1, 1, 3), np.uint8), index=5)
    assert frames.wait(0.0)
    read = frames.newest()
    assert read is not None
    assert read.index == 5


READER = """
import sys
from live.process.shared_frames import FramesLayout, SharedFrames
name, slot_bytes, slots, fd = sys.argv[1], *map(int, sys.argv[2:])
frames = SharedFrames.read_from(FramesLayout(name, slot_bytes, slots), fd)
before = frames.newest_sequence
print("attached", flush=True)
assert frames.wait(30.0)
print(frames.newest(before).index, flush=True)
assert not frames.wait(30.0)
print(frames.writers_gone, flush=True)
"""


def test_a_reader_that_is_no_child_is_woken_and_leaves_the_block_when_it_ends() -> None:
    """As a stage window that has been taken over. The operator's resource tracker alone removes the block."""
    frames = SharedFrames.create(12)
    write(frames, np.zeros((1, 1, 3), np.uint8), index=1)
    assert frames.wait(0.0)
    layout, fd = frames.layout, frames.wake_fd(0)
    arguments = [layout.name, str(layout.slot_bytes), str(layout.slots), str(fd)]
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, *arguments],
        pass_fds=[fd],
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ, PYTHONPATH=str(Path(__file__).resolve().parents[3])),
    )
    with reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "attached\n"
        write(frames, np.zeros((1, 1, 3), np.uint8), index=2)
        assert reader.stdout.readline() == "2\n"
        frames.close()
        assert reader.stdout.readline() == "True\n", "it sees that nobody is left to wake it"
    assert reader.returncode == 0
    assert Path("/dev/shm", layout.name.lstrip("/")).exists(), "the reader's end has removed it"
    frames.unlink()


def test_what_is_no_block_of_frames_is_refused(frames: SharedFrames) -> None:
    large = FramesLayout(frames.layout.name, 10**9, 4)
    for layout in (large, FramesLayout(frames.layout.name, 12, 0)):
        with pytest.raises(ValueError, match="not a block"):
            SharedFrames.read_from(layout, os.dup(frames.wake_fd(0)))
    with pytest.raises(FileNotFoundError):
        SharedFrames.read_from(FramesLayout("guise_nowhere", 12, 4), os.dup(frames.wake_fd(0)))


def test_closing_twice_and_reading_after_it_is_no_error() -> None:
    frames = SharedFrames.create(12)
    frames.close()
    frames.close()
    assert frames.newest() is None
    frames.unlink()
    frames.unlink()


def test_a_writer_that_was_replaced_never_gets_in(frames: SharedFrames) -> None:
    old, new = SharedFrames.attach(frames.new_writer()), None
    try:
        write(old, np.full((4, 4, 3), 1, np.uint8))
        assert frames.newest() is not None
        new = SharedFrames.attach(frames.new_writer())
        assert frames.newest() is None, "what the old one left behind does not count any more"
        with pytest.raises(Superseded):
            write(old, np.full((4, 4, 3), 1, np.uint8))
        write(new, np.full((4, 4, 3), 2, np.uint8))
        read = frames.newest()
        assert read is not None
        assert read.picture[0, 0, 0] == 2
    finally:
        old.close()
        if new is not None:
            new.close()


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/shm exists on Linux alone")
def test_blocks_of_a_show_that_was_killed_are_removed_by_the_next() -> None:
    left = Path("/dev/shm/guise-99999999-cafe")  # beyond the largest pid
    left.write_bytes(b"x")
    frames = SharedFrames.create(12)
    try:
        assert not left.exists()
        assert Path("/dev/shm", frames.layout.name.lstrip("/")).exists()
    finally:
        frames.close()
        frames.unlink()


KILL_THE_TRACKER = """
import os, signal, time
from multiprocessing import resource_tracker
from live.process.shared_frames import SharedFrames
frames = SharedFrames.create(12)
os.kill(resource_tracker._resource_tracker._pid, signal.SIGKILL)
time.sleep(0.2)
frames.close()
frames.unlink()
print(os.path.exists("/dev/shm/" + frames.layout.name.lstrip("/")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/shm exists on Linux alone")
def test_a_block_is_removed_though_the_resource_tracker_was_killed() -> None:
    done = subprocess.run([sys.executable, "-c", KILL_THE_TRACKER], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("False", "")
