"""`guise live`: what is refused before the show begins, what is printed, what the audience is handed."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import guise
from live import app
from live.app import BadInput, LiveOptions, run_live
from live.manage.audience import Audience
from live.manage.report import build_report, empty_report, write_report
from live.manage.stage_manager import StageManager
from live.manage.status_line import StatusLine, status_text
from live.operator import display
from live.outputs.recorder import Recorder
from live.outputs.running_output import RunningOutput
from live.picture.settings import PictureSettings
from live.process.fork_server import start_forkserver, stop_forkserver
from live.process.shared_frames import SharedFrames, SharedPicture
from live.process.stage_picture import FrameKind, StagePicture
from live.show.safe_picture import STALE_S
from live.show.show_file import Cue, Show
from live.sound.settings import SoundSettings
from tests.machine import Machine


@pytest.fixture(autouse=True, scope="module")
def forkserver() -> None:
    start_forkserver(["numpy"])


@pytest.fixture
def show(tmp_path: Path) -> Path:
    path = tmp_path / "show.toml"
    path.write_text("[[cue]]\nname = 'one'\nlook = 'safe'\n[[cue]]\nname = 'two'\nlook = 'bypass'\n")
    return path


# ---- bad input


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"cue": "three"}, '--cue "three": the show has one, two'),
        ({"seconds": 0.0}, "--seconds 0: expected a time above 0"),
        ({"seconds": -1.0}, "above 0"),
        ({"seconds": float("nan")}, "above 0"),
        ({"provider": "gpu"}, "expected one of auto, tensorrt, cuda, cpu"),
        ({"report": Path("/nowhere/at/all.json")}, "there is no folder /nowhere/at"),
        ({"record": Path("movie.avi")}, "ends in .mp4"),
        ({"record": Path("/")}, "--record /: is a folder"),
        ({"record": Path("/dev/null")}, "--record /dev/null: is a pipe or a device"),
        ({"report": Path("/dev/null")}, "--report /dev/null: is a pipe or a device"),
        ({"outputs": ("hologram",)}, "--output hologram: there is no output 'hologram': expected one of recorder"),
        ({"outputs": ("recorder",)}, "--output recorder: the recorder needs a file to write: recorder=OUT.mp4"),
        ({"outputs": ("recorder=",)}, "--output recorder=: the recorder needs a file to write"),
        ({"outputs": ("recorder=movie.avi",)}, "--output recorder=movie.avi: expected a name that ends in .mp4"),
        ({"outputs": ("recorder=a.mp4", "recorder=a.mp4")}, "--output recorder=a.mp4: is asked for twice"),
        ({"record": Path("a.mp4"), "outputs": ("recorder=a.mp4",)}, "is asked for twice"),
        ({"record": Path("a.mp4"), "report": Path("a.mp4")}, "is asked for twice"),
        ({"record": Path("a.mp4"), "report": Path.cwd() / "a.mp4"}, "is asked for twice"),
        ({"speaker": "a.wav", "report": Path("a.wav")}, "is asked for twice"),
        ({"profile": Path("/nowhere/profile.toml")}, "there is no such file"),
        ({"show": Path("/nowhere/show.toml")}, "there is no such file"),
    ],
)
def test_bad_input_is_refused_before_anything_starts(
    show: Path, given: dict[str, object], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "start_forkserver", lambda: None)
    monkeypatch.setattr(app, "stop_forkserver", lambda: None)
    options = LiveOptions(**{"show": show, "headless": True, **given})  # type: ignore[arg-type]
    with pytest.raises(BadInput) as refused:
        run_live(options)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_bad_model_is_refused_before_the_windows_open(tmp_path: Path) -> None:
    (tmp_path / "look.onnx").write_text("no model")
    (tmp_path / "show.toml").write_text("[[cue]]\nname = 'one'\nlook = 'look.onnx'\n")
    with pytest.raises(BadInput, match=r'cue "one": .*look\.onnx'):
        run_live(LiveOptions(show=tmp_path / "show.toml", mic="none", camera="none", headless=True, seconds=5))


def test_what_a_show_before_wrote_is_not_written_over(
    show: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("tonight.json", "tonight.mp4"):
        (tmp_path / name).write_text("the evening before")
    record, report = tmp_path / "tonight.mp4", tmp_path / "tonight.json"
    options = LiveOptions(
        show, "none", "none", "none", headless=True, seconds=0.5, report=report, outputs=(f"recorder={record}",)
    )
    assert app._with_new_files(options).recordings == [tmp_path / "tonight-2.mp4"]
    assert app._with_new_files(replace(options, record=record, outputs=())).record == tmp_path / "tonight-2.mp4"
    assert run_live(replace(options, outputs=())) == 0
    assert report.read_text() == record.read_text() == "the evening before"
    assert json.loads((tmp_path / "tonight-2.json").read_text())["version"]
    assert f"--report {report}: is there already; this goes to {tmp_path / 'tonight-2.json'}" in capsys.readouterr().out


def test_both_engines_are_asked_for_the_provider(show: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Asked(StageManager):
        def __init__(self, show: Show, picture: PictureSettings, sound: SoundSettings, *, first_cue: int) -> None:
            asked.extend((picture.provider, sound.provider))
            raise BadInput("enough")

    monkeypatch.setattr("live.manage.stage_manager.StageManager", Asked)
    with pytest.raises(BadInput, match="enough"):
        app._run_show(LiveOptions(show=show, mic="none", speaker="none", headless=True, provider="CPU"))
    assert asked == ["cpu", "cpu"]


def test_a_display_is_found_or_what_is_wrong_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("QT_QPA_PLATFORM", "WAYLAND_DISPLAY", "DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(display.sys, "platform", "linux")
    assert display.no_display() == "there is no display"
    monkeypatch.setenv("DISPLAY", "nonsense")
    assert "nonsense" in (display.no_display() or "")
    monkeypatch.setenv("DISPLAY", ":64999")
    assert "does not answer" in (display.no_display() or "")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("\0/tmp/.X11-unix/X64999")
        server.listen()
        assert display.no_display() is None
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    assert display.no_display() is None


@pytest.mark.skipif(sys.platform != "linux", reason="X11")
def test_a_library_that_qt_lacks_is_named_before_qt_ends_the_process(tmp_path: Path) -> None:
    """PyQt5's own plugin, changed to need a library that does not exist."""
    import PyQt5

    installed = Path(PyQt5.__file__).parent / "Qt5"
    platforms = tmp_path / "PyQt5" / "Qt5" / "plugins" / "platforms"
    platforms.mkdir(parents=True)
    (tmp_path / "PyQt5" / "__init__.py").touch()
    (tmp_path / "PyQt5" / "Qt5" / "lib").symlink_to(installed / "lib")
    plugin = (installed / "plugins" / "platforms" / "libqxcb.so").read_bytes()
    assert plugin.count(b"libxcb-icccm.so.4") == 1
    (platforms / "libqxcb.so").write_bytes(plugin.replace(b"libxcb-icccm.so.4", b"libxcb-nowhere.so"))

    environment = {key: value for key, value in os.environ.items() if not key.startswith(("QT_", "XDG_", "WAYLAND_"))}
    environment |= {"DISPLAY": ":64998", "PYTHONPATH": str(tmp_path)}
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("\0/tmp/.X11-unix/X64998")
        server.listen()
        ended = subprocess.run(
            [sys.executable, "-m", "guise", "live"],
            cwd=Path(__file__).resolve().parents[2],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("guise: the windows need libxcb-nowhere.so, which is not installed")
    assert "apt install libxcb-icccm4 " in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_show_that_ends_before_an_engine_has_started_has_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fork server is killed while the StageManager waits for it; that must read as the end, not as a failure."""
    (tmp_path / "takes_long_to_import.py").write_text("import time\ntime.sleep(30)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    stop_forkserver()
    start_forkserver(["takes_long_to_import"])
    manager = StageManager(Show("x", (Cue("one", "safe"),)), "", "", stage_bytes=3 * 64 * 64)
    try:
        manager.start()
        time.sleep(0.3)
    finally:
        manager.stop()
        stop_forkserver()
        start_forkserver(["numpy"])
    report = manager.report()
    assert report["faults"] == []
    assert not [note for note in manager.state.notes if "cannot be started" in note.text]


# ---- the status line and the recorder


class Manager(StageManager):
    """Never started."""


@pytest.fixture
def manager() -> Iterator[StageManager]:
    made = Manager(Show("x", (Cue("one", "safe"), Cue("two", "safe"))), "", "", stage_bytes=3 * 64 * 64)
    made.audience.start()
    yield made
    made.stop()


def test_the_status_is_one_line_and_notes_have_their_own(manager: StageManager) -> None:
    out = io.StringIO()
    line = StatusLine(out)
    manager.note("a provider fell back")
    line.show(manager.state)
    line.show(manager.state)
    line.end()
    lines = out.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].endswith("a provider fell back")
    assert "picture starting" in lines[1]
    assert "\n" not in status_text(manager.state)


def test_the_recorder_keeps_what_the_audience_sees(manager: StageManager, tmp_path: Path) -> None:
    import av

    recorder = RunningOutput("recorder", Recorder(str(tmp_path / "out.mp4")), manager)
    recorder.open(None)
    for index in range(20):
        at = index / 20
        picture = np.full((48, 64, 3), 200, np.uint8)
        manager.stage_frames.write(StagePicture(picture, FrameKind.GENERATED, at, at, index))
        handed_on(manager.audience, index)
    recorder.close()
    with av.open(str(tmp_path / "out.mp4")) as movie:
        frames = [frame.to_ndarray(format="rgb24") for frame in movie.decode(video=0)]
    assert frames[0].shape == (480, 640, 3), "a small picture is enlarged"
    assert abs(int(frames[5][240, 320].mean()) - 200) < 6


def test_nothing_to_record_is_noted(manager: StageManager, tmp_path: Path) -> None:
    recorder = RunningOutput("recorder", Recorder(str(tmp_path / "out.mp4")), manager)
    recorder.open(None)
    recorder.close()
    assert "nothing was recorded" in manager.state.notes[-1].text
    assert not (tmp_path / "out.mp4").exists()


# ---- the audience


@pytest.fixture
def frames() -> Iterator[SharedFrames]:
    made = SharedFrames.create(64 * 48 * 3)
    yield made
    made.close()
    made.unlink()


def write(frames: SharedFrames, value: int, kind: FrameKind = FrameKind.GENERATED) -> None:
    at = time.perf_counter()
    frames.write(StagePicture(np.full((4, 6, 3), value, np.uint8), kind, at, at, value))


def handed_on(audience: Audience, index: int) -> None:
    """Waits until the audience has handed this picture on."""
    end = time.perf_counter() + 5
    while audience.newest is None or audience.newest.index != index:
        assert time.perf_counter() < end, f"picture {index} was not handed on"
        time.sleep(0.002)


def received(pictures: list[SharedPicture], index: int) -> None:
    """Waits until a subscriber has got this picture."""
    end = time.perf_counter() + 5
    while not pictures or pictures[-1].index != index:
        assert time.perf_counter() < end, f"picture {index} did not arrive"
        time.sleep(0.002)


def test_every_subscriber_gets_the_newest_and_the_safe_picture_when_it_ends(frames: SharedFrames) -> None:
    audience = Audience(frames)
    assert audience.metrics()["presented_longest_gap"] is None
    both: list[SharedPicture] = []
    window: list[SharedPicture] = []
    audience.subscribe(both.append)
    unsubscribe = audience.subscribe(window.append, safe_too=False)
    with Machine() as machine:
        audience.start()
        for value in range(1, 6):
            write(frames, value)
            received(window, value)
            time.sleep(0.02)
        assert [picture.index for picture in window] == [1, 2, 3, 4, 5]
        time.sleep(STALE_S + 0.3)
        assert audience.stale
        assert both[-1].kind is FrameKind.SAFE
        assert not both[-1].picture.any()
        assert both[-1].picture.shape == (4, 6, 3)
        assert len(window) == 5
        write(frames, 9)
        received(window, 9)
        unsubscribe()
        write(frames, 10)
        handed_on(audience, 10)
        audience.stop()
    assert [picture.index for picture in window] == [1, 2, 3, 4, 5, 9]
    metrics = audience.metrics()
    assert metrics["frames_presented"] == 7
    assert metrics["presented_latency"]["p50"] < 20 + 3e3 * machine.late_s()
    assert (metrics["presented_longest_gap"] or 0.0) < 300 + 1e3 * machine.worst_s(), (
        "the time without pictures is no gap between two"
    )
    audience.on_drawn((0.07,))
    assert audience.metrics()["presented_latency"]["max"] == pytest.approx(70, abs=0.1), "a window's own time counts"


def test_a_panic_hides_whatever_the_engine_sends(frames: SharedFrames) -> None:
    audience = Audience(frames)
    kinds: list[FrameKind] = []
    audience.subscribe(lambda picture: kinds.append(picture.kind))
    audience.start()
    audience.panic(True)
    for value in range(30):
        write(frames, value, FrameKind.BYPASS)
        time.sleep(0.01)
    audience.stop()
    assert set(kinds) == {FrameKind.SAFE}


def test_a_panic_is_seen_at_once_also_when_no_engine_is_there(
    frames: SharedFrames, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("live.manage.audience._SAFE_EVERY_S", 2.0)
    audience = Audience(frames)
    safe = threading.Event()
    audience.start()
    write(frames, 1)
    handed_on(audience, 1)
    audience.subscribe(lambda picture: safe.set() if picture.kind is FrameKind.SAFE else None)
    audience.panic(True)
    assert safe.wait(1.5)
    audience.stop()


# ---- the report


def test_the_report_has_every_key_whatever_was_measured(tmp_path: Path) -> None:
    empty = build_report()
    assert empty == empty_report()
    parts = build_report(
        {"video": {"fps": np.float64(30.0), "latency": {"p50": 1}, "fault": None}, "switches": [{"cue": 0}]},
        {"audio": {"xruns": 0}, "warnings": ["a"]},
        warnings=["a", "b"],
        presented={"frames_presented": 3},
    )
    assert parts["video"]["fps"] == 30.0
    assert parts["video"]["frames_presented"] == 3
    assert parts["audio"]["xruns"] == 0
    assert parts["audio"]["rtf"] is None
    assert parts["warnings"] == ["a", "b"]
    assert parts["switches"] == [{"cue": 0}]
    write_report(tmp_path / "report.json", parts)
    assert json.loads((tmp_path / "report.json").read_text())["video"]["fps"] == 30.0
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
    with pytest.raises(FileNotFoundError):
        write_report(tmp_path / "none" / "report.json", parts)


def test_signals_are_left_alone_outside_the_main_thread() -> None:
    done = threading.Event()

    def enter() -> None:
        with app._interruptible():
            done.set()

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert done.is_set()


def test_a_report_follows_no_link_that_another_user_laid(tmp_path: Path) -> None:
    """Its temporary file was called .NAME.PID, and opened through whatever link had that name."""
    mine = tmp_path / "mine"
    mine.write_text("mine")
    (tmp_path / f".report.json.{os.getpid()}").symlink_to(mine)
    write_report(tmp_path / "report.json", empty_report())
    assert mine.read_text() == "mine"
    assert json.loads((tmp_path / "report.json").read_text())["version"]
    assert len(list(tmp_path.iterdir())) == 3


def test_a_terminal_obeys_nothing_that_a_note_says(manager: StageManager) -> None:
    out = io.StringIO()
    line = StatusLine(out)
    manager.note("camera \x1b]0;owned\x07 \u202e gone\nat once")
    line.show(manager.state)
    (note,) = (text for text in out.getvalue().splitlines() if "camera" in text)
    assert note.endswith("camera ]0;owned gone at once")


def test_a_status_line_that_nobody_reads_ends_no_show(manager: StageManager) -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    line = StatusLine(Closed())
    line.show(manager.state)
    line.show(manager.state)
    line.end()


def test_a_terminal_that_is_closed_ends_the_show_in_order() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests themselves may run under nohup
    try:
        with pytest.raises(KeyboardInterrupt), app._interruptible():
            signal.raise_signal(signal.SIGHUP)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
        with app._interruptible():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_channel_that_is_none_is_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert guise.main(["live", "--channel", "left", "--headless", "--camera", "none", "--mic", "none"]) == 2
    assert capsys.readouterr().err == ("guise: --channel left: expected auto, sum, or a channel's number from 1 on\n")
