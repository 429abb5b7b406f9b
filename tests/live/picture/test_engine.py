"""The loop: what reaches the audience, whatever happens before it. Scripted sources, a clock set by hand, real dlib."""

from __future__ import annotations

import gc
import json
import threading
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export.artifact import check
from export.cuda import CudaSession
from export.runtime import build, options
from export.session import open_session
from live.engine_process import EngineProcess, stop_forkserver
from live.frames import Frame, now
from live.messages import (
    Fault,
    Finished,
    Forget,
    Go,
    Lock,
    Note,
    OnStage,
    Panic,
    Prepare,
    Ready,
    Recovered,
    Refused,
    Reload,
    SetParameter,
    Stop,
)
from live.picture import camera
from live.picture.camera import ScriptedSource, open_source
from live.picture.engine import LATENCY, PictureEngine, Step
from live.picture.look import Look, ModelLook, face_square, open_look
from live.picture.movie_frames import FileFrames
from live.picture.outputs import DelayLine
from live.picture.settings import PictureSettings
from live.profile import in_heights, mirrored
from live.shared_frames import FrameKind, SharedFrames
from models.features.face_points import FacePoints, Picture, Points, eye_distance
from models.features.retarget import pose_and_residual
from tests.machine import Machine

from .conftest import SIZE, ManualClock, Shown, drawn_points

RAW = 77
"""The brightness of the raw camera picture in `Rig`'s frames that have no face: it must never be seen."""


class Tinted(Look):
    """A look of a test: one brightness; fails when told, takes as long as told."""

    size = (32, 32)
    provider = "CPU"

    def __init__(self, key: str, clock: ManualClock) -> None:
        super().__init__(key)
        self.level = {"one": 100, "two": 200}.get(key, 50)
        self.failing = False
        self.performed = 0
        self.asked: tuple[Points, Points] | None = None
        """Points and neutral, of the last time."""
        self.set: dict[str, float] = {}
        self._picture = np.zeros((32, 32, 3), np.uint8)

    @property
    def parameters(self) -> dict[str, float]:
        return {"age": 0.0}

    def set_parameter(self, name: str, value: float) -> None:
        self.set[name] = value

    def perform(self, frame: Picture, points: Points | None, neutral: Points | None) -> Picture:
        assert points is not None
        assert neutral is not None
        if self.failing:
            raise RuntimeError("out of memory\non the device")
        self.performed += 1
        self.asked = points, neutral
        self._picture[:] = self.level
        return self._picture


class Rig:
    """An engine with everything round it that a test must be able to move."""

    def __init__(
        self, face_points: FacePoints, still: Picture, shown: Shown, clock: ManualClock, **settings: Any
    ) -> None:
        self.clock, self.shown, self.still = clock, shown, still
        self.preview = Shown()
        self.empty = np.full((60, 80, 3), RAW, np.uint8)
        self.looks: dict[str, Tinted] = {}
        self.source = ScriptedSource("camera", clock=clock)
        self.gate = threading.Event()
        self.gate.set()
        options: dict[str, Any] = {"hold_s": 1.0, "fade_s": 0.5, **settings}
        self.engine = PictureEngine(
            PictureSettings(**options),
            self.source,
            shown,
            self.preview,
            clock,
            face_points=face_points,
            load=self.load,
        )
        self.index = 0

    def load(self, key: str) -> Look:
        self.gate.wait(10)
        if key == "bad":
            raise ValueError("bad is no frozen model")
        self.looks[key] = Tinted(key, self.clock)
        return self.looks[key]

    def frame(self, picture: Picture | None = None, after_s: float = 1 / 30) -> tuple[int, FrameKind]:
        """One frame (the still face, unless told); gives brightness and kind of what was shown."""
        self.clock.pass_(after_s)
        picture = self.still if picture is None else picture
        self.source.put(Frame(picture, self.clock(), self.index))
        self.index += 1
        assert self.engine.step(0) is Step.FRAME
        return int(self.shown.pictures[-1][2, 2, 0]), self.shown.kinds[-1]

    def go(self, model: str, transition_s: float = 0.0, cue: int = 0, **set_: float) -> None:
        self.engine.handle(Prepare(model, "look"))
        end = now() + 5
        while now() < end:
            self.engine.step(0)
            if any(isinstance(e, Ready | Refused) and e.model == model for e in self.engine._sent):
                break
        self.engine.handle(Go(cue, model, transition_s, {f"picture/{k}": v for k, v in set_.items()}))

    def heard(self, kind: type) -> list[Any]:
        return [e for e in self.engine.events() if isinstance(e, kind)]


@pytest.fixture(scope="module")
def still(footage: Path) -> Picture:
    return next(iter(FileFrames(footage / "talkerA_webcam_53s.mp4"))).picture


@pytest.fixture
def make_rig(face_points: FacePoints, still: Picture, shown: Shown, clock: ManualClock) -> Iterator[Callable[..., Rig]]:
    rigs: list[Rig] = []

    def make(**settings: Any) -> Rig:
        rigs.append(Rig(face_points, still, shown, clock, **settings))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.gate.set()
        rig.engine.close()


@pytest.fixture
def rig(make_rig: Callable[..., Rig]) -> Rig:
    return make_rig()


# ---- looks and cues


def test_safe_until_there_is_a_look(rig: Rig) -> None:
    assert rig.frame() == (0, FrameKind.SAFE)
    assert rig.preview.points[-1] is not None


def test_a_preloaded_cue_is_on_stage_with_the_next_frame(rig: Rig) -> None:
    rig.go("one")
    assert rig.frame() == (100, FrameKind.GENERATED)
    rig.go("two", cue=1)
    rig.engine.events()
    assert rig.frame() == (200, FrameKind.GENERATED)
    (on_stage,) = rig.heard(OnStage)
    assert on_stage.cue_index == 1
    assert on_stage.frame_gap_s == pytest.approx(1 / 30)


def test_while_a_look_loads_the_old_one_plays(rig: Rig) -> None:
    rig.go("one")
    rig.frame()
    rig.gate.clear()
    rig.engine.handle(Go(1, "two"))
    for _ in range(5):
        assert rig.frame() == (100, FrameKind.GENERATED)
    rig.gate.set()
    end = now() + 5
    while rig.frame()[0] != 200:
        assert now() < end
    report = rig.engine.report()
    assert report["switches"][-1]["ready_after"] >= 5 * 33
    assert report["switches"][-1]["frame_gap"] == pytest.approx(33.3, abs=1)


def test_a_bad_look_is_refused_and_the_old_one_plays(rig: Rig) -> None:
    rig.go("one")
    rig.frame()
    rig.go("bad")
    (refused,) = rig.heard(Refused)
    assert refused.model == "bad"
    assert "no frozen model" in refused.why
    assert rig.frame() == (100, FrameKind.GENERATED)


def test_a_dissolve_passes_from_one_to_the_other(rig: Rig) -> None:
    rig.go("one")
    rig.frame()
    rig.go("two", transition_s=0.5)
    levels = [rig.frame(after_s=0.1)[0] for _ in range(7)]
    assert levels == pytest.approx([100, 120, 140, 160, 180, 200, 200], abs=12)
    assert levels == sorted(levels)


def test_the_raw_face_is_shown_by_bypass_alone(rig: Rig) -> None:
    rig.go("bypass")
    assert rig.frame(rig.empty) == (RAW, FrameKind.BYPASS)
    rig.go("safe")
    assert rig.frame(rig.empty) == (0, FrameKind.SAFE)


def test_a_parameter_is_eased_over_the_transition(rig: Rig) -> None:
    rig.go("one", transition_s=1.0, age=10.0)
    rig.frame(after_s=0.0)
    rig.frame(after_s=0.5)
    assert rig.looks["one"].set["age"] == pytest.approx(5.0)
    rig.frame(after_s=0.6)
    assert rig.looks["one"].set["age"] == 10.0
    rig.engine.handle(SetParameter("picture/age", 3.0))
    rig.engine.handle(SetParameter("sound/pitch", 3.0))
    assert rig.looks["one"].set == {"age": 3.0}


def test_what_performs_is_not_forgotten(rig: Rig) -> None:
    rig.go("one")
    rig.frame()
    for model in ("one", "bypass", "safe", "unheard of"):
        rig.engine.handle(Forget(model))
    assert rig.frame() == (100, FrameKind.GENERATED)
    rig.go("two")
    rig.frame()
    rig.engine.handle(Forget("one"))
    rig.engine.idle()
    assert rig.frame() == (200, FrameKind.GENERATED)
    assert "one" not in rig.engine.figures()["loaded"]
    assert {"two", "safe", "bypass"} <= set(rig.engine.figures()["loaded"])


# ---- a lost face


def test_a_lost_face_is_held_then_fades_and_comes_back(rig: Rig) -> None:
    rig.go("one")
    assert rig.frame() == (100, FrameKind.GENERATED)
    assert rig.frame(rig.empty, 0.3) == (100, FrameKind.HELD)
    assert rig.frame(rig.empty, 0.9) == (100, FrameKind.HELD)
    level, kind = rig.frame(rig.empty, 0.35)
    assert 0 < level < 100
    assert kind is FrameKind.HELD
    assert rig.frame(rig.empty, 0.5) == (0, FrameKind.SAFE)
    levels = []
    for _ in range(14):
        level, kind = rig.frame()
        assert kind is FrameKind.GENERATED
        levels.append(level)
    assert levels == sorted(levels)
    assert levels[0] < 20
    assert levels[-1] == 100
    assert rig.engine.report()["video"]["face_lost_frames"] == 4


def test_the_raw_picture_is_never_seen_without_bypass(rig: Rig) -> None:
    rig.go("one")
    random = np.random.default_rng(2)
    for i in range(60):
        if i == 20:
            rig.go("two", transition_s=1.0)
        if i == 45:
            rig.looks["two"].failing = True
        level, _ = rig.frame(rig.empty if random.random() < 0.6 else None, 0.06)
        assert rig.shown.pictures[-1].shape == (32, 32, 3)
        assert rig.shown.pictures[-1].std() == 0, "a picture of something"
        assert level <= 200


def test_the_safe_picture_is_shown_in_full(make_rig: Callable[..., Rig], tmp_path: Path) -> None:
    import cv2

    path = tmp_path / "safe.png"
    cv2.imwrite(str(path), np.full((90, 160, 3), (0, 0, 240), np.uint8))
    rig = make_rig(safe_picture=path)
    assert rig.frame(rig.empty) == (240, FrameKind.SAFE)
    assert rig.shown.pictures[-1].shape == (90, 160, 3)
    rig.engine.handle(Reload(1.0, 0.5, None, "dry", True))
    assert rig.frame(rig.empty) == (0, FrameKind.SAFE)


def test_a_safe_picture_that_cannot_be_read_is_black(make_rig: Callable[..., Rig], tmp_path: Path) -> None:
    path = tmp_path / "safe.png"
    path.write_text("no picture")
    rig = make_rig(safe_picture=path)
    assert rig.frame(rig.empty) == (0, FrameKind.SAFE)
    assert "cannot be read" in rig.heard(Note)[0].text


# ---- faults


def test_a_look_that_fails_gives_way_to_the_safe_picture_and_is_tried_again(rig: Rig) -> None:
    rig.go("one")
    rig.frame()
    rig.looks["one"].failing = True
    assert rig.frame() == (0, FrameKind.SAFE)
    assert rig.frame() == (0, FrameKind.SAFE)
    (fault,) = rig.heard(Fault)
    assert fault.where == "look one"
    assert fault.what == "RuntimeError: out of memory on the device"
    rig.looks["one"].failing = False
    assert rig.frame() == (0, FrameKind.SAFE)
    assert rig.frame(after_s=1.1) == (100, FrameKind.GENERATED)
    assert rig.heard(Recovered)
    (logged,) = rig.engine.report()["faults"]
    assert logged["recovered_after"] > 1000


def test_an_output_that_fails_stops_nothing(rig: Rig) -> None:
    rig.go("one")
    rig.frame()
    rig.shown.broken = rig.preview.broken = True
    rig.clock.pass_(0.03)
    rig.source.put(Frame(rig.still, rig.clock(), 9))
    assert rig.engine.step(0) is Step.FRAME
    assert {f.where for f in rig.heard(Fault)} == {"stage", "preview"}
    rig.shown.broken = rig.preview.broken = False
    assert rig.frame() == (100, FrameKind.GENERATED)


def test_panic_is_the_safe_picture_at_once(rig: Rig) -> None:
    rig.go("one")
    rig.frame()
    rig.engine.handle(Panic(True))
    assert rig.frame() == (0, FrameKind.SAFE)
    rig.engine.handle(Panic(False))
    assert rig.frame() == (100, FrameKind.GENERATED)


def test_a_source_that_is_gone_is_the_safe_picture_at_once(rig: Rig) -> None:
    rig.go("one")
    rig.frame()
    written = len(rig.shown.kinds)
    rig.clock.pass_(0.9)
    assert rig.engine.step(0) is Step.IDLE
    assert len(rig.shown.kinds) == written
    rig.clock.pass_(0.2)
    assert rig.engine.step(0) is Step.GONE
    assert rig.shown.kinds[-1] is FrameKind.SAFE
    assert rig.shown.pictures[-1].max() == 0
    (fault,) = rig.heard(Fault)
    assert fault.where == "camera"
    rig.clock.pass_(1.0)
    rig.engine.step(0)
    assert not rig.heard(Fault), "said twice"
    rig.frame()
    assert rig.heard(Recovered)[0].where == "camera"
    rig.frame(after_s=0.3)
    assert rig.frame() == (100, FrameKind.GENERATED)


def test_before_the_first_frame_the_safe_picture_is_there_and_it_is_no_fault_yet(rig: Rig) -> None:
    assert rig.engine.step(0) is Step.GONE
    assert rig.shown.kinds == [FrameKind.SAFE]
    assert not rig.heard(Fault)
    rig.clock.pass_(3.1)
    rig.engine.step(0)
    assert rig.heard(Fault)


def test_the_lock_moves_where_the_operator_points(rig: Rig, footage: Path) -> None:
    two = next(iter(FileFrames(footage / "derived_two_people_sidebyside_7s.mp4"))).picture
    for x in (0.75, 0.25, 0.75):
        rig.engine.handle(Lock(x, 0.5))
        rig.frame(two)
        points = rig.preview.points[-1]
        assert points is not None
        assert abs(points[:, 0].mean() / two.shape[1] - x) < 0.2


def test_mirror_turns_the_camera_s_picture(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(mirror=True)
    rig.frame()
    np.testing.assert_array_equal(rig.preview.pictures[-1], rig.still[:, ::-1])


def test_a_profile_turns_with_a_mirrored_picture(
    make_rig: Callable[..., Rig], still: Picture, face_points: FacePoints
) -> None:
    height, width = still.shape[:2]
    measured = face_points.fine_points(still, face_points.detect(still, 2.0)[0].box)
    rig = make_rig(mirror=True, neutral=in_heights(measured, width, height))
    rig.go("one")
    rig.frame()
    assert rig.looks["one"].asked is not None
    points, neutral = rig.looks["one"].asked
    pose, residual = pose_and_residual(points, neutral)
    eyes = eye_distance(points)
    assert np.hypot(pose.shift_x, pose.shift_y) < 0.1, "the performer sits where he was measured"
    assert np.linalg.norm(residual, axis=1).mean() / eyes < 0.08, "and is at rest: dlib's own difference in a mirror"
    assert mirrored(mirrored(measured)) == pytest.approx(measured)


def test_the_preview_is_small_and_its_points_are_in_its_pixels(rig: Rig, footage: Path) -> None:
    frame = next(iter(FileFrames(footage / "talkerH_woman_720p_9s.mp4")))
    rig.frame(frame.picture)
    assert rig.preview.pictures[-1].shape == (480, 853, 3)
    points = rig.preview.points[-1]
    assert points is not None
    assert points[:, 1].max() < 480
    assert points[:, 0].max() < 853


# ---- the delay line


class Stage(Shown):
    """Keeps when it was written to."""

    def __init__(self) -> None:
        super().__init__()
        self.at: list[float] = []

    def write(self, picture: Picture, **facts: Any) -> None:
        super().write(picture, **facts)
        self.at.append(now())

    def has(self, count: int) -> bool:
        end = now() + 5
        while len(self.at) < count and now() < end:
            time.sleep(0.001)
        return len(self.at) == count


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def line(stage: Stage) -> Iterator[DelayLine]:
    made = DelayLine(stage, lambda error: pytest.fail(str(error)))
    yield made
    made.close()


def make(line: DelayLine, index: int, captured_at: float) -> None:
    picture = np.full((4, 4, 3), index, np.uint8)
    line.write(picture, captured_at=captured_at, ready_at=now(), index=index, kind=FrameKind.GENERATED)
    picture[:] = 99  # whoever made it makes the next one in the same place


def test_however_long_a_picture_took_its_latency_is_the_same(stage: Stage, line: DelayLine) -> None:
    make(line, 0, now() - 0.01)
    assert stage.indices == [0], "without a latency to keep to it goes at once"
    line.latency_s = 0.15
    with Machine() as machine:
        for index, took_s in enumerate([0.0, 0.03, 0.0, 0.05, 0.01], 1):
            captured_at = now()
            time.sleep(took_s)
            make(line, index, captured_at)
        assert stage.has(6)
    assert stage.indices == list(range(6))
    assert [picture[0, 0, 0] for picture in stage.pictures] == stage.indices
    latencies = np.subtract(stage.at, stage.captured_at)[1:]
    assert latencies.min() >= 0.149
    assert np.median(latencies) < 0.16 + machine.worst_s()


def test_a_picture_that_is_late_goes_at_once_but_overtakes_none(stage: Stage, line: DelayLine) -> None:
    line.latency_s = 0.1
    make(line, 1, now() - 0.2)
    assert stage.indices == [1]
    make(line, 2, now())
    make(line, 3, now() - 0.2)
    assert stage.has(3)
    assert stage.indices == [1, 2, 3]
    assert np.subtract(stage.at, stage.captured_at)[1] >= 0.099


def test_a_shorter_latency_lets_go_and_a_drop_forgets(stage: Stage, line: DelayLine) -> None:
    line.latency_s = 1.9
    make(line, 1, now())
    line.latency_s = 0.0
    assert stage.has(1)
    line.latency_s = 0.1
    make(line, 2, now())
    line.drop()
    make(line, 3, now())
    assert stage.has(2)
    assert stage.indices == [1, 3]


def test_waiting_on_purpose_is_no_latency_of_the_report(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig()
    rig.engine.handle(SetParameter(LATENCY, 0.1))
    assert rig.engine.figures()["target_latency"] == 100.0
    rig.go("one")
    rig.clock.pass_(0.1)
    rig.source.put(Frame(rig.still, rig.clock(), 0))
    rig.engine.step(0)
    assert rig.engine.report()["video"]["latency"]["max"] == 0.0


# ---- real looks


@pytest.mark.parametrize("style", ["smooth", "face2face"])
@pytest.mark.parametrize("retarget", [True, False])
def test_lines_are_drawn_in_the_target_s_place(make_look: Callable[..., Path], style: str, retarget: bool) -> None:
    look = open_look(make_look(style=style, tint=0), "cpu", retarget)
    assert look.size == (SIZE, SIZE)
    assert look.provider == "CPU"
    assert look.needs_face
    frame = np.zeros((480, 640, 3), np.uint8)
    points = drawn_points((450, 180), 160)
    picture = look.perform(frame, points, points)
    rows, columns = np.nonzero(picture[..., 1] > 100)
    if retarget:  # At rest the performer is the target at rest.
        assert (columns.min(), columns.max()) == pytest.approx((SIZE * 0.2, SIZE * 0.8), abs=3)
        assert rows.max() == pytest.approx(SIZE * (0.42 + 0.62 * 0.6), abs=3)
    else:
        scale = SIZE / 480
        assert (columns.min(), columns.max()) == pytest.approx((290 * scale, 450 * scale), abs=3)
    look.close()


def test_an_aligned_face_has_its_eyes_in_place() -> None:
    for turn in (0.0, 0.4):
        points = drawn_points((0, 0), 100)
        spin = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        points = (points @ spin + [300, 200]).astype(np.float32)
        placed = face_square(points, 64)
        inverse = np.linalg.inv(placed[:, :2])
        eyes = [(points[s].mean(0) - placed[:, 2]) @ inverse.T for s in (slice(36, 42), slice(42, 48))]
        assert eyes[1][0] - eyes[0][0] == pytest.approx(0.30 * 64, abs=0.1)
        assert eyes[0][1] == pytest.approx(eyes[1][1], abs=0.01)
        assert eyes[0][1] == pytest.approx(0.42 * 64, abs=0.1)


@pytest.mark.parametrize("reads", ["face", "frame"])
def test_a_look_with_a_mask_is_laid_into_the_frame(make_look: Callable[..., Path], reads: str) -> None:
    look = open_look(make_look(reads=reads, tint=60, mask=True), "cpu")
    frame = np.full((120, 160, 3), 90, np.uint8)
    points = drawn_points((80, 60), 60)
    picture = look.perform(frame, points, points)
    assert picture.shape == frame.shape
    assert look.size is None
    assert picture[60, 80].tolist() == pytest.approx([150, 90, 90], abs=2)
    assert picture[2, 2].tolist() == [90, 90, 90]
    assert frame.max() == 90
    look.close()


def test_a_look_on_a_thread_of_its_own_gives_the_same(
    make_look: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    # As on a graphics card, with the CPU in its place.
    def on_its_thread(path: str, provider: str, **wanted: Any) -> CudaSession:
        model = Path(path)
        return CudaSession(
            model, check(model), "CUDA", lambda graph: build(model, "CPU", {}, options(1)), "fp32", device="cpu"
        )

    path = make_look()
    points = drawn_points((80, 60), 60)
    frame = np.zeros((120, 160, 3), np.uint8)
    with open_session(path, "cpu") as session:
        plain = ModelLook(str(path), session).perform(frame, points, points).copy()
    monkeypatch.setattr("live.picture.look.open_session", on_its_thread)
    look = open_look(str(path), "auto")
    assert look.provider == "CUDA"
    np.testing.assert_array_equal(look.perform(frame, points, points), plain)
    # What the slot forgets is freed by nobody's hand.
    del look
    gc.collect()


# ---- the process


def test_the_engine_in_its_own_process(footage: Path, make_look: Callable[..., Path]) -> None:
    path = str(make_look())
    settings = PictureSettings(camera=str(footage / "talkerA_webcam_53s.mp4"), provider="cpu")
    stage, preview = SharedFrames.create(256 * 256 * 3 * 4), SharedFrames.create(640 * 480 * 3)
    process = EngineProcess("picture", "live.picture.engine:main", (settings, stage.handle, preview.handle))
    events: list[Any] = []
    try:
        process.start()
        process.send(Prepare(path, "look"))
        process.send(Go(3, path))
        end = now() + 30
        while now() < end and not any(isinstance(e, OnStage) for e in events):
            events += process.events()
            time.sleep(0.01)
        assert [e.cue_index for e in events if isinstance(e, OnStage)] == [3]
        kinds = set()
        end = now() + 1
        while now() < end:
            stage.wait(0.1)
            picture = stage.newest()
            kinds.add(picture.kind if picture else None)
        assert FrameKind.GENERATED in kinds
        seen = preview.newest()
        assert seen is not None
        assert seen.picture.shape == (300, 400, 3)
        assert seen.points is not None
        process.send(Stop())
        assert process.stop()
        events += process.events()
        finished = events[-1]
        assert isinstance(finished, Finished)
        assert finished.why == "stopped"
        assert finished.report["video"]["frames_presented"] > 3
        json.dumps(finished.report)
    finally:
        process.kill()
        for frames in (stage, preview):
            frames.close()
            frames.unlink()
        stop_forkserver()


def test_a_bad_source_is_told_and_the_process_ends() -> None:
    class Link:
        closed = False

        def __init__(self) -> None:
            self.sent: list[Any] = []

        def send(self, event: Any) -> None:
            self.sent.append(event)

    from live.picture.engine import main

    link = Link()
    main(link, PictureSettings(camera="/no/such/file.mp4"), None, None)  # type: ignore[arg-type]
    (finished,) = link.sent
    assert finished.why.startswith("bad source: ")
    assert "no such file" in finished.why


def test_a_hanging_url_stands_in_nobodys_way(make_rig: Callable[..., Rig]) -> None:
    import socket

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        rig = make_rig()
        rig.source = rig.engine.source = open_source(  # type: ignore[assignment]
            f"http://127.0.0.1:{server.getsockname()[1]}/x.mp4", rig.clock
        )
        rig.engine.source.start()
        began = now()
        for _ in range(40):
            rig.clock.pass_(0.1)
            rig.engine.step(0.001)
        assert now() - began < 2
        assert rig.shown.kinds
        assert set(rig.shown.kinds) == {FrameKind.SAFE}
        assert rig.heard(Fault)[0].where == "camera"
    assert camera.MOST_ABANDONED >= 1


def test_real_footage_runs_through_whole(
    footage: Path, face_points: FacePoints, make_look: Callable[..., Path], shown: Shown, clock: ManualClock
) -> None:
    """Stage cuts, profiles, several faces, dark: nothing raises, nothing but look or safe picture is seen."""
    source = ScriptedSource("script", clock=clock)
    path = str(make_look(tint=0))
    engine = PictureEngine(
        PictureSettings(first_look=path, provider="cpu"), source, shown, None, clock, face_points=face_points
    )
    engine.wait_for_look()
    for name in ("hard_stage_cuts_dark_profile_multi_10s.mp4", "hard_group_walking_small_faces_3s.gif"):
        for frame in islice(FileFrames(footage / name), 0, None, 12):
            clock.pass_(0.1)
            engine.process(source.hand(Frame(frame.picture, clock(), frame.index)))
    assert {p.shape for p in shown.pictures} == {(SIZE, SIZE, 3)}
    assert engine.report()["faults"] == []
    engine.close()
