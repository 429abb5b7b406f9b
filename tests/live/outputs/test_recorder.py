"""`--record`: pictures and sound on one time line, whatever happens to either."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from live.manage.stage_manager import StageManager
from live.outputs.recorder import Recorder
from live.outputs.running_output import RunningOutput
from live.process.engine_link import EngineLink
from live.process.frames import Samples, now
from live.process.messages import AudioChunk, Finished, Heartbeat, Stop
from live.process.metrics import PictureMetrics
from live.process.shared_frames import SharedPicture
from live.process.stage_picture import FrameKind
from live.show.show_file import Cue, Show
from tests.live.manage.conditions import until
from tests.live.movie.test_writer import little_room

RATE = 48_000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the time at which the recorder is given pictures."""
    times = [0.0]
    monkeypatch.setattr("live.outputs.recorder.now", lambda: times[0])

    def set_(at: float) -> None:
        times[0] = at

    return set_


def picture(value: int, kind: FrameKind = FrameKind.GENERATED) -> SharedPicture:
    return SharedPicture(np.full((480, 64, 3), value, np.uint8), kind, 0.0, 0.0, 1, None, 1)


def tone(seconds: float, hz: float = 440.0) -> Samples:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def opened(path: Path, manager: StageManager, sample_rate: int | None) -> Recorder:
    recorder = Recorder(str(path))
    recorder.open(sample_rate, manager.note)
    return recorder


def play(recorder: Recorder, samples: Samples, at: float) -> None:
    """As the sound engine sends it: 40 ms at a time."""
    for first in range(0, len(samples), 1920):
        piece = samples[first : first + 1920]
        recorder.put_audio(AudioChunk(at + first / RATE, piece.astype("<f4").tobytes(), RATE))


def heard_in(path: Path) -> Samples:
    with av.open(str(path)) as movie:
        assert movie.streams.audio[0].codec_context.name == "aac"
        frames = [(frame.time or 0.0, frame.to_ndarray()[0]) for frame in movie.decode(audio=0)]
    heard = np.zeros(round(frames[-1][0] * RATE) + 1024, np.float32)
    for at, samples in frames:
        heard[round(at * RATE) :][: len(samples)] = samples
    return heard


def seen_in(path: Path) -> list[float]:
    with av.open(str(path)) as movie:
        return [frame.time or 0.0 for frame in movie.decode(video=0)]


def lag_of(heard: Samples, samples: Samples, at_s: float) -> int:
    """By how many samples what is heard at `at_s` is later than `samples`."""
    first = round(at_s * RATE)
    around = heard[first - 480 : first + len(samples) + 480]
    return int(np.argmax(np.correlate(around, samples, "valid"))) - 480


def test_pictures_and_sound_keep_their_times(
    manager: StageManager, tmp_path: Path, clock: Callable[[float], None]
) -> None:
    recorder = opened(tmp_path / "out.mp4", manager, RATE)
    random = np.random.default_rng(1)
    noise = random.uniform(-0.5, 0.5, 3 * RATE).astype(np.float32)
    times = np.cumsum(random.uniform(0.01, 0.08, 40)).tolist()
    play(recorder, noise[:RATE], 99.5)  # begins before the first picture, and is not over when that comes
    for at in times:
        clock(100.0 + at)
        recorder.put_picture(picture(100))
        if at == times[5]:
            play(recorder, noise[RATE:], 100.5)
    recorder.close()
    first = times[0]
    assert seen_in(tmp_path / "out.mp4") == pytest.approx([at - first for at in times], abs=1e-4)
    heard = heard_in(tmp_path / "out.mp4")
    for at_s in (0.1, 0.6, 1.5):
        wanted = noise[round((at_s + first + 0.5) * RATE) :][:4800]
        assert abs(lag_of(heard, wanted, at_s)) <= 2
    assert len(heard) / RATE == pytest.approx(2.5 - first, abs=0.05)


def test_an_interruption_is_silence_and_what_never_came_too(
    manager: StageManager, tmp_path: Path, clock: Callable[[float], None]
) -> None:
    recorder = opened(tmp_path / "out.mp4", manager, RATE)
    clock(0.0)
    recorder.put_picture(picture(0))
    play(recorder, tone(0.5), 0.0)
    play(recorder, tone(0.5), 0.75)
    for step in range(100):
        clock(0.05 * step)
        recorder.put_picture(picture(0))
    recorder.close()
    heard = heard_in(tmp_path / "out.mp4")
    loud = np.abs(heard[: len(heard) // 480 * 480]).reshape(-1, 480).max(1) > 0.1
    assert loud[4:49].all()
    assert not loud[52:74].any()
    assert loud[77:123].all()
    assert not loud[127:].any()
    assert len(heard) / RATE == pytest.approx(4.95 - 1.0, abs=0.1), "sound that may still come is waited for"


def test_without_a_microphone_there_is_no_sound_track(
    manager: StageManager, tmp_path: Path, clock: Callable[[float], None]
) -> None:
    recorder = opened(tmp_path / "out.mp4", manager, None)
    for step in range(5):
        clock(step / 30)
        recorder.put_picture(picture(0))
    play(recorder, tone(0.1), 0.0)
    recorder.close()
    with av.open(str(tmp_path / "out.mp4")) as movie:
        assert not movie.streams.audio
    assert len(seen_in(tmp_path / "out.mp4")) == 5


def test_it_begins_with_the_first_picture_of_a_look(
    manager: StageManager, tmp_path: Path, clock: Callable[[float], None]
) -> None:
    recorder = opened(tmp_path / "out.mp4", manager, RATE)
    for step in range(50):
        clock(step / 10)
        recorder.put_picture(picture(0, FrameKind.SAFE if step < 30 else FrameKind.BYPASS))
        play(recorder, tone(0.1), step / 10)
    recorder.close()
    assert seen_in(tmp_path / "out.mp4")[-1] == pytest.approx(1.9, abs=1e-3)
    assert len(heard_in(tmp_path / "out.mp4")) / RATE == pytest.approx(2.0, abs=0.05)


def test_after_a_full_disk_it_goes_on_in_the_next_movie(
    manager: StageManager, tmp_path: Path, clock: Callable[[float], None]
) -> None:
    recorder = opened(tmp_path / "out.mp4", manager, None)
    random = np.random.default_rng(1)

    def record(at: float) -> None:
        clock(at)
        noise = random.integers(0, 255, (480, 64, 3), np.uint8)
        recorder.put_picture(SharedPicture(noise, FrameKind.GENERATED, 0.0, 0.0, 1, None, 1))
        time.sleep(0.01)

    with little_room(2_500_000):
        for step in range(300):
            record(step / 30)
            if manager.state.notes:
                break
        recorder.put_picture(picture(1))
    (note,) = manager.state.notes
    assert note.text == f"recording to {tmp_path}/out.mp4 ended: File too large; it goes on as soon as it can"
    for step in range(240):
        record(20.0 + step / 30)
    recorder.close()
    said = [note.text for note in manager.state.notes]
    assert f"the recording goes on in {tmp_path}/out-2.mp4" in said
    assert len(seen_in(tmp_path / "out.mp4")) > 10
    assert len(seen_in(tmp_path / "out-2.mp4")) > 30


def test_a_movie_that_cannot_be_begun_is_said_and_one_fault_at_the_end(manager: StageManager, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    running = RunningOutput("recorder", Recorder(str(tmp_path / "folder" / "out.mp4")), manager)
    running.open(None)
    (tmp_path / "folder").rmdir()
    assert until(lambda: manager.audience._publish(picture(100), made_here=False) or manager.state.notes)
    assert manager.state.faults == (), "the recorder's thread tries again"
    running.close()
    (fault,) = manager.state.faults
    assert fault.what == f"recording to {tmp_path}/folder/out.mp4 ended: No such file or directory"


def test_a_disk_that_does_not_answer_is_said(
    manager: StageManager, tmp_path: Path, clock: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, opened_file = threading.Event(), os.open
    monkeypatch.setattr("live.movie.fragmented_file.os.open", lambda *a: (answers.wait(30), opened_file(*a))[1])
    recorder = opened(tmp_path / "out.mp4", manager, None)
    for at in (0.0, 3.0, 6.0, 7.0):
        clock(at)
        recorder.put_picture(picture(1))
    silent = f"nothing is recorded: the disk of {tmp_path}/out.mp4 does not answer"
    assert [note.text for note in manager.state.notes] == [silent]
    answers.set()
    assert until(lambda: recorder.put_picture(picture(1)) or len(manager.state.notes) > 1)
    assert manager.state.notes[-1].text == f"the recording goes on in {tmp_path}/out.mp4"
    recorder.close()


def engine_that_plays(link: EngineLink, settings: Any, *_: Any) -> None:
    """A sound engine whose loudspeaker counts to ten."""
    for count in range(10):
        link.send(AudioChunk(float(count), np.full(4, count, "<f4").tobytes(), RATE))
    link.send(Heartbeat(now(), PictureMetrics()))
    while not link.closed:
        if any(isinstance(command, Stop) for command in link.poll()):
            break
        link.send(Heartbeat(now(), PictureMetrics()))
        link.wait(0.1)
    link.send(Finished("stopped", {}))


def test_what_the_engine_plays_reaches_who_asked_in_its_order() -> None:
    engine = f"{__name__}:engine_that_plays"
    show = Show("x", (Cue("one", "safe"),))
    manager = StageManager(show, "", "", picture_engine=engine, sound_engine=engine, stage_bytes=3 * 64 * 64)
    heard: list[AudioChunk] = []
    leave = manager.subscribe_audio(heard.append)
    try:
        manager.start()
        end = now() + 10
        while len(heard) < 20 and now() < end:  # both play
            time.sleep(0.01)
    finally:
        manager.stop()
    leave()
    assert sorted(chunk.at for chunk in heard) == sorted(2 * [float(count) for count in range(10)])
    assert all(np.frombuffer(chunk.samples, "<f4").tolist() == 4 * [chunk.at] for chunk in heard)
