"""Shows that are reloaded or extended, subscribers, parameters, and stopping."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from live.manage.snapshot import StageState
from live.manage.stage_manager import StageManager
from live.process.fork_server import start_forkserver, stop_forkserver
from live.show.show_file import Cue, Show, read_show
from tests.live.manage.conditions import all_settled, pause, performs, until
from tests.live.manage.conftest import FAKE, Make


def read_again(manager: StageManager, path: Path | None = None) -> str:
    """Have the show read again; the note that tells the result."""
    before = len(manager.state.notes)
    assert manager.begin_reload(path)
    assert until(lambda: len(manager.state.notes) > before)
    return manager.state.notes[-1].text


def test_the_old_show_stays_when_a_bad_one_is_loaded(make: Make, tmp_path: Path) -> None:
    manager = make("one", "two")
    path = tmp_path / "show.toml"
    path.write_text("[[cue]]\nname = 'x'\nlook = 3\n")
    assert "line 3" in read_again(manager, path)
    assert [cue.name for cue in manager.state.cues] == ["one", "two"]
    assert "no file" in read_again(manager)


def test_a_reloaded_show_finds_its_cues_by_name(make: Make, tmp_path: Path) -> None:
    manager = make("one", "two")
    path = tmp_path / "show.toml"
    path.write_text("".join(f"[[cue]]\nname = '{name}'\nlook = 'safe'\n" for name in ("zero", "one", "three", "two")))
    assert "was reloaded" in read_again(manager, path)
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


def test_an_added_cue_gets_a_unique_name_and_is_gone_after_a_reload(make: Make, tmp_path: Path) -> None:
    manager = make("one", "two")
    assert [manager.add_cue(Cue("two", "safe")) for _ in range(2)] == [2, 3]
    assert [cue.name for cue in manager.state.cues] == ["one", "two", "two 2", "two 3"]
    assert manager.standby(3)
    path = tmp_path / "show.toml"
    path.write_text("".join(f"[[cue]]\nname = '{name}'\nlook = 'safe'\n" for name in ("one", "two")))
    assert "was reloaded" in read_again(manager, path)
    assert [cue.name for cue in manager.state.cues] == ["one", "two"]
    assert (manager.state.on_stage, manager.state.standby) == (0, 1)


def test_begin_reload_does_not_wait_for_the_file(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = make("one", "two")
    path = tmp_path / "show.toml"
    path.write_text("[[cue]]\nname = 'zero'\nlook = 'safe'\n")
    answered = threading.Event()
    monkeypatch.setattr("live.manage.show_reader.read_show", lambda path: (answered.wait(20), read_show(path))[1])
    began = time.monotonic()
    assert manager.begin_reload(path)
    assert not manager.begin_reload(path), "one is being read"
    assert time.monotonic() - began < 5, "the disk has not answered yet"
    assert manager.go(), "the show goes on meanwhile"
    answered.set()
    assert until(lambda: [cue.name for cue in manager.state.cues] == ["zero"])
    assert until(lambda: manager.begin_reload(tmp_path / "nowhere.toml"))
    assert until(lambda: "was not reloaded" in manager.state.notes[-1].text)


def test_any_thread_may_call_at_any_time(make: Make) -> None:
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


def test_subscribers_are_called_in_the_stage_managers_thread(make: Make) -> None:
    manager = make("one", "two")
    names: list[str] = []
    unsubscribe = manager.subscribe(lambda: names.append(threading.current_thread().name))
    assert until(lambda: len(names) > 2)
    assert set(names) == {"stage-manager"}
    unsubscribe()
    time.sleep(0.1)
    count = len(names)
    manager.go()
    time.sleep(0.2)
    assert len(names) == count


def test_a_snapshot_does_not_change(make: Make) -> None:
    manager = make("one", "two")
    before: StageState = manager.state
    manager.go()
    assert before.on_stage == 0
    assert until(lambda: manager.state.on_stage == 1)


def test_parameters_reach_their_engine_and_stop_removes_the_shared_memory(make: Make) -> None:
    manager = make("one")
    manager.set_parameter("sound/gain", -3.0)
    manager.set_parameter("picture/latency_s", 0.1)
    manager.lock_performer(0.5, 0.5)
    name = manager.stage_frames.layout.name
    manager.stop()
    manager.stop()
    report = manager.report()
    assert report["video"]["fps"] == 50.0
    assert report["video"]["frames_presented"] > 0
    assert report["audio"]["latency"] is None
    assert report["version"] == 1
    assert set(report) == {"version", "video", "audio", "switches", "sync", "faults", "warnings", "restarts"}
    assert manager._picture.report is not None
    assert manager._sound.report is not None
    assert manager._picture.report["commands"].count("SetParameter") == 1
    assert manager._picture.report["commands"].count("Lock") == 1
    assert manager._sound.report["commands"].count("SetParameter") == 1
    assert not Path("/dev/shm", name.lstrip("/")).exists()


def test_mute_lasts_through_cues_and_restarts_and_a_voices_parameters_do_not(make: Make) -> None:
    manager = make("one", "two")
    assert until(lambda: all_settled(manager))
    manager.set_parameter("sound/mute", 1.0)
    manager.set_parameter("sound/pitch", 3.0)
    manager.set_parameter("sound/source", 2.0)
    manager.go()
    assert until(lambda: performs(manager, 1))
    assert manager._scheduler._parameters == {"sound/mute": 1.0}
    pid = manager._sound.process.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert until(lambda: manager._sound.restarts == 1 and manager._sound.health == "performing")
    manager.stop()
    assert manager._sound.report is not None
    assert manager._sound.report["commands"].count("SetParameter") == 1


def test_what_the_operator_has_set_lasts_through_a_restart_of_the_engine(make: Make) -> None:
    manager = make("one")
    assert until(lambda: all_settled(manager))
    manager.measure_neutral()
    manager.lock_performer(0.5, 0.5)
    manager.panic()
    pid = manager._picture.process.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert until(lambda: manager._picture.restarts == 1 and manager._picture.health == "performing")
    manager.stop()
    assert manager._picture.report is not None
    commands = manager._picture.report["commands"]
    assert [commands.count(name) for name in ("MeasureNeutral", "Panic", "Lock")] == [1, 1, 0]


def test_muting_again_is_being_heard_whoever_muted(make: Make) -> None:
    manager = make("one")
    muted = []
    for _ in range(2):
        manager.toggle_mute()
        muted.append(manager._scheduler._parameters["sound/mute"])
    manager.set_parameter("sound/mute", 1.0)
    manager.toggle_mute()
    muted.append(manager._scheduler._parameters["sound/mute"])
    manager.add_cue(Cue("silent", "one", set={"sound/mute": 1.0}))
    assert until(lambda: all_settled(manager))
    manager.go_to(1)
    assert until(lambda: performs(manager, 1))
    manager.toggle_mute()
    muted.append(manager._scheduler._parameters["sound/mute"])
    assert muted == [1.0, 0.0, 0.0, 0.0]


def test_stop_does_not_wait_for_engines_that_are_being_started(tmp_path: Path) -> None:
    """However long the fork server imports, Ctrl-C in the first second ends the program."""
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
