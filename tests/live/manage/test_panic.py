"""Panic and release."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from live.manage.debounce import PANIC_DEBOUNCE_S
from live.process.stage_picture import FrameKind
from live.show.show_file import Cue
from tests.live.manage.conditions import pid_of, until
from tests.live.manage.conftest import Make


def test_panic_and_release(make: Make) -> None:
    manager = make(Cue("a", "one", follow_s=0.6), "two")
    kinds: list[FrameKind] = []
    manager.audience.subscribe(lambda picture: kinds.append(picture.kind))
    manager.panic()
    assert manager.state.panic
    assert until(lambda: kinds and kinds[-1] is FrameKind.SAFE)
    time.sleep(0.8)
    assert manager.state.on_stage == 0, "no cue follows in a panic"
    first = kinds.index(FrameKind.SAFE)
    assert set(kinds[first:]) == {FrameKind.SAFE}
    manager.release()
    assert until(lambda: kinds[-1] is FrameKind.GENERATED)
    assert until(lambda: manager.state.on_stage == 1), "and goes on after it"


def test_toggle_panic_ends_the_panic_only_after_a_pause(make: Make, pass_time: Callable[[float], None]) -> None:
    manager = make("one")
    assert manager.toggle_panic()
    assert manager.state.panic
    for _ in range(5):
        pass_time(PANIC_DEBOUNCE_S / 4)
        assert not manager.toggle_panic()
        assert manager.state.panic, "repeated presses ended the panic"
    pass_time(PANIC_DEBOUNCE_S + 0.05)
    assert manager.toggle_panic()
    assert not manager.state.panic
    assert manager.toggle_panic(), "panic itself is never refused"
    manager.release()
    manager.panic()
    assert not manager.toggle_panic(), "a press just after panic() counts as the same"
    assert manager.state.panic


def test_panic_lasts_through_a_restart(make: Make) -> None:
    manager = make("one")
    manager.panic()
    os.kill(pid_of(manager.state.picture), signal.SIGKILL)
    assert until(lambda: manager.state.picture.restarts == 1 and manager.state.picture.metrics.panic)
    kinds: list[FrameKind] = []
    manager.audience.subscribe(lambda picture: kinds.append(picture.kind))
    assert until(lambda: len(kinds) > 3)
    assert set(kinds) == {FrameKind.SAFE}
