"""The metrics of a look on pictures and points with known results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calibration.bench.unet import moving_face, plain_face
from export.metrics.face import (
    FaceAnalyzer,
    aligned_crop,
    aligned_points,
    expression_error,
    flicker,
    identity_distance,
    l1,
    mean_descriptor,
    openings_fit,
    picture_change,
    points_change,
    sharpness,
    ssim,
)
from models.features.face_points import eye_distance
from models.features.retarget import Retarget, target_facts

PICTURE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)


def test_a_picture_is_itself() -> None:
    assert ssim(PICTURE, PICTURE) == pytest.approx(1)
    assert l1(PICTURE, PICTURE) == 0
    assert l1(np.zeros_like(PICTURE), np.full_like(PICTURE, 255)) == 1
    assert ssim(PICTURE, PICTURE[::-1]) < 0.2


def test_a_still_does_not_flicker() -> None:
    assert flicker([picture_change(PICTURE, PICTURE)] * 3, [2.0, 3.0]) == 0
    assert flicker([6.0], [2.0, 4.0]) == 2
    assert flicker([6.0], [0.0]) is None
    assert points_change(plain_face(256), plain_face(256)) == 0


def test_movement_is_counted_in_eye_distances() -> None:
    face = plain_face(256)
    assert points_change(face, face + np.array([eye_distance(face), 0])) == pytest.approx(1, abs=1e-5)
    assert expression_error(face + np.array([0, 0.1 * eye_distance(face)]), face) == pytest.approx(0.1, abs=1e-5)
    assert expression_error(face, face) == 0


def test_a_blurred_picture_is_less_sharp() -> None:
    flat = np.full_like(PICTURE, 90)
    assert sharpness(flat) == 0 < sharpness(PICTURE)


def test_openings_are_followed_in_part() -> None:
    face = plain_face(256)
    asked, found = [], []
    for i in range(40):
        for points, share in ((asked, 1.0), (found, 0.5)):
            mouth = face.copy()
            mouth[[65, 66, 67]] += [0, share * (i % 10)]
            points.append(mouth)
    agreed = openings_fit(found, asked)
    assert agreed["mouth"]["correlation"] == pytest.approx(1, abs=1e-3)
    assert agreed["mouth"]["gain"] == pytest.approx(0.5, abs=1e-3)
    assert agreed["left_eye"] == {"correlation": None, "gain": None}, "the eyes kept still"


def test_identity_distance_to_oneself_is_zero() -> None:
    own = np.arange(128.0)
    assert identity_distance(own, mean_descriptor([own, own])) == 0
    with pytest.raises(ValueError, match="no face"):
        mean_descriptor([])


def test_the_aligned_crop_maps_neutral_to_neutral() -> None:
    target = plain_face(256)
    performer = (plain_face(256) * 1.7 + [40, 12]).astype(np.float32)
    assert np.abs(aligned_points(performer, performer, target) - target).max() < 0.01
    frame = np.zeros((560, 640, 3), np.uint8)
    x, y = np.rint(performer[30]).astype(int)
    frame[y - 4 : y + 5, x - 4 : x + 5] = 255
    cut = aligned_crop(frame, performer, target, 256)
    ys, xs = np.nonzero(cut[..., 0] > 60)
    assert np.abs([xs.mean(), ys.mean()] - target[30]).max() < 0.6


def test_retargeting_to_oneself_gives_the_points_of_the_aligned_crop() -> None:
    """So that SSIM compares a generated picture with the real one it should match."""
    clip = moving_face(256)
    retarget = Retarget(target_facts(clip))
    performer = (retarget.neutral * 1.3 + [30, 20]).astype(np.float32)
    points = (clip[7] * 1.3 + [30, 20]).astype(np.float32)
    asked = retarget(points, performer)
    assert np.abs(asked - aligned_points(points, performer, retarget.neutral)).mean() < 1.5


def test_descriptors_of_two_people_and_of_no_face(footage: Path) -> None:
    from live.picture.sources.movie_frames import FileFrames

    analyzer = FaceAnalyzer()
    picture = next(iter(FileFrames(footage / "talkerF_man_glasses_8s.mp4"))).picture
    other = next(iter(FileFrames(footage / "talkerC_woman_expressions_33s.mp4"))).picture
    his, hers = analyzer.describe(picture), analyzer.describe(other)
    assert his is not None
    assert hers is not None
    assert identity_distance(his, mean_descriptor([his])) == 0
    assert identity_distance(his, hers) > 0.5
    both = analyzer.find_and_describe(picture)
    assert both is not None
    assert expression_error(both[0], analyzer.find_points(picture)) == 0
    assert analyzer.describe(np.zeros((200, 200, 3), np.uint8)) is None
