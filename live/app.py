"""Starts and stops the parts of `guise live`. Runs in the operator's process; its main thread becomes the Qt thread.

Starting, in this order:
  1. the fork server, which imports what the engines need while this process goes on (guise.py starts it first)
  2. the show, the profile and the command line are checked; an error ends the command here with exit code 2
  3. the StageManager: shared memory, the audience, its thread; the thread starts both engines and the first cue
  4. while they start: every model the show names is checked, Qt is imported; the recorder is created
  5. once the picture engine runs, the stage window's process: one that was left behind is taken over, else a thread
     starts it; meanwhile the operator's window is created. It and the recorder subscribe to the audience
  6. the window's loop, from where the stage window gets its signs of life, or the status line without windows

Stopping, in the opposite order, whatever the reason (the window, the time, Ctrl-C, a failure):
  6. the operator's window closes and unsubscribes from the audience
  5. the stage window closes, and its process ends
  4. the recorder ends its file
  3. the StageManager stops the engines, takes their reports and removes the shared memory
  2. the report is written
  1. the fork server ends
A second Ctrl-C meanwhile has no effect. When this process is killed instead, the engines see their pipes close and end;
with them the fork server, and then the resource tracker, which removes the shared memory. The stage window shows the
safe picture for half a minute more, or until another `guise live` takes it over.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from live.demo import stand_in_performer
from live.manage.health import Health
from live.manage.status_line import StatusLine, summary
from live.operator.display import XCB_PACKAGES, missing_library, no_display
from live.outputs.registry import open_output
from live.process.fork_server import start_forkserver, stop_forkserver
from live.process.frames import now
from live.show.show_file import BadShow, Show, read_show

if TYPE_CHECKING:
    from live.manage.stage_manager import StageManager
    from live.outputs.output import Output
    from live.picture.settings import PictureSettings
    from live.sound.settings import SoundSettings

DEMO_SHOW = Path(__file__).resolve().parent / "demo" / "show.toml"
DEMO_MOVIE = Path("guise-demo.mp4")
DEMO_SECONDS = 10.0
PROVIDERS = ("auto", "tensorrt", "cuda", "cpu")
_DEMO_DELAY_S = 2.0
"""The demo performer begins to speak this long after the start, when the first picture is on stage."""
_STATUS_S = 0.5
_MAX_WINDOWS_WAIT_S = 2.0
_MAX_FIRST_PICTURE_WAIT_S = 15.0
"""The longest that a recording of --seconds waits for its first picture."""


class BadInput(Exception):
    """The command line or a file it names is wrong; the message is one line. Exit code 2."""


@dataclass(frozen=True)
class LiveOptions:
    """The command line of `guise live`. None: the default, which may depend on whether a show was given."""

    show: Path | None = None
    camera: str | None = None
    mic: str | None = None
    speaker: str | None = None
    cue: str | None = None
    headless: bool = False
    seconds: float | None = None
    record: Path | None = None
    report: Path | None = None
    fullscreen: str | None = None
    profile: Path | None = None
    provider: str = "auto"


def run_live(options: LiveOptions) -> int:
    """Runs the show and returns the exit code; see the module. Raises BadInput, with nothing left running."""
    start_forkserver()
    try:
        if not options.headless:
            options = _with_display(options)
        return _run_show(options)
    except BadShow as error:
        raise BadInput(str(error)) from None
    finally:
        stop_forkserver()


def _with_display(options: LiveOptions) -> LiveOptions:
    """The options as they are, or those of a movie where there is no display. Raises BadInput where there is a display
    and Qt lacks a library for it."""
    if trouble := no_display():
        return _without_display(options, trouble)
    if library := missing_library():
        raise BadInput(
            f"the windows need {library}, which is not installed (Debian and Ubuntu: apt install {XCB_PACKAGES}); "
            "--headless performs without them"
        )
    return options


def _without_display(options: LiveOptions, trouble: str) -> LiveOptions:
    movie = options.record or DEMO_MOVIE
    seconds = options.seconds or DEMO_SECONDS
    what = "the demo show" if options.show is None else str(options.show)
    print(f"{trouble}: {what} is performed into ./{movie} for {seconds:g} s instead")
    return replace(
        options,
        headless=True,
        record=movie,
        seconds=seconds,
        mic=options.mic or ("demo" if options.show is None else "none"),
        speaker=options.speaker or "none",
    )


def _run_show(options: LiveOptions) -> int:
    show, first_cue = _check_options(options)
    from live.manage.stage_manager import StageManager
    from live.sound.settings import SoundSettings

    demo = options.show is None
    mic, speaker = options.mic or ("demo" if demo else "default"), options.speaker or "default"
    sound = SoundSettings.of_show(show, mic, speaker, provider=options.provider.lower())
    sound = replace(sound, recorded=options.record is not None)
    picture, sound = _synchronized(_picture_settings(options, show), sound)
    manager = StageManager(show, picture, sound, first_cue=first_cue)
    recorder: Output | None = None
    code = 0
    with _interruptible():
        try:
            manager.start()
            _check_models(show)
            if options.record is not None:
                rate = None if sound.mic == "none" else sound.sample_rate
                recorder = open_output("recorder", str(options.record), manager, rate)
            code = _run_headless(manager, options) if options.headless else _run_windows(manager, options)
        except KeyboardInterrupt:
            pass
        finally:
            _ignore_interrupts()
            if recorder is not None:
                recorder.close()
            manager.stop()
    if manager.failure is not None:
        raise BadInput(manager.failure)
    _write_report(manager, options)
    return code


# ---- before the start


def _check_options(options: LiveOptions) -> tuple[Show, int]:
    """Checks the options and reads the show; returns it and the index of its first cue. Raises BadShow, BadInput."""
    if options.show is None and not DEMO_SHOW.is_file():
        raise BadInput("the demo show is not installed: name a show, or install Guise again")
    show = read_show(options.show or DEMO_SHOW)
    names = [cue.name for cue in show.cues]
    if options.cue is not None and options.cue not in names:
        raise BadInput(f'--cue "{options.cue}": the show has {", ".join(names)}')
    if options.seconds is not None and not 0 < options.seconds < 1e7:
        raise BadInput(f"--seconds {options.seconds:g}: expected a time above 0")
    if options.provider.lower() not in PROVIDERS:
        raise BadInput(f"--provider {options.provider}: expected one of {', '.join(PROVIDERS)}")
    for option, path in (("--record", options.record), ("--report", options.report)):
        if path is not None:
            _check_output(option, path)
    if options.record is not None and options.record.suffix.lower() != ".mp4":
        raise BadInput(f"--record {options.record}: expected a name that ends in .mp4")
    return show, 0 if options.cue is None else names.index(options.cue)


def _check_output(option: str, path: Path) -> None:
    if path.is_dir():
        raise BadInput(f"{option} {path}: is a folder; expected a file's name")
    folder = path.resolve().parent
    if not folder.is_dir():
        raise BadInput(f"{option} {path}: there is no folder {folder}")
    if not os.access(folder, os.W_OK):
        raise BadInput(f"{option} {path}: the folder {folder} cannot be written to")


def _picture_settings(options: LiveOptions, show: Show) -> PictureSettings:
    from live.picture.settings import PictureSettings

    camera = options.camera or ("demo" if options.show is None else "0")
    settings = PictureSettings.of_show(show, camera, provider=options.provider.lower(), performer=stand_in_performer)
    if options.profile is not None:
        from live.show.profile import BadProfile, read_profile

        try:
            settings = replace(settings, neutral=read_profile(options.profile).neutral)
        except BadProfile as error:
            raise BadInput(str(error)) from None
    return settings


def _synchronized(picture: PictureSettings, sound: SoundSettings) -> tuple[PictureSettings, SoundSettings]:
    """Gives picture and sound one epoch where both come from one movie or from the demo. A movie then plays from that
    moment and begins again after one period, so that lips and voice stay in sync for hours and after an engine's
    restart."""
    if picture.camera == sound.mic == "demo":
        epoch = now() + _DEMO_DELAY_S
        return replace(picture, epoch=epoch), replace(sound, epoch=epoch)
    camera, mic = Path(picture.camera), Path(sound.mic)
    if not camera.is_file() or not mic.is_file() or not camera.samefile(mic):
        return picture, sound
    from live.picture.sources.movie_frames import playing_time

    period_s = playing_time(camera)
    if period_s is None:
        return picture, sound
    epoch = now()
    return replace(picture, epoch=epoch, period_s=period_s), replace(sound, epoch=epoch, period_s=period_s)


def _check_models(show: Show) -> None:
    """Refuses a show with a bad model before the show begins; the engines start meanwhile. Raises BadInput."""
    from export.artifact.bad_model import BadModel
    from export.artifact.model_file import check_model

    for cue in show.cues:
        for path, kind in ((cue.look, "look"), (cue.voice, "voice")):
            if isinstance(path, Path):
                try:
                    check_model(path, "look" if kind == "look" else "voice")
                except (BadModel, OSError) as error:
                    raise BadInput(f'cue "{cue.name}": {error}') from None


# ---- while the show runs


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM raises KeyboardInterrupt as Ctrl-C does: both end the show in order."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore_interrupts() -> None:
    """The show is ending in order: a second Ctrl-C must not leave half of it running."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)


def _run_windows(manager: StageManager, options: LiveOptions) -> int:
    from live.operator.application import WindowOptions, run_windows  # Qt takes half a second, while the engines start
    from live.stage_window.stage_process import StageWindowProcess

    _wait_for_picture_engine(manager)
    if manager.failure is not None:
        return 2
    folders = [DEMO_SHOW.parent / "looks"]
    windows = WindowOptions(fullscreen=options.fullscreen, look_folders=folders, seconds=options.seconds)
    unsubscribe = manager.subscribe(lambda: _end_on_failure(manager))
    stage = StageWindowProcess(manager.stage_frames)
    try:
        stage.start()  # not before: the engines need the machine, and the operator's window is built meanwhile
        return run_windows(manager, stage, windows)
    finally:
        _ignore_interrupts()
        stage.stop()
        unsubscribe()


def _wait_for_picture_engine(manager: StageManager) -> None:
    """Waits until the picture engine has started or failed, so that a bad source ends the command before a window
    opens; at most _MAX_WINDOWS_WAIT_S, for slow machines."""
    changed = threading.Event()
    unsubscribe = manager.subscribe(changed.set)
    waited_s = 0.0
    while manager.failure is None and waited_s < _MAX_WINDOWS_WAIT_S:
        if manager.state.picture.health is not Health.STARTING:
            break
        changed.wait(0.05)
        changed.clear()
        waited_s += 0.05
    unsubscribe()


def _end_on_failure(manager: StageManager) -> None:
    if manager.failure is not None:
        signal.raise_signal(signal.SIGINT)


def _remaining_s(manager: StageManager, options: LiveOptions, uptime_s: float) -> float:
    """How long until --seconds are over. Those of a recording begin with its first picture, for which it waits at most
    _MAX_FIRST_PICTURE_WAIT_S."""
    if options.seconds is None:
        return math.inf
    if options.record is None:
        return options.seconds - uptime_s
    first_at = manager.audience.first_at
    wait_left_s = _MAX_FIRST_PICTURE_WAIT_S + options.seconds - uptime_s
    return wait_left_s if first_at is None else min(wait_left_s, first_at + options.seconds - now())


def _run_headless(manager: StageManager, options: LiveOptions) -> int:
    """Shows a status line until the time is over or Ctrl-C."""
    line = StatusLine(sys.stdout)
    failed = threading.Event()
    unsubscribe = manager.subscribe(lambda: failed.set() if manager.failure is not None else None)
    try:
        while manager.failure is None:
            state = manager.state
            remaining_s = _remaining_s(manager, options, state.uptime_s)
            if remaining_s <= 0:
                break
            line.show(state)
            failed.wait(min(_STATUS_S, remaining_s))
    finally:
        unsubscribe()
        line.end()
    return 0


# ---- after the end


def _write_report(manager: StageManager, options: LiveOptions) -> None:
    """Prints the summary, and writes the report where --report asks for it."""
    from live.manage.report import write_report

    report = manager.report()
    report["start"] = {"first_frame": _first_frame_ms(manager)}
    if options.headless:
        print(summary(report))
        if options.record is not None and options.record.is_file():
            print(f"recorded: {options.record}")
    if options.report is not None:
        try:
            write_report(options.report, report)
        except OSError as error:
            raise BadInput(f"--report {options.report}: cannot be written: {error.strerror}") from None


def _first_frame_ms(manager: StageManager) -> float | None:
    """From the start of this process to the audience's first generated picture, in ms."""
    first_at = manager.audience.first_at
    if first_at is None:
        return None
    import time

    import psutil

    age_s = time.time() - psutil.Process().create_time()
    return float(round((age_s - (time.perf_counter() - first_at)) * 1e3, 1))
