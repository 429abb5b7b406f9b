"""Bypass is never left on stage by a cue that does not say so, whatever becomes of that cue's models."""

from __future__ import annotations

import os
import signal

import pytest

from live.manage.stage_manager import StageManager
from live.show.show_file import Cue, Show
from tests.live.manage.conditions import pid_of, until
from tests.live.manage.conftest import Make


def model(manager: StageManager, engine: str) -> object:
    return getattr(getattr(manager.state, engine).metrics, "model", None)


def test_a_refused_look_leaves_bypass_for_safe_and_a_restart_keeps_it(make: Make) -> None:
    manager = make(Cue("raw", "bypass", "bypass"), Cue("two", "refuse", "other"))
    manager.go()
    assert until(lambda: manager.state.on_stage == 1)
    assert until(lambda: (model(manager, "picture"), model(manager, "sound")) == ("safe", "other"))
    assert 'cue "two": the look is refused, the safe picture is shown: it is not ours' in [
        note.text for note in manager.state.notes
    ]
    pid = pid_of(manager.state.picture)
    os.kill(pid, signal.SIGKILL)
    assert until(lambda: pid_of(manager.state.picture) != pid and model(manager, "picture") == "safe")


def test_a_cue_that_is_refused_altogether_leaves_bypass(make: Make) -> None:
    manager = make(Cue("raw", "bypass", "bypass"), Cue("two", "refuse", "refuse"))
    manager.go()
    assert until(lambda: (model(manager, "picture"), model(manager, "sound")) == ("safe", "silence"))
    assert manager.state.on_stage == 1


def test_unattended_too(make: Make) -> None:
    manager = make(Cue("raw", "bypass", "bypass", follow_s=0.3), Cue("two", "refuse", "refuse"))
    assert until(lambda: (model(manager, "picture"), model(manager, "sound")) == ("safe", "silence"))


def test_a_look_that_loads_too_long_leaves_bypass_meanwhile(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("live.manage.cue_scheduler.LONGEST_ON_BYPASS_S", 0.2)
    manager = make(Cue("raw", "bypass", "bypass"), Cue("two", "slowest", "bypass"))
    manager.go()
    assert until(lambda: model(manager, "picture") == "safe")
    assert model(manager, "sound") == "bypass", "its cue says so"
    assert until(lambda: model(manager, "picture") == "slowest")


def test_a_show_read_again_without_bypass_leaves_it(make: Make) -> None:
    manager = make(Cue("raw", "bypass", "bypass"), Cue("two", "bypass"))
    manager._use_read_show(Show("new", (Cue("raw", "slowest", "bypass"), Cue("two", "bypass"))))
    assert until(lambda: model(manager, "picture") == "safe")
    assert until(lambda: model(manager, "picture") == "slowest")
    manager._use_read_show(Show("new", (Cue("other", "one", "one"),)))
    assert until(lambda: model(manager, "sound") == "silence"), "the cue on stage is gone"
