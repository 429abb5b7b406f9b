"""Augmentation of pictures: picture and points are warped by the same map."""

from __future__ import annotations

import numpy as np
import pytest

from models.datasets.face_moves import MoveOptions, draw_move
from models.features.face_points import openings
from models.features.types import Picture, Points

SIZE, MARGIN = 256, 32
ALL = MoveOptions(scale=0.12, shift=0.06, turn=8, stretch=0.6)


@pytest.fixture(scope="module")
def face() -> Points:
    """A face at rest with its mouth a little open, roughly dlib's mean shape."""
    t = np.linspace(0, np.pi, 17)
    jaw = np.stack([128 - 70 * np.cos(t), 110 + 100 * np.sin(t)], 1)
    brows = np.concatenate([[(x, 88) for x in range(72, 117, 11)][:5], [(x, 88) for x in range(140, 185, 11)][:5]])
    nose = np.array([(128, 100 + 12 * i) for i in range(4)] + [(116 + 6 * i, 146) for i in range(5)])
    eye = np.array([(-14, 0), (-5, -6), (5, -6), (14, 0), (5, 6), (-5, 6)])
    outer = np.array(
        [(-26, 0), (-16, -9), (-6, -12), (0, -11), (6, -12), (16, -9), (26, 0), (16, 13), (6, 16), (0, 17)]
    )
    outer = np.concatenate([outer, [(-6, 16), (-16, 13)]])
    inner = np.array([(-20, 0), (-7, -5), (0, -5), (7, -5), (20, 0), (7, 5), (0, 5), (-7, 5)])
    placed = [np.add(eye, (96, 106)), np.add(eye, (160, 106)), np.add(outer, (128, 172)), np.add(inner, (128, 172))]
    return np.concatenate([jaw, brows, nose, *placed]).astype(np.float32)


def _dotted(points: Points) -> Picture:
    """A picture, with its margin, in which a soft dot marks each of some points."""
    y, x = np.mgrid[-MARGIN : SIZE + MARGIN, -MARGIN : SIZE + MARGIN]
    picture = np.zeros(x.shape)
    for px, py in points:
        picture += np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * 1.5**2))
    return np.repeat((np.clip(picture, 0, 1) * 255).astype(np.uint8)[..., None], 3, 2)


@pytest.mark.parametrize("point", [37, 41, 44, 62, 66, 8, 30, 0])
def test_a_point_is_found_where_the_copy_says(face: Points, point: int) -> None:
    for seed in range(12):
        move = draw_move(face, SIZE, ALL, np.random.default_rng(seed))
        copy = move.picture(_dotted(face[[point]]), MARGIN, SIZE)[..., 0].astype(float)
        where = move.points(face)[point]
        y, x = np.mgrid[0:SIZE, 0:SIZE]
        near = copy * ((np.abs(x - where[0]) < 8) & (np.abs(y - where[1]) < 8))
        found = np.array([(near * x).sum(), (near * y).sum()]) / near.sum()
        assert np.linalg.norm(found - where) < 1.2, seed


def test_openings_go_both_ways_and_nothing_is_folded(face: Points) -> None:
    before = openings(face)
    after = np.array([openings(draw_move(face, SIZE, ALL, np.random.default_rng(s)).points(face)) for s in range(200)])
    for i in range(3):
        assert after[:, i].min() < 0.75 * before[i]
        assert after[:, i].max() > 1.35 * before[i]
    for seed in range(40):
        for stretch in draw_move(face, SIZE, ALL, np.random.default_rng(seed)).stretches:
            v = np.linspace(-2 * stretch.above, 2 * stretch.below, 400)
            for u in (0.0, 0.8 * stretch.half, 1.5 * stretch.half):
                assert (np.diff(stretch.source(np.full(400, u), v)) > 0).all()


def test_a_shut_mouth_stays_shut(face: Points) -> None:
    shut = face.copy()
    shut[60:68, 1] = 172
    for seed in range(20):
        moved = draw_move(shut, SIZE, MoveOptions(stretch=1.0), np.random.default_rng(seed)).points(shut)
        assert openings(moved)[0] < 0.01
