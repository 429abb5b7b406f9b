"""The StageManager with engines that are real processes and misbehave on command (fake_engine.py)."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from weakref import WeakKeyDictionary

import pytest

from live.engine_process import start_forkserver, stop_forkserver
from live.shared_frames import FrameKind, SharedPicture
from live.show import Cue, Show
from live.stage_manager import DOUBLE_PRESS_S, FRIGHT_S, StageManager, StageState

FAKE = "tests.live.fake_engine:main"
Make = Callable[..., StageManager]


@pytest.fixture(autouse=True, scope="module")
def forkserver() -> None:
    start_forkserver(["numpy"])


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """A started StageManager whose first cue is on stage, for cues whose looks have these names."""
    made: list[StageManager] = []

    def begin(*looks: str, loop: bool = False, wait: bool = True, settings: str = "", **others: object) -> StageManager:
        cues = tuple(look if isinstance(look, Cue) else Cue(look, look) for look in looks)
        show = Show("test", cues, loop=loop)
        manager = StageManager(
            show,
            settings or str(tmp_path / "misbehaved"),
            str(tmp_path / "sound misbehaved"),
            picture_engine=FAKE,
            sound_engine=FAKE,
            stage_bytes=12 * 16 * 3,
            preview_bytes=12 * 16 * 3,
            **others,  # type: ignore[arg-type]
        )
        made.append(manager)
        began = time.monotonic()
        manager.start()
        if wait:
            assert until(lambda: performs(manager, manager.state.on_stage)), manager.state
            took_s[manager] = time.monotonic() - began
        return manager

    yield begin
    for manager in made:
        manager.stop()


def until(condition: Callable[[], object], timeout_s: float = 20.0) -> bool:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.005)
    return bool(condition())


took_s: WeakKeyDictionary[StageManager, float] = WeakKeyDictionary()
"""How long the first start of both engines took on this machine, busy as it is."""


def soon_s(manager: StageManager) -> float:
    """Within what time an engine is back: 2 s, on a machine that takes no longer to start one than they all do."""
    return max(2.0, 3 * took_s[manager])


def performs(manager: StageManager, cue: int | None) -> bool:
    """Both engines say that they perform it."""
    state = manager.state
    return cue is not None and all(engine.figures.get("cue") == cue for engine in (state.picture, state.sound))


def statuses(manager: StageManager) -> list[str]:
    return [cue.status for cue in manager.state.cues]


def all_settled(manager: StageManager) -> bool:
    return all(status in ("ready", "refused") for status in statuses(manager))


@pytest.fixture
def pass_(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets time pass for whoever presses, and only so."""
    at = [100.0]
    monkeypatch.setattr("live.presses.now", lambda: at[0])

    def go_on(seconds: float) -> None:
        at[0] += seconds

    return go_on


def pause() -> None:
    time.sleep(DOUBLE_PRESS_S + 0.05)


# ---- cues


def test_the_first_cue_comes_by_itself_and_the_next_stands_by(make: Make) -> None:
    manager = make("one", "two", "three")
    assert (manager.state.on_stage, manager.state.standby) == (0, 1)
    assert until(lambda: all_settled(manager))
    assert manager.go()
    assert (manager.state.on_stage, manager.state.standby) == (1, 2)
    assert until(lambda: performs(manager, 1))


def test_it_may_begin_with_another_cue(make: Make) -> None:
    manager = make("one", "two", first_cue=1)
    assert (manager.state.on_stage, manager.state.standby) == (1, None)
    assert not manager.go()
    assert "no next cue" in manager.state.notes[-1].text


def test_a_double_press_fires_once_also_when_the_key_is_held(make: Make, pass_: Callable[[float], None]) -> None:
    manager = make("one", "two", "three", "four")
    assert until(lambda: all_settled(manager))
    fired = []
    for _ in range(20):
        fired.append(manager.go())
        pass_(0.04)
    assert fired == [True] + [False] * 19
    pass_(DOUBLE_PRESS_S + 0.05)
    assert manager.go()
    assert manager.state.on_stage == 2


def test_back_and_go_to_and_standby(make: Make) -> None:
    manager = make("one", "two", "three", "four")
    assert until(lambda: all_settled(manager))
    assert not manager.back()
    assert manager.go_to(3)
    assert (manager.state.on_stage, manager.state.standby) == (3, None)
    assert manager.go_to(1), "another pad, within the guard of the first"
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
    assert manager.go_to_name("two")
    assert not manager.go_to_name("nobody")


def test_go_while_the_next_still_loads_lets_the_old_one_play(make: Make) -> None:
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


def test_what_is_refused_says_why_and_the_old_one_plays_on(make: Make) -> None:
    manager = make("one", Cue("two", "refuse", "refuse"), Cue("three", "refuse", "other"))
    assert until(lambda: all_settled(manager))
    assert statuses(manager) == ["ready", "refused", "refused"]
    assert manager.state.cues[1].why == "it is not ours"
    manager.go()
    assert until(lambda: manager.state.waiting is None)
    assert manager.state.on_stage == 0, "nothing of it can be had"
    assert "it is not ours" in manager.state.notes[-1].text
    assert manager.go_to(2)
    assert until(lambda: manager.state.sound.figures.get("model") == "other"), "the voice can be had"
    assert manager.state.picture.figures["model"] == "one"


def test_cues_follow_by_themselves_and_go_round(make: Make) -> None:
    cues = [
        Cue("a", "one", follow_s=0.4),
        Cue("b", "refuse", "refuse", follow_s=0.1),
        Cue("c", "three", follow_s=0.4),
    ]
    manager = make(*cues, loop=True)
    seen: list[int] = []

    def note() -> bool:
        at = manager.state.on_stage
        if at is not None and (not seen or seen[-1] != at):
            seen.append(at)
        return len(seen) >= 5

    assert until(note)
    assert seen == [0, 2, 0, 2, 0], "the refused one is passed over"


def test_a_press_just_after_a_cue_that_followed_was_meant_for_it(make: Make) -> None:
    manager = make(Cue("a", "one", follow_s=0.5), "two", "three")
    assert until(lambda: manager.state.on_stage == 1)
    assert not manager.go()
    assert manager.state.on_stage == 1


def test_only_what_the_budget_allows_is_kept(make: Make, tmp_path: Path) -> None:
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
    assert now_ready == [3, 4, 5], "the least recently used went"
    assert until(lambda: len(manager.state.picture.figures["loaded"]) == 3)


# ---- panic


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


def test_one_button_panics_at_once_and_returns_but_not_in_one_fright(
    make: Make, pass_: Callable[[float], None]
) -> None:
    manager = make("one")
    assert manager.toggle_panic()
    assert manager.state.panic
    for _ in range(5):
        pass_(FRIGHT_S / 4)
        assert not manager.toggle_panic()
        assert manager.state.panic, "hammering in a fright brought the show back"
    pass_(FRIGHT_S + 0.05)
    assert manager.toggle_panic()
    assert not manager.state.panic
    assert manager.toggle_panic(), "panic itself is never refused"
    manager.release()
    manager.panic()
    assert not manager.toggle_panic(), "whoever began it, the same fright"
    assert manager.state.panic


def test_panic_holds_over_a_restart(make: Make) -> None:
    manager = make("one")
    manager.panic()
    os.kill(manager.state.picture.figures["pid"], signal.SIGKILL)
    assert until(lambda: manager.state.picture.restarts == 1 and manager.state.picture.figures.get("panic") is True)
    kinds: list[FrameKind] = []
    manager.audience.subscribe(lambda picture: kinds.append(picture.kind))
    assert until(lambda: len(kinds) > 3)
    assert set(kinds) == {FrameKind.SAFE}


# ---- restarts


def test_a_killed_engine_is_back_on_its_cue_and_the_other_does_not_notice(make: Make) -> None:
    manager = make("one", "two", "three")
    assert until(lambda: all_settled(manager))
    manager.go()
    assert until(lambda: performs(manager, 1))
    pid, sound = manager.state.picture.figures["pid"], manager.state.sound.figures["pid"]
    os.kill(pid, signal.SIGKILL)
    assert until(lambda: performs(manager, 1) and manager.state.picture.figures["pid"] != pid)
    (fault,) = manager.state.faults
    assert fault.where == "picture engine"
    assert fault.recovered_after_s is not None
    assert fault.recovered_after_s < soon_s(manager)
    assert manager.state.sound.figures["pid"] == sound
    assert manager.state.sound.restarts == 0
    assert until(lambda: all_settled(manager)), "and preloads again"


def test_one_that_crashes_tells_why(make: Make) -> None:
    manager = make("one", "crash")
    assert until(lambda: all_settled(manager))
    manager.go()
    assert until(lambda: manager.state.faults and manager.state.faults[0].recovered_after_s is not None)
    assert "RuntimeError: the driver fell over" in manager.state.faults[0].what
    assert until(lambda: performs(manager, 1))


def test_one_that_hangs_is_replaced(make: Make) -> None:
    manager = make("one", "hang")
    assert until(lambda: all_settled(manager))
    manager.go()
    assert until(lambda: bool(manager.state.faults))
    assert "no heartbeat" in manager.state.faults[0].what
    assert until(lambda: manager.state.faults[0].recovered_after_s is not None)
    recovered_after_s = manager.state.faults[0].recovered_after_s
    assert recovered_after_s is not None
    assert recovered_after_s < soon_s(manager)
    assert until(lambda: performs(manager, 1))


def test_the_safe_picture_is_shown_while_nobody_performs(make: Make) -> None:
    manager = make("one", settings="dies young", wait=False)
    kinds: list[FrameKind] = []
    manager.audience.subscribe(lambda picture: kinds.append(picture.kind))
    assert until(lambda: FrameKind.SAFE in kinds)
    assert until(lambda: manager.state.picture.restarts >= 3)
    restarts = manager.state.picture.restarts
    time.sleep(0.5)
    assert manager.state.picture.restarts <= restarts + 1, "one that dies at once is restarted with pauses"
    assert len(manager.state.faults) == 1


def test_a_bad_source_ends_the_show(make: Make) -> None:
    manager = make("one", settings="bad", wait=False)
    assert until(lambda: manager.failure is not None)
    assert manager.failure == "no such file"
    assert manager.state.picture.health == "ended"


def test_faults_of_devices_are_kept_with_their_recovery(make: Make) -> None:
    manager = make("camera")
    assert until(lambda: bool(manager.state.faults))
    fault = manager.state.faults[0]
    assert (fault.where, fault.what) == ("camera", "it is gone")
    assert until(lambda: manager.state.faults[0].recovered_after_s == 1.5)


# ---- shows and accounts


def test_a_bad_show_leaves_the_old_one_on(make: Make, tmp_path: Path) -> None:
    manager = make("one", "two")
    path = tmp_path / "show.toml"
    path.write_text("[[cue]]\nname = 'x'\nlook = 3\n")
    why = manager.reload_show(path)
    assert why is not None
    assert "line 3" in why
    assert [cue.name for cue in manager.state.cues] == ["one", "two"]
    assert manager.state.notes[-1].text == why
    assert manager.reload_show() is not None, "this one came from no file"


def test_a_good_show_takes_over_by_name(make: Make, tmp_path: Path) -> None:
    manager = make("one", "two")
    path = tmp_path / "show.toml"
    path.write_text("".join(f"[[cue]]\nname = '{name}'\nlook = 'safe'\n" for name in ("zero", "one", "three", "two")))
    assert manager.reload_show(path) is None
    state = manager.state
    assert (state.on_stage, state.standby) == (1, 3)
    assert performs(manager, 0), "what performs goes on"
    assert until(lambda: all_settled(manager))
    assert manager.go()
    assert manager.state.on_stage == 3


def test_an_added_cue_is_prepared_and_performs_like_any_other(make: Make) -> None:
    manager = make("one")
    assert manager.state.standby is None
    assert manager.add_cue(Cue("two", "two")) == 1
    assert "not in the show's file" in manager.state.notes[-1].text
    assert (manager.state.on_stage, manager.state.standby) == (0, None), "nothing but the list has changed"
    assert until(lambda: all_settled(manager))
    assert manager.standby(1)
    assert manager.go()
    assert until(lambda: performs(manager, 1))
    assert manager.report()["switches"][1]["cue"] == "two"


def test_an_added_cue_gets_a_name_of_its_own_and_is_gone_when_the_show_is_read_again(
    make: Make, tmp_path: Path
) -> None:
    manager = make("one", "two")
    assert [manager.add_cue(Cue("two", "safe")) for _ in range(2)] == [2, 3]
    assert [cue.name for cue in manager.state.cues] == ["one", "two", "two 2", "two 3"]
    assert manager.standby(3)
    path = tmp_path / "show.toml"
    path.write_text("".join(f"[[cue]]\nname = '{name}'\nlook = 'safe'\n" for name in ("one", "two")))
    assert manager.reload_show(path) is None
    assert [cue.name for cue in manager.state.cues] == ["one", "two"]
    assert (manager.state.on_stage, manager.state.standby) == (0, 1)


def test_a_show_may_be_read_without_waiting_for_it(make: Make, tmp_path: Path) -> None:
    manager = make("one", "two")
    path = tmp_path / "show.toml"
    os.mkfifo(path)  # a disk that answers when it likes
    began = time.monotonic()
    assert manager.begin_reload(path)
    assert not manager.begin_reload(path), "one is being read"
    assert time.monotonic() - began < 5, "nobody writes into it yet"
    assert manager.go(), "the show goes on meanwhile"
    path.write_text("[[cue]]\nname = 'zero'\nlook = 'safe'\n")
    assert until(lambda: [cue.name for cue in manager.state.cues] == ["zero"])
    assert until(lambda: manager.begin_reload(tmp_path / "nowhere.toml"))
    assert until(lambda: "was not reloaded" in manager.state.notes[-1].text)


def test_anybody_may_call_at_any_time(make: Make) -> None:
    manager = make("one", "two", "slow", "refuse")
    failures: list[BaseException] = []

    def press(seed: int) -> None:
        actions = (
            manager.go,
            manager.back,
            manager.panic,
            manager.release,
            lambda: manager.state,
            manager.report,
        )
        try:
            for number in range(150):
                actions[(seed * 7 + number * 5) % len(actions)]()
                manager.go_to((seed + number) % 5)
                manager.standby(number % 4)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=press, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    manager.release()
    pause()
    assert manager.go_to(1)
    assert until(lambda: performs(manager, 1))


def test_listeners_are_told_in_the_manager_s_thread(make: Make) -> None:
    manager = make("one", "two")
    names: list[str] = []
    leave = manager.listen(lambda: names.append(threading.current_thread().name))
    assert until(lambda: len(names) > 2)
    assert set(names) == {"stage-manager"}
    leave()
    time.sleep(0.1)
    count = len(names)
    manager.go()
    time.sleep(0.2)
    assert len(names) == count


def test_a_state_stays_as_it_was(make: Make) -> None:
    manager = make("one", "two")
    before: StageState = manager.state
    manager.go()
    assert before.on_stage == 0
    assert until(lambda: manager.state.on_stage == 1)


def test_parameters_reach_their_engine_and_stopping_leaves_nothing(make: Make) -> None:
    manager = make("one")
    manager.set_parameter("sound/gain", -3.0)
    manager.set_parameter("picture/latency_s", 0.1)
    manager.lock_performer(0.5, 0.5)
    name = manager.stage_frames.handle.name
    manager.stop()
    manager.stop()
    report = manager.report()
    assert report["video"]["fps"] == 50.0
    assert report["video"]["frames_presented"] > 0
    assert report["audio"]["latency"] is None
    assert set(report) == {"video", "audio", "switches", "sync", "faults", "warnings"}
    assert manager._picture.report is not None
    assert manager._sound.report is not None
    assert manager._picture.report["commands"].count("SetParameter") == 1
    assert manager._picture.report["commands"].count("Lock") == 1
    assert manager._sound.report["commands"].count("SetParameter") == 1
    assert not Path("/dev/shm", name.lstrip("/")).exists()


def test_a_mute_holds_through_cues_and_a_restart_and_what_shapes_the_voice_does_not(make: Make) -> None:
    manager = make("one", "two")
    assert until(lambda: all_settled(manager))
    manager.set_parameter("sound/mute", 1.0)
    manager.set_parameter("sound/pitch", 3.0)
    manager.set_parameter("sound/source", 2.0)
    manager.go()
    assert until(lambda: performs(manager, 1))
    assert manager._road._parameters == {"sound/mute": 1.0}
    pid = manager._sound.process.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert until(lambda: manager._sound.restarts == 1 and manager._sound.health == "performing")
    manager.stop()
    assert manager._sound.report is not None
    assert manager._sound.report["commands"].count("SetParameter") == 1


def test_stopping_does_not_wait_for_engines_that_are_being_started(tmp_path: Path) -> None:
    """The fork server imports for as long as it likes; Ctrl-C in the first second is answered all the same."""
    stop_forkserver()
    (tmp_path / "slow_import.py").write_text("import time\ntime.sleep(60)\n")
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(tmp_path)
    try:
        start_forkserver(["slow_import"])
    finally:
        del os.environ["PYTHONPATH"]
        if before is not None:
            os.environ["PYTHONPATH"] = before
    manager = StageManager(Show("x", (Cue("a", "a"),)), "", "", picture_engine=FAKE, sound_engine=FAKE)
    manager.start()
    time.sleep(0.2)
    began = time.monotonic()
    manager.stop()
    assert time.monotonic() - began < 10, "it imports for a minute"
    stop_forkserver()
    start_forkserver(["numpy"])
