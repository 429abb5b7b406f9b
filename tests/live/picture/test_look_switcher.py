"""Looks and cues on the loop: which look the audience sees, and from which frame on."""

from __future__ import annotations

import pytest

from live.process.frames import now
from live.process.messages import Fault, Forget, Go, OnStage, Refused, SetParameter
from live.process.stage_picture import FrameKind

from .engine_rig import RAW, Rig


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


def test_a_parameter_that_cannot_be_set_is_a_fault_and_the_look_plays_on(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.go("one")
    rig.frame()
    monkeypatch.setattr(type(rig.looks["one"]), "set_parameter", lambda look, name, value: [][1])
    rig.engine.handle(SetParameter("picture/age", 1e306))
    rig.engine.handle(Go(1, "one", set={"picture/age": 1.0}))
    assert rig.frame() == (100, FrameKind.GENERATED)
    (fault,) = rig.heard(Fault)
    assert fault.where == "parameter picture/age"


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
    assert "one" not in rig.engine.metrics().loaded
    assert {"two", "safe", "bypass"} <= set(rig.engine.metrics().loaded)
