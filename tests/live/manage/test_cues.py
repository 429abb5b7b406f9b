"""Cues: requested, preloaded, refused, following automatically, and what the memory budget keeps."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from live.manage.debounce import DOUBLE_PRESS_S
from live.process.shared_frames import SharedPicture
from live.show.show_file import Cue
from tests.live.manage.conditions import all_settled, pause, performs, statuses, until
from tests.live.manage.conftest import Make


def test_the_first_cue_is_fired_and_the_next_is_on_standby(make: Make) -> None:
    manager = make("one", "two", "three")
    assert (manager.state.on_stage, manager.state.standby) == (0, 1)
    assert until(lambda: all_settled(manager))
    assert manager.go()
    assert (manager.state.on_stage, manager.state.standby) == (1, 2)
    assert until(lambda: performs(manager, 1))


def test_the_show_may_start_with_another_cue(make: Make) -> None:
    manager = make("one", "two", first_cue=1)
    assert (manager.state.on_stage, manager.state.standby) == (1, None)
    assert not manager.go()
    assert "no next cue" in manager.state.notes[-1].text


def test_a_double_press_or_a_held_key_fires_once(make: Make, pass_time: Callable[[float], None]) -> None:
    manager = make("one", "two", "three", "four")
    assert until(lambda: all_settled(manager))
    fired = []
    for _ in range(20):
        fired.append(manager.go())
        pass_time(0.04)
    assert fired == [True] + [False] * 19
    pass_time(DOUBLE_PRESS_S + 0.05)
    assert manager.go()
    assert manager.state.on_stage == 2


def test_back_and_go_to_and_standby(make: Make) -> None:
    manager = make("one", "two", "three", "four")
    assert until(lambda: all_settled(manager))
    assert not manager.back()
    assert manager.go_to(3)
    assert (manager.state.on_stage, manager.state.standby) == (3, None)
    assert manager.go_to(1), "another cue's pad, while the first is debounced"
    assert not manager.go_to(1)
    assert (manager.state.on_stage, manager.state.standby) == (1, 2)
    pause()
    assert manager.back()
    assert manager.state.on_stage == 0
    assert manager.standby(3)
    assert manager.state.standby == 3
    assert manager.go()
    assert manager.state.on_stage == 3
    assert not manager.go_to(4)
    assert not manager.go_to(-1)
    assert not manager.standby(4)
    assert manager.go_to(1)


def test_the_old_cue_plays_on_while_the_next_loads(make: Make) -> None:
    manager = make("one", "slowest", "three")
    assert manager.go()
    state = manager.state
    assert (state.on_stage, state.waiting) == (0, 1)
    assert state.cues[1].status == "loading"
    assert until(lambda: manager.state.on_stage == 1)
    assert manager.state.waiting is None
    assert until(lambda: performs(manager, 1))
    switch = manager.report()["switches"][1]
    assert switch["cue"] == "slowest"
    assert switch["ready_after"] > 50


def test_a_preloaded_cue_is_on_stage_at_once(make: Make) -> None:
    manager = make("one", "two")
    assert until(lambda: all_settled(manager))
    seen = threading.Event()

    def watch(picture: SharedPicture) -> None:
        if picture.picture[0, 0, 0] == len("twoo") - 1:
            seen.set()

    manager.audience.subscribe(watch)
    manager.go()
    assert seen.wait(10.0)
    assert until(lambda: manager.report()["switches"][1]["frame_gap"] is not None)
    assert manager.report()["switches"][1]["ready_after"] < 20


def test_a_refused_model_says_why_and_the_old_one_plays_on(make: Make) -> None:
    manager = make(Cue("one", "one", "any"), Cue("two", "refuse", "refuse"), Cue("three", "refuse", "other"))
    assert until(lambda: all_settled(manager))
    assert statuses(manager) == ["ready", "refused", "refused"]
    assert manager.state.cues[1].why == "it is not ours"
    manager.go()
    assert until(lambda: manager.state.waiting is None)
    assert manager.state.on_stage == 0, "all its models are refused"
    assert "it is not ours" in manager.state.notes[-1].text
    assert manager.go_to(2)
    assert until(lambda: getattr(manager.state.sound.metrics, "model", None) == "other"), "its voice is loaded"
    assert getattr(manager.state.picture.metrics, "model", None) == "one"


def test_cues_follow_automatically_and_loop(make: Make) -> None:
    cues = [
        Cue("a", "one", "any", follow_s=0.4),
        Cue("b", "refuse", "refuse", follow_s=0.1),
        Cue("c", "three", "any", follow_s=0.4),
    ]
    manager = make(*cues, loop=True)
    seen: list[int] = []

    def note() -> bool:
        at = manager.state.on_stage
        if at is not None and (not seen or seen[-1] != at):
            seen.append(at)
        return len(seen) >= 5

    assert until(note)
    assert seen == [0, 2, 0, 2, 0], "the refused cue is skipped"


def test_a_press_just_after_an_automatic_cue_is_ignored(make: Make) -> None:
    manager = make(Cue("a", "one", follow_s=0.5), "two", "three")
    assert until(lambda: manager.state.on_stage == 1)
    assert not manager.go()
    assert manager.state.on_stage == 1


def test_the_memory_budget_limits_the_loaded_models(make: Make, tmp_path: Path) -> None:
    cues = []
    for number in range(6):
        path = tmp_path / f"look{number}.onnx"
        path.write_bytes(bytes(1000))
        cues.append(Cue(f"cue{number}", path))
    manager = make(*cues, memory_budget_bytes=3 * 4600 + 100)
    assert until(lambda: statuses(manager).count("ready") == 3)
    time.sleep(0.3)
    assert statuses(manager) == ["ready"] * 3 + ["unloaded"] * 3
    for target in (1, 2, 3, 4):
        assert manager.go_to(target)
        assert until(lambda at=target: performs(manager, at))
    assert until(lambda: statuses(manager)[5] == "ready")
    now_ready = [at for at, status in enumerate(statuses(manager)) if status == "ready"]
    assert now_ready == [3, 4, 5], "the least recently used was unloaded"
    assert until(lambda: len(manager.state.picture.metrics.loaded) == 3)
