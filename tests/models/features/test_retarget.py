"""Any performer's points mapped to the target's position, size and proportions."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from models.features.face_points import FacePoints, eye_distance, openings
from models.features.retarget import (
    Pose,
    Retarget,
    RunningNeutral,
    apply_pose,
    closed_mouth,
    neutral_of,
    pose_and_residual,
    target_facts,
)
from models.features.types import Points


def _clip(path: Path, every: int = 10) -> np.ndarray:
    finder, points, number = FacePoints(), [], -1
    capture = cv2.VideoCapture(str(path))
    while True:
        read, frame = capture.read()
        number += 1
        if not read:
            return np.array(points)
        if number % every == 0:
            picture = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
            found = finder.detect(picture)
            if found:
                points.append(finder.fine_points(picture, found[0].box))


@pytest.fixture(scope="module")
def target(footage: Path) -> dict[str, Any]:
    return target_facts(_clip(footage / "talkerA_webcam_second_30s.mp4"))


@pytest.fixture(scope="module")
def performer(footage: Path) -> np.ndarray:
    return _clip(footage / "talkerF_man_glasses_8s.mp4", every=6)


def test_pose_taken_out_and_put_back_is_the_face_itself(performer: np.ndarray) -> None:
    neutral = neutral_of(performer)
    for points in performer[::5]:
        pose, residual = pose_and_residual(points, neutral)
        assert np.allclose(apply_pose(neutral + residual, neutral, pose), points, atol=1e-2)


def test_a_moved_face_is_pose_alone(performer: np.ndarray) -> None:
    neutral = neutral_of(performer)
    moved = apply_pose(neutral.astype(float), neutral, Pose(0.3, -0.2, 1.2, 0.25))
    pose, residual = pose_and_residual(moved, neutral)
    assert np.allclose(pose, (0.3, -0.2, 1.2, 0.25), atol=1e-4)
    assert np.abs(residual).max() < 1e-2


def test_the_performers_neutral_becomes_the_targets(target: dict[str, Any], performer: np.ndarray) -> None:
    retarget, neutral = Retarget(target), neutral_of(performer)
    assert np.abs(retarget(neutral, neutral) - retarget.neutral).max() < 2.0


def test_place_and_size_of_the_performer_do_not_matter(target: dict[str, Any], performer: np.ndarray) -> None:
    retarget, neutral = Retarget(target), neutral_of(performer)
    for points in performer[::7]:
        here = retarget(points, neutral)
        nearer = retarget(points * 2.5 + 300, neutral * 2.5 + 300)
        assert np.abs(here - nearer).max() < 0.05


def test_no_point_leaves_what_training_saw(target: dict[str, Any], performer: np.ndarray) -> None:
    retarget, neutral = Retarget(target), neutral_of(performer)
    wild = neutral + np.random.default_rng(1).normal(0, 60, (68, 2)).astype(np.float32)
    points = retarget(wild.astype(np.float32), neutral)
    assert np.isfinite(points).all()
    assert eye_distance(points) < 2 * eye_distance(retarget.neutral)


def test_an_open_mouth_opens_the_targets(target: dict[str, Any], performer: np.ndarray) -> None:
    retarget, neutral = Retarget(target), neutral_of(performer)
    opened = neutral.copy()
    opened[[65, 66, 67]] += [0, 0.25 * eye_distance(neutral)]
    opened[[55, 56, 57, 58, 59]] += [0, 0.25 * eye_distance(neutral)]
    opened[4:13] += [0, 0.2 * eye_distance(neutral)]
    assert openings(retarget(opened, neutral))[0] > openings(retarget(neutral, neutral))[0] + 0.1


def test_the_running_neutral_finds_the_clips(performer: np.ndarray) -> None:
    running, whole = RunningNeutral(), neutral_of(performer)
    answers: list[Points] = [running.update(points, i * 0.2) for i, points in enumerate(performer)]
    assert np.array_equal(answers[0], performer[0])
    last = np.linalg.norm(answers[-1] - whole, axis=1).mean() / eye_distance(whole)
    assert last < 0.05
    steps = [np.abs(b - a).max() for a, b in itertools.pairwise(answers)]
    assert max(steps) < 0.15 * eye_distance(whole)


def test_lips_open_as_far_as_the_performers_whatever_the_neutral(footage: Path, target: dict[str, Any]) -> None:
    """The performer talks all the time, so the median mouth is half open; the target's is shut."""
    talker = _clip(footage / "talkerC_woman_expressions_33s.mp4")
    retarget, neutral = Retarget(target), neutral_of(talker)
    performed = np.array([openings(points)[0] for points in talker])
    asked = np.array([openings(retarget(points, neutral))[0] for points in talker])
    assert openings(neutral)[0] > 0.1
    assert np.corrcoef(performed, asked)[0, 1] > 0.95
    shut, wide = performed < 0.03, (performed > 0.15) & (performed < 0.3)
    assert np.median(asked[shut]) < 0.05
    assert np.median(asked[wide] / performed[wide]) == pytest.approx(1, abs=0.12)


def test_a_mouth_is_shut_with_its_chin(performer: np.ndarray) -> None:
    for points in performer[::9]:
        shut = closed_mouth(points)
        assert openings(shut)[0] < 1e-3
        assert shut[8, 1] <= points[8, 1] + 0.1
        assert (shut[[0, 16, 27, 36, 45]] == points[[0, 16, 27, 36, 45]]).all()
