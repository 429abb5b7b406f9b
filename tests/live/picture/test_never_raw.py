"""The raw face, on the loop: shown by bypass alone, for as long as its cue lasts, and never under another name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from export.runtime.time_limit import RunTooLong
from live.picture.engine import PictureEngine
from live.picture.settings import PictureSettings
from live.picture.sources.scripted import ScriptedSource
from live.process.frames import Frame, now
from live.process.messages import Fault, Forget, Go, Lock, Panic, Refused
from live.process.stage_picture import FrameKind
from models.features.face_points import FacePoints
from models.features.types import Picture
from tests.export.bad_models import endless_on_stage_look

from .engine_rig import RAW, ManualClock, Rig, Shown

SAFE = (0, FrameKind.SAFE)


@pytest.fixture
def raw_rig(rig: Rig) -> Rig:
    """With bypass on stage."""
    rig.go("bypass")
    assert rig.frame(rig.empty) == (RAW, FrameKind.BYPASS)
    return rig


def until(rig: Rig, wanted: Callable[[], bool]) -> None:
    end = now() + 10
    while not wanted():
        assert now() < end
        rig.engine.step(0.01)


# ---- a dissolve from bypass


def test_a_dissolve_from_bypass_is_raw_while_something_raw_is_seen(raw_rig: Rig) -> None:
    raw_rig.go("one", transition_s=10.0)
    raw_rig.frame(raw_rig.empty, 0.001)
    raw_rig.looks["one"].failing = True
    for picture in (None, raw_rig.empty, None, raw_rig.empty):
        _, kind = raw_rig.frame(picture, 1.0)
        assert kind is FrameKind.BYPASS
        assert raw_rig.shown.pictures[-1].max() > 0
    raw_rig.frame(raw_rig.empty, 7.0)
    assert raw_rig.frame(raw_rig.empty) == SAFE


def test_panic_within_a_dissolve_from_bypass_is_safe_at_once(raw_rig: Rig) -> None:
    raw_rig.go("one", transition_s=10.0)
    raw_rig.frame(raw_rig.empty, 1.0)
    raw_rig.engine.handle(Panic(True))
    assert raw_rig.frame(raw_rig.empty) == SAFE
    assert raw_rig.shown.pictures[-1].max() == 0
    raw_rig.go("two", transition_s=10.0)
    raw_rig.frame(raw_rig.empty, 1.0)
    raw_rig.engine.handle(Panic(False))
    _, kind = raw_rig.frame(raw_rig.empty)
    assert kind is FrameKind.SAFE or raw_rig.shown.pictures[-1].max() == 0


# ---- bypass, and a look that cannot be had


def test_a_look_that_is_refused_does_not_leave_bypass_on_stage(raw_rig: Rig) -> None:
    raw_rig.engine.handle(Go(1, "bad", transition_s=5.0))
    assert raw_rig.frame(raw_rig.empty) == SAFE
    until(raw_rig, lambda: any(isinstance(event, Refused) for event in raw_rig.engine._sent))
    assert raw_rig.frame(raw_rig.empty) == SAFE


def test_while_a_look_loads_bypass_does_not_play_on(raw_rig: Rig) -> None:
    raw_rig.gate.clear()
    raw_rig.engine.handle(Go(1, "two"))
    for _ in range(3):
        assert raw_rig.frame() == SAFE
    raw_rig.gate.set()
    until(raw_rig, lambda: raw_rig.engine.metrics().look == "two")
    assert raw_rig.frame() == (200, FrameKind.GENERATED)


def test_a_look_that_is_to_enter_is_not_forgotten(raw_rig: Rig) -> None:
    raw_rig.go("one")
    raw_rig.engine.handle(Forget("one"))
    assert raw_rig.frame() == (100, FrameKind.GENERATED)


# ---- looks that show the frame


def test_a_look_that_shows_the_frame_performs_only_where_its_cue_says_so(rig: Rig) -> None:
    rig.go("one")
    rig.frame()
    rig.looks["one"].shows_frame = True
    assert rig.frame() == SAFE
    (fault,) = rig.heard(Fault)
    assert fault.where == "look one"
    assert fault.what.startswith("it shows what the camera sees round the face, and its cue does not say frame = true")
    rig.engine.handle(Go(1, "one", frame=True))
    assert rig.frame(after_s=1.1) == (100, FrameKind.GENERATED)
    rig.engine.handle(Go(2, "one"))
    assert rig.frame(rig.empty) == SAFE, "nor what it has shown before"
    assert rig.frame() == SAFE


@pytest.mark.parametrize("covers", [True, False])
def test_a_real_look_with_a_mask(
    make_look: Callable[..., Path],
    face_points: FacePoints,
    still: Picture,
    shown: Shown,
    clock: ManualClock,
    covers: bool,
) -> None:
    """Without a face it shows nothing of the frame; with one, the frame with the face painted over, or nothing."""
    path = make_look(reads="frame", tint=0, mask=True, edge=1 if covers else 24)
    source = ScriptedSource("camera", clock=clock)
    settings = PictureSettings(first_look=str(path), first_look_may_show_frame=True, provider="cpu", fade_s=0.0)
    engine = PictureEngine(settings, source, shown, None, clock, face_points=face_points)
    try:
        engine.wait_for_look()
        assert not [event for event in engine.events() if isinstance(event, Fault)]
        for index, picture in enumerate([np.full_like(still, RAW), still, np.full_like(still, RAW), still]):
            clock.pass_(2.0)
            engine.process(source.register(Frame(picture, clock(), index)))
        with_face = FrameKind.GENERATED if covers else FrameKind.SAFE
        held = FrameKind.HELD if covers else FrameKind.SAFE
        assert shown.kinds[:2] == [FrameKind.SAFE, with_face]
        assert shown.kinds[2] in (held, FrameKind.SAFE)
        assert shown.kinds[3] is with_face
        assert shown.pictures[0].max() == 0
        assert (shown.pictures[2] != RAW).any()
        if not covers:
            assert max(picture.max() for picture in shown.pictures) == 0
            assert "of the face bare" in next(event for event in engine.events() if isinstance(event, Fault)).what
    finally:
        engine.close()


# ---- looks that take too long on stage


def test_a_look_that_is_stopped_twice_is_not_tried_again_until_its_next_cue(rig: Rig) -> None:
    rig.go("one")
    rig.engine.handle(Lock(0.5, 0.5))  # a still picture is no photograph where the operator says so
    rig.looks["one"].failing, rig.looks["one"].error = True, RunTooLong("it takes longer than 0.5 s")
    assert [rig.frame(after_s=1.1) for _ in range(2)] == [SAFE, SAFE]
    rig.looks["one"].failing = False
    assert [rig.frame(after_s=20.0) for _ in range(5)] == [SAFE] * 5
    rig.engine.handle(Go(1, "one"))
    assert rig.frame() == (100, FrameKind.GENERATED)


def test_a_real_look_that_never_ends_on_stage_holds_the_loop_up_twice(
    face_points: FacePoints, still: Picture, shown: Shown, clock: ManualClock, tmp_path: Path
) -> None:
    endless_on_stage_look(tmp_path / "endless.onnx")
    source = ScriptedSource("camera", clock=clock)
    settings = PictureSettings(first_look=str(tmp_path / "endless.onnx"), provider="cpu")
    engine = PictureEngine(settings, source, shown, None, clock, face_points=face_points)
    try:
        engine.wait_for_look()
        held_up = []
        for index in range(6):
            clock.pass_(2.0)
            began_at = now()
            engine.process(source.register(Frame(still, clock(), index)))
            held_up.append(now() - began_at > 0.4)
        assert held_up[:2] == [True, True]
        assert sum(held_up[2:]) <= 1, "a busy machine may take long over anything"
        assert set(shown.kinds) == {FrameKind.SAFE}
        (fault,) = [event for event in engine.events() if isinstance(event, Fault)]
        assert "takes longer than 0.5 s on CPU, and was stopped" in fault.what
    finally:
        engine.close()


def test_after_a_look_that_was_stopped_no_other_performs_in_the_same_frame(rig: Rig) -> None:
    """Two that hang would take longer than an engine may be silent."""
    rig.go("one")
    rig.frame()
    rig.go("two", transition_s=5.0)
    rig.frame(after_s=0.1)
    rig.looks["two"].failing, rig.looks["two"].error = True, RunTooLong("it takes longer than 0.5 s")
    before = rig.looks["one"].performed
    for _ in range(2):
        rig.frame(after_s=0.1)
    failed = [fault for fault in rig.heard(Fault) if fault.where == "look two"]
    assert len(failed) == 1
    assert rig.looks["one"].performed <= before + 1
