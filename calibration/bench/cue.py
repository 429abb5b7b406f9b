"""What the audience sees at a cue: the frame at which the new look is on stage, and the longest gap around it.

Runs the real StageManager and both engines from this process, without a window. The looks paint noise over one colour
each, so that the colour of a presented picture identifies its look.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Literal, TypedDict

import numpy as np

from calibration.bench.benchmark import BenchOptions, NotMeasured
from calibration.bench.footage import FPS, webcam_movie
from calibration.bench.table import Row, at_most, print_table
from calibration.bench.unet import Colour, write_look
from live.manage.model_sizes import loaded_size
from live.manage.stage_manager import StageManager
from live.picture.settings import PictureSettings
from live.process.fork_server import start_forkserver, stop_forkserver
from live.process.frames import now
from live.process.shared_frames import SharedPicture
from live.process.stage_picture import FrameKind
from live.show.show_file import Cue, Show
from live.sound.settings import SoundSettings

CHANGES = 20
LOADS = 6
DISSOLVES = 6
DISSOLVE_S = 0.5
READY_WITHIN_S = 60.0
UNDISTURBED_S = 5.0
IN_FLIGHT_S = 0.004
"""A frame that was captured this soon after GO may be in the pipeline already when the command arrives."""
COLOURS: dict[str, Colour] = {
    "red": (200, 40, 40),
    "green": (40, 200, 40),
    "blue": (40, 40, 200),
    "yellow": (200, 200, 40),
    "cyan": (40, 200, 200),
    "violet": (200, 40, 200),
}


@dataclass(frozen=True)
class _ShownPicture:
    """One picture that the audience saw."""

    at: float
    captured_at: float
    ready_at: float
    index: int
    colour: Colour | None
    generated: bool


class Spread(TypedDict):
    """Median and worst of several changes."""

    median: float
    worst: float


class ChangeFigures(TypedDict):
    """Changes of one kind; see _change."""

    changes: int
    frames_late: Spread
    on_stage_after_s: Spread
    longest_gap: Spread
    skipped: Spread


class CueFigures(ChangeFigures):
    """The same, and the show they were fired in. quiet_gap: gaps with no change under way; frames of the camera."""

    quiet_gap: Spread
    fps: float | None
    reported_gaps: list[float]
    audio_gap_samples: list[int]


class CueBenchFigures(TypedDict):
    """`guise bench cue`."""

    filmed: str
    cut: CueFigures
    load: CueFigures
    dissolve: CueFigures


class _Change(TypedDict):
    """One change; see _change."""

    frames_late: float
    on_stage_after_s: float
    longest_gap: float
    skipped: float


_ChangeKey = Literal["frames_late", "on_stage_after_s", "longest_gap", "skipped"]


class _AudienceRecorder:
    """Records every picture handed to the audience, in the audience's thread."""

    def __init__(self) -> None:
        self._pictures: list[_ShownPicture] = []
        self._lock = threading.Lock()

    def __call__(self, picture: SharedPicture) -> None:
        at = now()
        mean_colour = picture.picture[::16, ::16].reshape(-1, 3).mean(0)
        nearest = min(COLOURS.values(), key=lambda colour: float(np.abs(mean_colour - colour).max()))
        colour = nearest if float(np.abs(mean_colour - nearest).max()) < 45 else None
        with self._lock:
            self._pictures.append(
                _ShownPicture(
                    at,
                    picture.captured_at,
                    picture.ready_at,
                    picture.index,
                    colour,
                    picture.kind is FrameKind.GENERATED,
                )
            )

    def since(self, at: float) -> list[_ShownPicture]:
        with self._lock:
            return [shown for shown in self._pictures if shown.at >= at]


def run(options: BenchOptions) -> CueBenchFigures:
    """20 cuts between preloaded looks, 6 to looks that load while performing, 6 dissolves; on talker footage."""
    with tempfile.TemporaryDirectory(prefix="guise-cue-") as name:
        folder = Path(name)
        recorded_from = webcam_movie(options, folder / "webcam.mp4", 20)
        for number, (colour_name, colour) in enumerate(COLOURS.items()):
            write_look(folder / f"{colour_name}.onnx", 32, half=True, seed=number, colour=colour)
        camera = str(folder / "webcam.mp4")
        looks = {colour_name: folder / f"{colour_name}.onnx" for colour_name in COLOURS}
        start_forkserver()
        try:
            first_looks = dict(list(looks.items())[:3])
            cuts = _run_show(_show(first_looks, 0.0), camera, budget_looks=8, task=_cuts)
            loads = _run_show(_show(looks, 0.0), camera, budget_looks=2, task=_loads)
            dissolves = _run_show(_show(first_looks, DISSOLVE_S), camera, budget_looks=8, task=_dissolves)
        finally:
            stop_forkserver()
    metrics: CueBenchFigures = {"filmed": recorded_from, "cut": cuts, "load": loads, "dissolve": dissolves}
    _print(metrics)
    return metrics


def _show(looks: dict[str, Path], transition_s: float) -> Show:
    cues = tuple(Cue(name=name, look=path, voice="bypass", transition_s=transition_s) for name, path in looks.items())
    return Show(name="bench", cues=cues)


_Task = Callable[[StageManager, _AudienceRecorder], ChangeFigures]


def _run_show(show: Show, camera: str, *, budget_looks: int, task: _Task) -> CueFigures:
    """The metrics of `task`, run on a show that performs."""
    look_bytes = max(loaded_size(str(cue.look)) for cue in show.cues)
    settings = PictureSettings.of_show(show, camera)
    manager = StageManager(
        show,
        settings,
        SoundSettings(mic="none", speaker="none"),
        memory_budget_bytes=round(look_bytes * (budget_looks + 0.5)),
    )
    recorder = _AudienceRecorder()
    manager.audience.subscribe(recorder)
    manager.start()
    try:
        _wait_until_performing(manager, recorder, all_looks=budget_looks >= len(show.cues))
        undisturbed_from = now()
        time.sleep(UNDISTURBED_S)
        undisturbed = _gaps(recorder.since(undisturbed_from))
        changes = task(manager, recorder)
    finally:
        manager.stop()
    report = manager.report()
    return {
        **changes,
        "quiet_gap": _spread(undisturbed),
        "fps": report["video"]["fps"],
        "reported_gaps": [gap for s in report["switches"] if (gap := s["frame_gap"]) is not None],
        "audio_gap_samples": [gap for s in report["switches"] if (gap := s["audio_gap_samples"]) is not None],
    }


def _wait_until_performing(manager: StageManager, recorder: _AudienceRecorder, *, all_looks: bool) -> None:
    """Until a generated picture is on stage and, with `all_looks`, every look is loaded; and a second more."""
    _wait_until(
        manager,
        lambda: bool(recorder.since(now() - 1)) and recorder.since(now() - 1)[-1].generated,
        "the first frame",
    )
    if all_looks:
        _wait_until(manager, lambda: all(cue.status == "ready" for cue in manager.state.cues), "the looks to load")
    time.sleep(1)


def _cuts(manager: StageManager, recorder: _AudienceRecorder) -> ChangeFigures:
    changes = []
    for number in range(CHANGES):
        # Not in step with the camera, so that GO comes at any moment of a frame.
        time.sleep(0.7 + (number * 0.618 % 1) / FPS)
        target = (number + 1) % len(manager.show.cues)
        _wait_until(manager, partial(_is_ready, manager, target), "a look to load")
        changes.append(_change(manager, recorder, target, 0.0))
    return _summary(changes)


def _loads(manager: StageManager, recorder: _AudienceRecorder) -> ChangeFigures:
    changes = []
    count = len(manager.show.cues)
    current = 0
    for _ in range(LOADS):
        time.sleep(1.0)
        # The standby cue is loaded already; the farthest one is not.
        unloaded = [i for i in range(count) if manager.state.cues[i].status == "unloaded"]
        if not unloaded:
            raise NotMeasured("every look was loaded, so none could load while performing")
        target = min(unloaded, key=lambda i: (i - current) % count)
        changes.append(_change(manager, recorder, target, 0.0))
        current = target
    return _summary(changes)


def _is_ready(manager: StageManager, cue: int) -> bool:
    return manager.state.cues[cue].status == "ready"


def _dissolves(manager: StageManager, recorder: _AudienceRecorder) -> ChangeFigures:
    changes = []
    for number in range(DISSOLVES):
        time.sleep(1.0)
        target = (number + 1) % len(manager.show.cues)
        _wait_until(manager, partial(_is_ready, manager, target), "a look to load")
        changes.append(_change(manager, recorder, target, DISSOLVE_S))
    return _summary(changes)


def _change(manager: StageManager, recorder: _AudienceRecorder, target: int, transition_s: float) -> _Change:
    """Fires one cue and waits until it is on stage, in full where it dissolves.

    frames_late: pictures of the old look whose frame was captured after GO. longest_gap: from one presented picture to
    the next, from GO until half a second after the change, in frames.
    """
    colour = COLOURS[manager.show.cues[target].name]
    go_at = now()
    if not manager.go_to(target):
        raise NotMeasured("the StageManager took a cue for a double press")
    _wait_until(
        manager,
        lambda: any(shown.colour == colour and shown.captured_at > go_at for shown in recorder.since(go_at)),
        f"cue {target + 1}",
    )
    time.sleep(transition_s + 0.5)
    shown = recorder.since(go_at - 2 / FPS)
    first = next(i for i, s in enumerate(shown) if s.colour == colour and s.captured_at > go_at)
    old_looks = [s for s in shown[:first] if s.captured_at > go_at + IN_FLIGHT_S]
    return {
        "frames_late": float(len(old_looks)),
        "on_stage_after_s": shown[first].at - go_at,
        "longest_gap": float(np.max(_gaps(shown))),
        "skipped": float(max(np.diff([s.index for s in shown]).max() - 1, 0)),
    }


def _gaps(shown: list[_ShownPicture]) -> list[float]:
    """From one presented picture to the next, in frames of the camera."""
    gaps = [(after.at - before.at) * FPS for before, after in pairwise(shown)]
    if not gaps:
        raise NotMeasured("no pictures reached the audience")
    return gaps


def _summary(changes: list[_Change]) -> ChangeFigures:
    def spread(key: _ChangeKey) -> Spread:
        return _spread([change[key] for change in changes])

    return {
        "changes": len(changes),
        "frames_late": spread("frames_late"),
        "on_stage_after_s": spread("on_stage_after_s"),
        "longest_gap": spread("longest_gap"),
        "skipped": spread("skipped"),
    }


def _spread(values: list[float]) -> Spread:
    return {"median": float(np.median(values)), "worst": float(np.max(values))}


def _wait_until(manager: StageManager, condition: Callable[[], bool], what: str) -> None:
    deadline = now() + READY_WITHIN_S
    while not condition():
        if manager.failure is not None:
            raise NotMeasured(f"the show cannot go on: {manager.failure}")
        if now() > deadline:
            refused = [cue.why for cue in manager.state.cues if cue.status == "refused"]
            raise NotMeasured(f"waited {READY_WITHIN_S:.0f} s for {what} in vain{': ' + refused[0] if refused else ''}")
        time.sleep(0.01)


def _print(metrics: CueBenchFigures) -> None:
    def pair(measured: Spread, unit: str = "", digits: int = 2) -> str:
        return f"{measured['median']:.{digits}f} / {measured['worst']:.{digits}f}{unit}"

    cut, load, dissolve = metrics["cut"], metrics["load"], metrics["dissolve"]
    rows = [
        Row(
            f"{cut['changes']} preloaded cuts: frames of the old look after GO",
            pair(cut["frames_late"], digits=0),
            "0: the next frame",
            cut["frames_late"]["worst"] == 0,
        )
    ]
    for name, measured in (
        ("preloaded cut", cut),
        ("load while performing", load),
        (f"dissolve {DISSOLVE_S:g} s", dissolve),
    ):
        gap = measured["longest_gap"]
        rows.append(Row(f"{name}: longest gap", pair(gap, " frames"), "<= 1.5", at_most(gap["worst"], 1.5)))
        rows.append(Row(f"{name}: on stage after", pair(measured["on_stage_after_s"], " s", 3)))
        rows.append(Row("  gaps with no change under way, here", pair(measured["quiet_gap"], " frames")))
        rows.append(Row("  frames a second", f"{measured['fps'] or 0:.2f}"))
    print_table(f"cue: {metrics['filmed']}, random-weight looks, ngf 32; median / worst, one run", rows)
