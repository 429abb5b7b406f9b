"""Cut, dissolve, alternating looks, different sizes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from live.picture.transition import Blender, Rendered, Transition
from live.process.stage_picture import FrameKind
from models.features.geometry import letterbox
from models.features.types import Picture


def plain(value: int, height: int = 8, width: int = 8) -> Picture:
    return np.full((height, width, 3), value, np.uint8)


class Stage:
    """Two looks by name, each of one brightness, each as slow as told; counts who is asked."""

    def __init__(self, cost_s: float) -> None:
        self.cost_s = cost_s
        self.asked: list[str] = []
        self.pictures = {"old": plain(0), "new": plain(200)}

    def show(self, look: str) -> Rendered:
        self.asked.append(look)
        return Rendered(self.pictures[look], FrameKind.GENERATED, self.cost_s)


def dissolve(stage: Stage, frames: int = 10) -> list[int]:
    transition: Transition[str] = Transition()
    transition.perform("old", stage.show, 0.0, 1 / 30)
    transition.begin("old", 1.0, 0.0)
    levels = []
    for i in range(frames + 1):
        levels.append(int(transition.perform("new", stage.show, i / frames, 1 / 30)[0][0, 0, 0]))
    assert transition.old is None
    return levels


def test_a_cut_shows_the_new_look_with_the_next_frame() -> None:
    stage = Stage(0.001)
    transition: Transition[str] = Transition()
    transition.perform("old", stage.show, 0.0, 1 / 30)
    transition.begin("old", 0.0, 0.1)
    assert transition.perform("new", stage.show, 0.1, 1 / 30)[0][0, 0, 0] == 200
    assert stage.asked == ["old", "new"]


def test_a_dissolve_rises_evenly_and_both_perform_where_they_fit() -> None:
    stage = Stage(0.005)
    levels = dissolve(stage)
    assert levels == pytest.approx([20 * i for i in range(11)], abs=1)
    assert stage.asked.count("old") >= 10


def test_they_take_turns_where_both_do_not_fit() -> None:
    stage = Stage(0.020)
    levels = dissolve(stage)
    assert levels == pytest.approx([20 * i for i in range(11)], abs=1)
    during = stage.asked[3:-1]
    assert all(a != b for a, b in itertools.pairwise(during)), during


def test_a_second_cue_during_a_dissolve_ends_the_first() -> None:
    stage = Stage(0.001)
    stage.pictures["third"] = plain(100)
    transition: Transition[str] = Transition()
    transition.begin("old", 1.0, 0.0)
    transition.perform("new", stage.show, 0.5, 1 / 30)
    transition.begin("new", 1.0, 0.5)
    assert transition.perform("third", stage.show, 0.5, 1 / 30)[0][0, 0, 0] == 200
    assert transition.perform("third", stage.show, 1.0, 1 / 30)[0][0, 0, 0] == 150


def test_sizes_are_brought_together_on_a_canvas_for_both() -> None:
    blend = Blender().blend(plain(200, 64, 64), plain(100, 48, 96), 0.5)
    assert blend.shape == (64, 128, 3)
    assert blend[32, 64, 0] == 150
    assert blend[32, 4, 0] == 50  # The square one does not reach here.


def test_blending_changes_neither_picture() -> None:
    a, b = plain(10), plain(20)
    blender = Blender()
    assert blender.blend(a, b, 0.0) is a
    assert blender.blend(a, b, 1.0) is b
    assert blender.blend(a, b, 0.5)[0, 0, 0] == 15
    assert blender.darken(b, 0.5)[0, 0, 0] == 10
    assert a[0, 0, 0] == 10
    assert b[0, 0, 0] == 20


def test_place_keeps_proportions() -> None:
    canvas = np.zeros((100, 100, 3), np.uint8)
    letterbox(plain(9, 20, 40), canvas)
    assert canvas[:24].max() == 0
    assert canvas[26:74].min() == 9
    assert canvas[76:].max() == 0


def test_a_dissolve_to_a_look_of_unknown_cost_asks_one_look_a_frame() -> None:
    transition: Transition[str] = Transition()
    asked: list[str] = []

    def show(look: str) -> Rendered:
        asked.append(look)
        return Rendered(np.zeros((8, 8, 3), np.uint8), FrameKind.GENERATED, 0.018)

    for i in range(3):
        transition.perform("old", show, i / 30, 1 / 30)
    transition.begin("old", 0.5, 0.1)
    for i in range(8):
        asked.clear()
        transition.perform("new", show, 0.1 + i / 30, 1 / 30)
        assert len(asked) == 1, "two looks of 18 ms do not fit into a frame of 33"


@pytest.mark.parametrize("cost_s", [0.001, 0.02])
def test_a_blend_with_something_raw_is_raw(cost_s: float) -> None:
    """Whatever the other look does, whether both perform or take turns, and in a dissolve that is cut short."""
    kinds = {"raw": FrameKind.BYPASS, "failed": FrameKind.SAFE, "lost": FrameKind.HELD}

    def show(look: str) -> Rendered:
        return Rendered(plain(0), kinds[look], cost_s)

    transition: Transition[str] = Transition()
    assert transition.perform("raw", show, 0.0, 1 / 30)[1] is FrameKind.BYPASS
    transition.begin("raw", 1.0, 0.0)
    assert {transition.perform("failed", show, i / 10, 1 / 30)[1] for i in range(10)} == {FrameKind.BYPASS}
    assert transition.perform("failed", show, 1.0, 1 / 30)[1] is FrameKind.SAFE
    transition.begin("failed", 1.0, 1.0)
    assert transition.perform("raw", show, 1.0, 1 / 30)[1] is FrameKind.SAFE, "nothing of it is seen yet"
    assert transition.perform("raw", show, 1.1, 1 / 30)[1] is FrameKind.BYPASS
    transition.begin("raw", 1.0, 1.1)
    assert {transition.perform("lost", show, 1.1 + i / 10, 1 / 30)[1] for i in range(10)} == {FrameKind.BYPASS}
    assert transition.perform("lost", show, 2.1, 1 / 30)[1] is FrameKind.HELD


def test_what_is_safe_for_a_part_only_is_not_safe() -> None:
    kinds = {"look": FrameKind.GENERATED, "safe": FrameKind.SAFE}
    transition: Transition[str] = Transition()

    def show(look: str) -> Rendered:
        return Rendered(plain(0), kinds[look], 0.001)

    transition.begin("look", 1.0, 0.0)
    assert transition.perform("safe", show, 0.9, 1 / 30)[1] is FrameKind.GENERATED
    assert transition.perform("safe", show, 1.0, 1 / 30)[1] is FrameKind.SAFE
