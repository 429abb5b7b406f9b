"""Real faces in noise, under a hand, beside a picture on the wall, behind a passer-by: the face is steady, and his."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from export.artifact.model_file import read_manifest
from live import demo
from live.picture.sources.movie_frames import FileFrames
from live.picture.tracker import PICTURE, PROOF_S, STILL_PROOF_S, Tracker
from live.process.frames import Frame, Landmarks
from models.features.face_points import FacePoints, openings
from models.features.media.picture_files import read_picture_file
from models.features.retarget import Retarget, RunningNeutral
from models.features.types import Picture
from tests.bench.steadiness import LIMITS, moved_in_noise

from .conftest import target_of

FPS = 10


@pytest.fixture(scope="module")
def leaves(footage: Path) -> list[Picture]:
    """The performer leaves from 3 s on and is back at 9 s; 10 frames a second."""
    return [frame.picture for frame in islice(FileFrames(footage / "derived_face_leaves_frame_3to9s.mp4"), 0, None, 3)]


@pytest.fixture(scope="module")
def photograph(footage: Path) -> Picture:
    picture = read_picture_file(footage.parent / "faces" / "32bit.png")
    return cv2.resize(picture, None, fx=440 / picture.shape[0], fy=440 / picture.shape[0])


def with_photograph(picture: Picture, photograph: Picture, left: int = 0, top: int = 0) -> Picture:
    mixed = picture.copy()
    part = photograph[: mixed.shape[0] - top, : mixed.shape[1] - left]
    mixed[top : top + part.shape[0], left : left + part.shape[1]] = part
    return mixed


def track(tracker: Tracker, pictures: list[Picture], fps: float = FPS) -> list[Landmarks | None]:
    return [tracker.update(Frame(picture, i / fps, i)) for i, picture in enumerate(pictures)]


def test_a_still_face_in_noise_is_still(footage: Path, face_points: FacePoints) -> None:
    still = next(islice(FileFrames(footage / "talkerC_woman_expressions_33s.mp4"), 60, None)).picture
    random = np.random.default_rng(1)
    target = read_manifest(Path(demo.__file__).parent / "looks" / "porcelain.onnx").target
    assert target is not None
    tracker, neutral, retarget = Tracker(face_points), RunningNeutral(), Retarget(target.model_dump())
    shown = []
    for i in range(45):
        noisy = np.clip(still + random.normal(0, 8, still.shape[:2])[..., None], 0, 255).astype(np.uint8)
        found = tracker.update(Frame(noisy, i / 30, i))
        assert found is not None
        shown.append(retarget(found.points, neutral.update(found.points, i / 30)))
    moved = np.linalg.norm(np.diff(np.array(shown[15:]), axis=0), axis=2)
    assert moved.mean() <= 0.2
    assert np.percentile(moved, 95) <= 0.6


@pytest.mark.slow
@pytest.mark.parametrize("name", ["talkerC_woman_expressions_33s.mp4", "talkerF_man_glasses_8s.mp4"])
@pytest.mark.parametrize(("noise", "dimmed"), LIMITS)
def test_a_still_face_in_ffmpeg_s_noise(
    footage: Path, face_points: FacePoints, name: str, noise: int, dimmed: bool
) -> None:
    moved, lost = moved_in_noise(face_points, footage / name, noise, dimmed)
    mean_limit, p95_limit = LIMITS[noise, dimmed]
    if moved.size:
        assert moved.mean() <= mean_limit
        assert p95_limit is None or np.percentile(moved, 95) <= p95_limit
    else:
        assert lost == 120, "where no face is found, that is counted"


def test_a_picture_on_the_wall_never_performs(
    leaves: list[Picture], photograph: Picture, face_points: FacePoints
) -> None:
    tracker = Tracker(face_points)
    found = track(tracker, [with_photograph(picture, photograph) for picture in leaves])
    picture_ends = photograph.shape[1]
    assert all(face is None or face.points[:, 0].mean() > picture_ends for face in found)
    assert not any(found[round(4.3 * FPS) : round(8 * FPS)])
    assert all(found[round(9 * FPS) :]), "he has the stage again"
    assert tracker.performer == 1


@pytest.mark.slow
def test_a_photograph_held_up_does_not_perform(
    leaves: list[Picture], photograph: Picture, face_points: FacePoints
) -> None:
    tracker = Tracker(face_points)
    pictures = []
    for i, picture in enumerate(leaves):
        sway = round(6 * np.sin(i / 3)), round(4 + 4 * np.cos(i / 4))
        pictures.append(with_photograph(picture, photograph, max(sway[0], 0), sway[1]) if i > 2 * FPS else picture)
    found = track(tracker, pictures)
    assert not any(found[round(4.5 * FPS) : round(8 * FPS)])
    assert all(found[round(9.2 * FPS) :])
    assert tracker.performer == 1


def test_who_walks_past_does_not_take_the_stage(footage: Path, face_points: FacePoints) -> None:
    performer = islice(FileFrames(footage / "talkerF_man_glasses_8s.mp4"), 0, 216, 3)
    passer = islice(FileFrames(footage / "talkerC_woman_expressions_33s.mp4"), 0, 216, 3)
    pictures = []
    for i, (behind, before) in enumerate(zip(performer, passer, strict=True)):
        wide = np.zeros((480, 1440, 3), np.uint8)
        wide[:, 240:720] = behind.picture
        left = max(round(960 - 200 * i / FPS), -480)
        wide[:, max(left, 0) : left + 480] = before.picture[:, max(-left, 0) :]
        pictures.append(wide[:, :960])
    tracker = Tracker(face_points)
    found = track(tracker, pictures)
    assert all(found[: round(1.5 * FPS)])
    assert not any(found[round(2.7 * FPS) : round(4.5 * FPS)]), "she is not taken for him"
    assert all(found[round(6 * FPS) :]), "he is seen from 5.5 s on"
    assert tracker.performer == 1


def _with_hand(picture: Picture, found: Landmarks, over: slice, size: tuple[int, int]) -> Picture:
    """Four fingers in the colour of the cheek, with edges between them."""
    x, y = (round(float(v)) for v in found.points[over].mean(0))
    cheek = picture[round(float(found.points[30, 1])), round(float(found.points[48, 0]))].astype(float)
    covered = picture.copy()
    for finger in range(4):
        at = (x, y - size[1] + finger * size[1] * 2 // 3)
        cv2.ellipse(covered, at, (size[0], size[1] * 2 // 5), 0, 0, 360, (cheek * 0.95).tolist(), -1)
        cv2.ellipse(covered, at, (size[0], size[1] * 2 // 5), 0, 0, 360, (cheek * 0.65).tolist(), 1)
    return cv2.GaussianBlur(covered, (3, 3), 0)


@pytest.mark.parametrize("size", [(30, 18), pytest.param((45, 24), marks=pytest.mark.slow)])
def test_a_hand_over_the_mouth_does_not_make_it_gape(
    footage: Path, face_points: FacePoints, size: tuple[int, int]
) -> None:
    frames = list(islice(FileFrames(footage / "talkerA_webcam_53s.mp4"), 600, 675))
    plain, tracker, neutral = Tracker(face_points), Tracker(face_points), RunningNeutral()
    retarget = Retarget(target_of(256).model_dump())
    asked: list[tuple[int, float]] = []
    for i, frame in enumerate(frames):
        where = plain.update(frame)
        assert where is not None
        picture = frame.picture if i < 35 else _with_hand(frame.picture, where, slice(48, 68), size)
        found = tracker.update(Frame(picture, frame.captured_at, frame.index))
        if found is not None:
            known = neutral.update(found.points, frame.captured_at)
            asked.append((i, float(openings(retarget(found.points, known))[0])))
    before = max(opening for i, opening in asked if i < 35)
    assert max((opening for i, opening in asked if i >= 35), default=0.0) <= 1.2 * before


def test_covered_eyes_are_no_face(footage: Path, face_points: FacePoints) -> None:
    frames = list(islice(FileFrames(footage / "talkerA_webcam_53s.mp4"), 700, 760))
    plain, tracker = Tracker(face_points), Tracker(face_points)
    found = []
    for i, frame in enumerate(frames):
        where = plain.update(frame)
        assert where is not None
        picture = frame.picture if i < 25 else _with_hand(frame.picture, where, slice(36, 48), (65, 24))
        found.append(tracker.update(Frame(picture, frame.captured_at, frame.index)))
    assert all(found[:25])
    assert not any(found[32:]), "held, then the safe picture"


def test_a_face_that_never_moves_is_a_picture_unless_the_operator_knows_better(
    footage: Path, face_points: FacePoints
) -> None:
    still = next(iter(FileFrames(footage / "talkerA_webcam_53s.mp4"))).picture
    seconds = STILL_PROOF_S + 2
    tracker = Tracker(face_points)
    found = track(tracker, [still] * round(seconds * 4), 4)
    assert found[0] is not None, "the audience does not wait"
    assert found[-1] is None
    assert tracker.trouble == PICTURE
    chosen = Tracker(face_points)
    chosen.lock(0.5, 0.5)
    assert all(track(chosen, [still] * round(seconds * 4), 4))


def test_a_photograph_before_a_camera_performs_no_longer_than_its_proof(footage: Path, face_points: FacePoints) -> None:
    still = next(iter(FileFrames(footage / "talkerA_webcam_53s.mp4"))).picture
    random = np.random.default_rng(3)
    noisy = [
        np.clip(still + random.normal(0, 3, still.shape), 0, 255).astype(np.uint8)
        for _ in range(round((PROOF_S + 1) * FPS))
    ]
    tracker = Tracker(face_points)
    found = track(tracker, noisy)
    assert found[0] is not None
    assert not any(found[round(PROOF_S * FPS) + 2 :])
    assert tracker.trouble == PICTURE


def test_who_has_lived_may_freeze(footage: Path, face_points: FacePoints) -> None:
    moving = [f.picture for f in islice(FileFrames(footage / "talkerF_man_glasses_8s.mp4"), 0, 90, 3)]
    random = np.random.default_rng(4)
    frozen = [
        np.clip(moving[-1] + random.normal(0, 3, moving[-1].shape), 0, 255).astype(np.uint8) for _ in range(10 * FPS)
    ]
    tracker = Tracker(face_points)
    assert all(track(tracker, moving + frozen))
