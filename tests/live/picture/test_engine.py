"""The engine's loop: what the audience sees without a face, and after faults. Scripted sources, a manual clock, real
dlib."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

import live.picture.safe_picture
from live.picture.engine import Step
from live.picture.sources.movie_frames import FileFrames
from live.process.frames import Frame, now
from live.process.messages import Fault, Lock, Note, Panic, Recovered, Reload
from live.process.stage_picture import FrameKind
from live.show.profile import in_heights, mirrored
from models.features.face_points import FacePoints, eye_distance
from models.features.retarget import pose_and_residual
from models.features.types import Picture

from .engine_rig import Rig

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
    path = tmp_path / "safe.png"
    cv2.imwrite(str(path), np.full((90, 160, 3), (0, 0, 240), np.uint8))
    rig = make_rig(safe_picture=path)
    assert rig.frame(rig.empty) == (240, FrameKind.SAFE)
    assert rig.shown.pictures[-1].shape == (90, 160, 3)
    rig.engine.handle(Reload(1.0, 0.5, None, "dry", True))
    _wait_for_level(rig, 0)


def test_a_safe_picture_is_read_again_beside_the_loop(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long that takes; the newest counts, and what cannot be read is said."""
    disk = threading.Event()
    read = live.picture.safe_picture.open_safe_picture

    def slowly(path: Path) -> Picture:
        if path.name == "slow.png":
            assert disk.wait(10)
        return read(path)

    monkeypatch.setattr("live.picture.safe_picture.open_safe_picture", slowly)
    for name, level in (("slow.png", 99), ("next.png", 240)):
        cv2.imwrite(str(tmp_path / name), np.full((90, 160, 3), level, np.uint8))
    rig.engine.handle(Reload(1.0, 0.5, str(tmp_path / "slow.png"), "dry", True))
    assert rig.frame(rig.empty) == (0, FrameKind.SAFE)
    rig.engine.handle(Reload(1.0, 0.5, str(tmp_path / "next.png"), "dry", True))
    _wait_for_level(rig, 240)
    disk.set()
    rig.engine.handle(Reload(1.0, 0.5, str(tmp_path / "gone.png"), "dry", True))
    _wait_for_level(rig, 0)
    assert "gone.png is not a file: the safe picture is black" in rig.heard(Note)[-1].text
    assert set(rig.shown.kinds) == {FrameKind.SAFE}


def _wait_for_level(rig: Rig, level: int) -> None:
    end = now() + 10
    while rig.frame(rig.empty)[0] != level:
        assert now() < end


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


def test_of_a_camera_that_hangs_not_even_the_last_picture_is_shown(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.go("one")
    rig.frame()
    monkeypatch.setattr(type(rig.source), "stuck", True)
    rig.source.error = "it hangs"
    rig.source.put(Frame(rig.still, rig.clock(), 1))
    assert rig.engine.step(0) is Step.GONE
    assert rig.shown.kinds[-1] is FrameKind.SAFE
    assert rig.heard(Fault)[0].what == "it hangs"
    monkeypatch.setattr(type(rig.source), "stuck", False)
    rig.frame()
    assert rig.heard(Recovered)[0].where == "camera"


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
