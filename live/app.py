"""Starts and stops the parts of `guise live`. Runs in the operator's process; its main thread becomes the Qt thread.

Starting, in this order:
  1. the fork server, which imports what the engines need while this process goes on (guise.py starts it first)
  2. the show, the profile and the command line are checked, its outputs too; an error ends the command here with exit
     code 2
  3. the StageManager's shared memory, and with windows the stage window's process: one that was left behind is taken
     over, else one starts while the fork server still imports; hidden until the operator's window places it
  4. the StageManager's threads: the audience, and its own, which starts both engines and the first cue
  5. while they start: every model the show names is checked; the outputs are opened and subscribe to the audience and
     the sound, in the order of the command line, --record first; then the controls start, in their registry's order
  6. once the picture engine runs, the operator's window is created. It subscribes to the audience, its keys begin to
     act, and controls reach the window's actions
  7. the window's loop, from where the stage window gets its signs of life, or the status line without windows

Stopping, in the opposite order, whatever the reason (the window, the time, Ctrl-C, a failure):
  7. the operator's window closes and unsubscribes from the audience, then the stage window closes, and its process ends
  5. the controls stop, then the outputs are closed, each the last one first
  4. the StageManager stops the engines, takes their reports and removes the shared memory
  2. the report is written
  1. the fork server ends
A second Ctrl-C meanwhile has no effect. When this process is killed instead, the engines see their pipes close and end;
with them the fork server, and then the resource tracker, which removes the shared memory. The stage window shows the
safe picture for half a minute more, or until another `guise live` takes it over.
"""

from __future__ import annotations

import math
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from live.control.actions import Actions
from live.control.running_controls import RunningControls
from live.demo import stand_in_performer
from live.manage.health import Health
from live.manage.status_line import StatusLine, summary
from live.operator.display import XCB_PACKAGES, missing_library, no_display
from live.outputs.new_files import NewFiles
from live.outputs.output import BadOutput, Output, check_writable
from live.outputs.registry import make_output
from live.outputs.running_output import RunningOutput
from live.process.ending_signals import ending_signals
from live.process.fork_server import start_forkserver, stop_forkserver
from live.process.frames import now
from live.process.unused_path import unused_path
from live.show.show_file import BadShow, Show, read_show
from live.show.show_models import check_models
from models.command_line import say

if TYPE_CHECKING:
    from live.manage.stage_manager import StageManager
    from live.picture.settings import PictureSettings
    from live.sound.settings import SoundSettings
    from live.stage_window.stage_process import StageWindowProcess
    from models.features.media.mixdown import Channel

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
    channel: Channel = "auto"
    outputs: tuple[str, ...] = ()
    """NAME or NAME=TARGET, each; --record is one more."""

    @property
    def recordings(self) -> list[Path]:
        """The movies that are recorded."""
        asked = [Path(spec.removeprefix("recorder=")) for spec in self.outputs if spec.startswith("recorder=")]
        return asked if self.record is None else [self.record, *asked]


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
    say(f"{trouble}: {options.show or 'the demo show'} is performed into ./{movie} for {seconds:g} s instead")
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
    options = _with_new_files(options)
    outputs = _make_outputs(options)
    from live.manage.stage_manager import StageManager
    from live.sound.settings import SoundSettings

    mic, speaker = options.mic or ("default" if options.show else "demo"), options.speaker or "default"
    sound = SoundSettings.of_show(show, mic, speaker, provider=options.provider.lower())
    sound = replace(sound, recorded=bool(outputs), channel=options.channel)
    picture, sound = _synchronized(_picture_settings(options, show), sound)
    try:
        manager = StageManager(show, picture, sound, first_cue=first_cue)
    except OSError as error:
        raise BadInput(f"there is no room for the pictures in shared memory: {error.strerror or error}") from None
    actions = Actions(manager)
    code = 0
    with _interruptible(), _ended_in_order(manager) as parts:
        stage = None if options.headless else _start_stage_window(manager, parts)
        manager.start()
        check_models(show)
        for name, output in outputs:
            running = RunningOutput(name, output, manager)
            parts.callback(running.close)
            running.open(None if sound.mic == "none" else sound.sample_rate)
        controls = RunningControls(actions.perform, manager.add_fault)
        parts.callback(controls.stop)
        controls.start()
        if stage is None:
            code = _run_headless(manager, options)
        else:
            code = _run_windows(manager, stage, actions, options)
    if manager.failure is not None:
        raise BadInput(manager.failure)
    _write_report(manager, options)
    return code


@contextmanager
def _ended_in_order(manager: StageManager) -> Iterator[ExitStack]:
    """Whatever ends the show, Ctrl-C too: the parts of it end, the last one first, and at last the StageManager."""
    with ExitStack() as parts:
        parts.callback(manager.stop)
        try:
            yield parts
        except KeyboardInterrupt:
            pass
        finally:
            _ignore_interrupts()


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
    if options.report is not None:
        with _refusing(f"--report {options.report}"):
            check_writable(options.report)
    return show, 0 if options.cue is None else names.index(options.cue)


def _with_new_files(options: LiveOptions) -> LiveOptions:
    """The options with other names for what is there already, and says so: a show that is started again must not lose
    what the one before wrote. Raises BadInput."""
    files = NewFiles(say)
    try:
        report = files.add("--report ", options.report)
        if options.speaker is not None and options.speaker.lower().endswith(".wav"):
            files.add("--speaker ", Path(options.speaker), numbered=False)  # the sound engine does that
        record = files.add("--record ", options.record)
        outputs = []
        for spec in options.outputs:
            name, _, target = spec.partition("=")
            movie = files.add("--output recorder=", Path(target)) if name == "recorder" and target else None
            outputs.append(spec if movie is None else f"recorder={movie}")
    except BadOutput as error:
        raise BadInput(str(error)) from None
    return replace(options, record=record, report=report, outputs=tuple(outputs))


def _make_outputs(options: LiveOptions) -> list[tuple[str, Output]]:
    """The outputs that the command line asks for, not opened yet, each with its name. Raises BadInput."""
    asked = [(f"--output {spec}", spec) for spec in options.outputs]
    if options.record is not None:
        asked.insert(0, (f"--record {options.record}", f"recorder={options.record}"))
    outputs = []
    for at, (option, spec) in enumerate(asked):
        if spec in (earlier for _, earlier in asked[:at]):
            raise BadInput(f"{option}: is asked for twice")
        with _refusing(option):
            outputs.append(make_output(spec))
    return outputs


@contextmanager
def _refusing(option: str) -> Iterator[None]:
    """A BadOutput within is a BadInput that names the option."""
    try:
        yield
    except BadOutput as error:
        raise BadInput(f"{option}: {error}") from None


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


# ---- while the show runs


@contextmanager
def _interruptible() -> Iterator[None]:
    """What ends a program, a closed terminal too, raises KeyboardInterrupt as Ctrl-C does: the show ends in order."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, interrupt) for number in ending_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore_interrupts() -> None:
    """The show is ending in order: a second Ctrl-C must not leave half of it running."""
    if threading.current_thread() is threading.main_thread():
        for number in ending_signals():
            signal.signal(number, signal.SIG_IGN)


def _start_stage_window(manager: StageManager, parts: ExitStack) -> StageWindowProcess:
    from live.stage_window.stage_process import StageWindowProcess

    stage = StageWindowProcess(manager.stage_frames)
    parts.callback(stage.stop)  # whatever keeps the windows from opening; they close it earlier
    stage.start()
    return stage


def _run_windows(manager: StageManager, stage: StageWindowProcess, actions: Actions, options: LiveOptions) -> int:
    from live.operator.application import WindowOptions, run_windows  # Qt takes half a second, while the engines start

    _wait_for_picture_engine(manager)
    if manager.failure is not None:
        return 2
    folders = [DEMO_SHOW.parent / "looks"]
    windows = WindowOptions(fullscreen=options.fullscreen, look_folders=folders, seconds=options.seconds)
    unsubscribe = manager.subscribe(lambda: _end_on_failure(manager))
    try:
        return run_windows(manager, stage, windows, actions)
    finally:
        unsubscribe()


def _wait_for_picture_engine(manager: StageManager) -> None:
    """Waits until the picture engine has started or failed, so that a bad source ends the command before a window
    opens; at most _MAX_WINDOWS_WAIT_S, for slow machines."""
    changed, waited_s = threading.Event(), 0.0
    unsubscribe = manager.subscribe(changed.set)
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
    if not options.recordings:
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
    """Writes the report where --report asks for it, and prints the summary."""
    from live.manage.report import write_report

    report = manager.report()
    report["start"] = {"first_frame": _first_frame_ms(manager)}
    if options.report is not None:
        try:
            write_report(unused_path(options.report), report)  # another show may have written one meanwhile
        except OSError as error:
            raise BadInput(f"--report {options.report}: cannot be written: {error.strerror}") from None
    if options.headless:
        say(summary(report))
        for movie in options.recordings:
            if movie.is_file():
                say(f"recorded: {movie}")


def _first_frame_ms(manager: StageManager) -> float | None:
    """From the start of this process to the audience's first generated picture, in ms."""
    first_at = manager.audience.first_at
    if first_at is None:
        return None
    import time

    import psutil

    age_s = time.time() - psutil.Process().create_time()
    return float(round((age_s - (time.perf_counter() - first_at)) * 1e3, 1))
