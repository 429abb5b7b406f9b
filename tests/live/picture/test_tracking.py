"""The tracking thread: one that hangs or dies ends the engine, which is then restarted; a bad frame ends nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from live.picture.engine import PictureEngine, main, run
from live.picture.look import Look
from live.picture.performer_neutral import PerformerNeutral
from live.picture.settings import PictureSettings
from live.picture.sources.scripted import ScriptedSource
from live.picture.tracker import Tracker
from live.picture.tracking import TrackingHangs, TrackingStage
from live.process.frames import Frame, Landmarks, now
from live.process.messages import Command, Event, Finished, Prepare, Stop
from live.process.shared_frames import SharedFrames
from models.features.face_points import FacePoints

from .engine_rig import Shown


class HungTracker(Tracker):
    """Finds nobody, and hangs while it is told to."""

    def __init__(self, face_points: FacePoints) -> None:
        super().__init__(face_points)
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.entered = threading.Event()

    def update(self, frame: Frame) -> Landmarks | None:
        self.entered.set()
        assert self.goes_on.wait(20)
        return None


def frame(index: int = 0) -> Frame:
    return Frame(np.zeros((60, 80, 3), np.uint8), now(), index)


def watch_for(stage: TrackingStage, seconds: float) -> None:
    end = now() + seconds
    while now() < end:
        stage.watch()
        time.sleep(0.01)


@pytest.fixture
def tracker(face_points: FacePoints) -> HungTracker:
    return HungTracker(face_points)


@pytest.fixture
def stage(tracker: HungTracker, monkeypatch: pytest.MonkeyPatch) -> Iterator[TrackingStage]:
    monkeypatch.setattr("live.picture.tracking.HANG_S", 0.3)
    made = TrackingStage(tracker, PerformerNeutral(None, True), mirror=True)
    yield made
    tracker.goes_on.set()
    made.close()


def test_a_thread_that_hangs_is_noticed(stage: TrackingStage, tracker: HungTracker) -> None:
    frames = [frame(1), frame(0)]
    stage.start(lambda wait_s: frames.pop() if frames else time.sleep(0.01))
    watch_for(stage, 0.5)  # Two frames, then none for longer than that: nothing hangs.
    tracker.goes_on.clear()
    frames.append(frame(2))
    with pytest.raises(TrackingHangs, match="hangs: no frame was finished"):
        watch_for(stage, 20)


def test_time_in_which_the_machine_stood_still_does_not_count(
    stage: TrackingStage, tracker: HungTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("live.picture.tracking.HANG_S", 0.6)
    tracker.goes_on.clear()
    stage.start(lambda wait_s: frame())
    assert tracker.entered.wait(10)
    stage.watch()
    time.sleep(0.8)  # neither the loop nor the thread runs
    stage.watch()
    tracker.goes_on.set()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_ended_is_noticed(stage: TrackingStage) -> None:
    stage.watch()  # Without a thread there is nothing to watch.

    def take(wait_s: float) -> Frame | None:
        raise SystemExit

    stage.start(take)
    with pytest.raises(TrackingHangs, match="has ended"):
        watch_for(stage, 20)


def test_a_frame_that_cannot_be_mirrored_is_a_fault_of_that_frame(stage: TrackingStage) -> None:
    assert stage.track(Frame(None, 0.0, 0)).error is not None  # type: ignore[arg-type]
    assert stage.track(frame()).error is None


def test_the_engine_s_loop_ends_with_one_sentence(face_points: FacePoints, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("live.picture.tracking.HANG_S", 0.3)
    tracker = HungTracker(face_points)
    monkeypatch.setattr("live.picture.engine.Tracker", lambda points: tracker)
    tracker.goes_on.clear()

    class Link:
        closed = False

        def __init__(self) -> None:
            self.sent: list[Event] = []

        def poll(self) -> list[Event]:
            source.put(frame())
            return []

        def send(self, event: Event) -> None:
            self.sent.append(event)

    source = ScriptedSource("camera")
    engine = PictureEngine(PictureSettings(), source, Shown(), face_points=face_points)
    try:
        with pytest.raises(TrackingHangs):
            run(engine, Link())  # type: ignore[arg-type]
    finally:
        tracker.goes_on.set()
        engine.close()


def test_the_report_does_not_wait_for_a_loader_that_hangs(
    face_points: FacePoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The StageManager kills an engine that takes longer than three seconds to stop."""
    ends = threading.Event()
    told: list[str] = []

    class Link:
        closed = False

        def poll(self) -> list[Command]:
            return [Prepare("hangs.onnx"), Stop()]

        def send(self, event: Event) -> None:
            told.append("finished" if isinstance(event, Finished) else "other")

    def hang(*settings: object) -> Look:
        told.append("loads")
        ends.wait(20)
        raise ValueError("too late")

    def close(engine: PictureEngine) -> None:
        told.append("closes")
        close_engine(engine)

    close_engine = PictureEngine.close
    monkeypatch.setattr("live.picture.engine.open_look", hang)
    monkeypatch.setattr("live.picture.engine.take_face_points", lambda path: face_points)
    monkeypatch.setattr("live.picture.engine.gc.disable", lambda: None)
    monkeypatch.setattr("live.picture.engine.gc.freeze", lambda: None)
    monkeypatch.setattr(PictureEngine, "close", close)
    frames = [SharedFrames.create(64 * 64 * 3) for _ in range(2)]
    try:
        began_at = now()
        main(Link(), PictureSettings(camera="none"), *(ring.handle for ring in frames))  # type: ignore[arg-type]
        assert now() - began_at < 15
        assert [what for what in told if what != "loads"] == ["finished", "closes"]
    finally:
        ends.set()
        for ring in frames:
            ring.close()
            ring.unlink()
