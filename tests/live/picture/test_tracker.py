"""Real dlib on real footage: lost frames, the still's contract, the lock, what is no face."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from live.picture.one_euro import OneEuroFilter
from live.picture.performer_lock import GRACE_S
from live.picture.sources.movie_frames import FileFrames
from live.picture.tracker import Tracker, shape_is_sane
from live.process.frames import Frame, Landmarks
from models.features.face_points import Box, FacePoints, eye_distance
from models.features.types import Picture

from .conftest import drawn_points


def follow(tracker: Tracker, path: Path, frames: int | None = None) -> list[Landmarks | None]:
    return [tracker.update(frame) for frame in islice(FileFrames(path), frames)]


def test_talker_at_400x300_is_never_lost(footage: Path, face_points: FacePoints) -> None:
    # The whole 53 s, end included, where a hand covers the chin, in every fifth frame: faster motion than he makes.
    tracker = Tracker(face_points)
    found = [tracker.update(f) for f in islice(FileFrames(footage / "talkerA_webcam_53s.mp4"), 0, None, 5)]
    assert tracker.lost_frames <= 0.005 * len(found)


@pytest.mark.parametrize(
    ("name", "lost"),
    [
        ("derived_dim_30pct_15s.mp4", 0.005),
        ("talkerC_woman_expressions_33s.mp4", 0.005),
        ("talkerH_woman_720p_9s.mp4", 0.005),
        ("talkerI_woman_portrait_480x908_10s.mp4", 0.005),
        ("hard_three_people_glasses_3s.gif", 0.15),
    ],
)
def test_faces_are_kept(footage: Path, face_points: FacePoints, name: str, lost: float) -> None:
    tracker = Tracker(face_points)
    found = follow(tracker, footage / name, 60)
    assert tracker.lost_frames <= lost * len(found)


@pytest.mark.parametrize(
    "name",
    ["negative_noface_bottles.mp4", "negative_people_from_behind_25s.mp4", "derived_nearblack_6s.mp4"],
)
def test_nothing_is_found_where_no_face_is(footage: Path, face_points: FacePoints, name: str) -> None:
    found = [Tracker(face_points).update(f) for f in islice(FileFrames(footage / name), 0, 480, 24)]
    assert not any(found)


def test_a_still_gives_the_points_of_a_direct_dlib_call(footage: Path, face_points: FacePoints) -> None:
    for name in ("talkerA_webcam_53s.mp4", "talkerF_man_glasses_8s.mp4"):
        still = next(iter(FileFrames(footage / name)))
        tracker = Tracker(face_points)
        for i in range(8):
            found = tracker.update(Frame(still.picture, i / 30, i))
            assert found is not None
            direct = face_points.points(still.picture, found.box)
            np.testing.assert_array_equal(np.rint(found.points), direct)


def test_the_still_s_box_is_the_detector_s(footage: Path, face_points: FacePoints) -> None:
    still = next(iter(FileFrames(footage / "talkerA_webcam_53s.mp4")))
    picture = cv2.resize(still.picture, (640, 480))
    tracker = Tracker(face_points)
    boxes = [tracker.update(Frame(picture, i / 30, i)) for i in range(5)]
    assert {found.box for found in boxes if found} == {face_points.detect(picture)[0].box}


def test_the_face_that_leaves_is_lost_and_found_again(footage: Path, face_points: FacePoints) -> None:
    tracker = Tracker(face_points)
    frames = list(FileFrames(footage / "derived_face_leaves_frame_3to9s.mp4"))
    found = [tracker.update(f) is not None for f in frames[::4]]
    seconds = [f.captured_at for f in frames[::4]]
    assert all(face for face, t in zip(found, seconds, strict=True) if t < 3 or t > 9)
    assert not any(face for face, t in zip(found, seconds, strict=True) if 5.3 < t < 6.7)


def test_of_two_people_the_locked_one_keeps_the_stage(footage: Path, face_points: FacePoints) -> None:
    path = footage / "derived_two_people_sidebyside_7s.mp4"
    tracker = Tracker(face_points)
    sides = {found.points[:, 0].mean() > 480 for found in follow(tracker, path, 40) if found}
    assert len(sides) == 1
    assert tracker.performer == 1
    right = sides.pop()
    tracker.lock(0.25 if right else 0.75, 0.5)
    sides = {found.points[:, 0].mean() > 480 for found in follow(tracker, path, 40) if found}
    assert sides == {not right}
    assert tracker.performer == 2


def test_somebody_else_takes_over_only_after_a_while(footage: Path, face_points: FacePoints) -> None:
    frames = list(islice(FileFrames(footage / "derived_two_people_sidebyside_7s.mp4"), 0, 200, 2))
    tracker = Tracker(face_points)
    tracker.lock(0.25, 0.5)
    first = tracker.update(frames[0])
    assert first is not None
    assert first.points[:, 0].mean() < 480
    taken_at = None
    for frame in frames[1:]:
        only_right = frame.picture.copy()
        only_right[:, :480] = 60
        found = tracker.update(Frame(only_right, frame.captured_at, frame.index))
        if found is not None:
            assert found.points[:, 0].mean() > 480
            taken_at = taken_at or frame.captured_at
    assert taken_at is not None
    assert taken_at > frames[0].captured_at + GRACE_S
    assert tracker.performer == 2


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (200, 3), (61, 47)])
def test_any_size_of_picture(face_points: FacePoints, shape: tuple[int, int]) -> None:
    assert Tracker(face_points).update(Frame(np.zeros((*shape, 3), np.uint8), 0.0, 0)) is None


def test_a_face_at_the_edge_is_no_trouble(footage: Path, face_points: FacePoints) -> None:
    still = next(iter(FileFrames(footage / "talkerA_webcam_53s.mp4"))).picture
    tracker = Tracker(face_points)
    for i in range(20):
        moved: Picture = np.roll(still, (i * 6, i * 12), (0, 1))
        tracker.update(Frame(moved, i / 30, i))


def test_shapes_that_are_no_face() -> None:
    box = Box(50, 50, 149, 149)
    face = drawn_points((100, 90), 80)
    assert shape_is_sane(face, box)
    assert not shape_is_sane(face[:, ::-1].copy(), box)  # Lying on its side.
    assert not shape_is_sane(200 - face, box)  # Upside down.
    assert not shape_is_sane((face - 100) * 0.3 + 100, box)  # Far smaller than its box.
    assert not shape_is_sane(face + 60, box)  # Beside it.


def test_the_filter_leaves_a_still_alone_and_steadies_noise() -> None:
    face = drawn_points((200, 150), 120)
    unit = eye_distance(face)
    smooth = OneEuroFilter()
    for i in range(30):
        np.testing.assert_array_equal(smooth(face, i / 30, unit), face)
    random = np.random.default_rng(1)
    noisy = [(face + random.normal(0, 0.3, face.shape)).astype(np.float32) for _ in range(90)]
    smoothed = [smooth(points, 1 + i / 30, unit) for i, points in enumerate(noisy)]
    before = np.diff(np.array(noisy[30:]), axis=0).std()
    after = np.diff(np.array(smoothed[30:]), axis=0).std()
    assert after < 0.5 * before


def test_the_filter_lags_little_in_fast_motion() -> None:
    face = drawn_points((200, 150), 120)
    unit = eye_distance(face)
    smooth = OneEuroFilter()
    # Two eye distances to and fro within a second.
    at = [i / 30 for i in range(60)]
    path = [unit * np.sin(2 * np.pi * t) for t in at]
    shown = [
        smooth(face + np.float32([x, 0]), t, unit)[:, 0].mean() - face[:, 0].mean()
        for t, x in zip(at, path, strict=True)
    ]
    lag = np.array(
        [
            np.square(np.array(shown[15:]) - np.interp(np.array(at[15:]) - d, at, path)).sum()
            for d in np.arange(0, 0.1, 0.002)
        ]
    )
    assert lag.argmin() * 0.002 <= 0.016


def test_the_filter_starts_anew_after_a_gap() -> None:
    smooth = OneEuroFilter()
    face = drawn_points((100, 100), 80)
    smooth(face, 0.0, 30)
    np.testing.assert_array_equal(smooth(face + 50, 2.0, 30), face + 50)
