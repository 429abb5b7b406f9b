"""The fade of a lost face is a function of time: no clock, no picture."""

from __future__ import annotations

import pytest

from live.picture.lost_face import LostFace


@pytest.fixture
def lost() -> LostFace:
    policy = LostFace(hold_s=1.0, fade_s=0.5, return_s=0.2)
    assert policy.update(0.0, face=True) == 0.0
    return policy


def test_safe_before_the_first_face_and_the_first_face_comes_at_once() -> None:
    policy = LostFace(1.0, 0.5)
    assert policy.update(5.0, face=False) == 1.0
    assert policy.update(5.1, face=True) == 0.0


def test_holds_then_fades_then_stays_safe(lost: LostFace) -> None:
    assert lost.update(1.0, face=False) == 0.0
    assert lost.update(1.99, face=False) == 0.0
    assert lost.update(2.25, face=False) == pytest.approx(0.5)
    assert lost.update(2.5, face=False) == pytest.approx(1.0)
    assert lost.update(60.0, face=False) == 1.0


def test_fades_back_from_where_it_was(lost: LostFace) -> None:
    lost.update(1.0, face=False)
    assert lost.update(2.2, face=False) == pytest.approx(0.4)
    assert lost.update(2.2, face=True) == pytest.approx(0.4)
    assert lost.update(2.24, face=True) == pytest.approx(0.2)
    assert lost.update(2.3, face=True) == 0.0


def test_a_face_lost_again_while_fading_back_does_not_jump(lost: LostFace) -> None:
    lost.update(1.0, face=False)
    lost.update(10.0, face=True)
    assert lost.update(10.1, face=True) == pytest.approx(0.5)
    assert lost.update(10.1, face=False) == pytest.approx(0.5)
    assert lost.update(11.0, face=False) == pytest.approx(0.5)
    assert lost.update(11.2, face=False) > 0.5


def test_a_flicker_shows_nothing(lost: LostFace) -> None:
    for i in range(100):
        assert lost.update(1 + i / 30, face=i % 3 != 0) == 0.0


def test_cut_is_at_once(lost: LostFace) -> None:
    lost.cut(1.0)
    assert lost.share(1.0) == 1.0
    assert lost.update(1.01, face=False) == 1.0


def test_no_hold_and_no_fade_cut() -> None:
    policy = LostFace(0.0, 0.0, return_s=0.0)
    policy.update(0.0, face=True)
    assert policy.update(0.1, face=False) == 1.0
    assert policy.update(0.2, face=True) == 0.0
