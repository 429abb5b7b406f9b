"""Whom a look shows that was trained on one take of a man, driven by a take it has not seen and by other performers.

Drives the look through the stage's own code: tracker, neutral, retargeting, lines, session. Without a look to measure
it trains one, by the verbs a user would type, in a work folder, and goes on there if it was interrupted. Pictures,
movies and figures stay in that folder: they show real people and belong in no repository.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.bench import CannotMeasure, Options
from calibration.bench.footage import TALKER_A, TALKER_A_AGAIN, needed, videos
from calibration.bench.stage_run import FRONT_DOOR
from calibration.bench.table import Row, at_most, show
from export.artifact import BadModel
from export.evaluate_face import (
    Descriptor,
    FaceMeter,
    aligned_cut,
    expression_error,
    flicker,
    identity_distance,
    l1,
    mean_descriptor,
    openings_agreement,
    picture_change,
    points_change,
    sharpness,
    ssim,
)
from export.session import open_session
from live.frames import Frame
from live.movie.writer import MovieWriter
from live.picture.look import ModelLook
from live.picture.movie_frames import FileFrames
from live.picture.tracker import Tracker
from models.features.face_lines import to_square
from models.features.face_points import FacePoints, Picture, Points
from models.features.retarget import RunningNeutral, neutral_of
from models.prepare.face import cut_picture, cut_square

TRAINING_MINUTES = 40.0
SAMPLES = 120
"""Frames of a clip that are measured, evenly spread."""
MOVIE_S = 10.0
SHEET_COLUMNS = 8
DRIVERS = {
    "A, second take": TALKER_A_AGAIN,
    "C": "talkerC_woman_expressions_33s.mp4",
    "F": "talkerF_man_glasses_8s.mp4",
    "G": "talkerG_man_dim_outdoor_7s.mp4",
    "H": "talkerH_woman_720p_9s.mp4",
}
WANTED_IDENTITY = {"C": 0.43, "F": 0.36}
SUBJECT = "the man of the test footage; for measuring only, never shown"
SAME_MAN = 0.31
"""95 % of the man's own second take lies nearer to the mean of his first than this."""


class Clip(NamedTuple):
    """A driving movie, tracked: points (68, 2) in frame pixels, None where there was no face."""

    name: str
    path: Path
    points: list[Points | None]
    times: list[float]
    neutral: Points
    size: tuple[int, int]
    fps: float

    @property
    def seen(self) -> list[int]:
        """Frames that can be measured: they and the next one have a face."""
        return [i for i in range(len(self.points) - 1) if self.points[i] is not None and self.points[i + 1] is not None]


class Drawn(NamedTuple):
    """One generated picture, the points it was asked for, and, where it is known, what it should have been."""

    picture: Picture
    asked: Points
    real: Picture | None


Drive = Callable[[Frame, Points], Drawn]
"""A frame and its points -> what the look paints."""


@dataclass(frozen=True)
class Target:
    """The man: the mean of his descriptors, and how sharp his pictures are at the look's scale."""

    person: Descriptor
    sharpness: float
    own_identity: tuple[float, float]
    """Median and 95th percentile of his first take's distances to its own mean."""


def run(options: Options) -> dict[str, Any]:
    """Every driver there is, with and without retargeting."""
    clip_files = {name: file for name, file in DRIVERS.items() if _there(options, file)}
    needed(options, TALKER_A_AGAIN)
    work = options.work or _cache() / "likeness"
    work.mkdir(parents=True, exist_ok=True)
    training: dict[str, Any] | None = None
    path = options.look
    if path is None:
        path, training = _trained(options, work)
    old_threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with_it, without = _opened(path, True), _opened(path, False)
        assert with_it.manifest.target is not None
        wanted = np.array(with_it.manifest.target.neutral, np.float32)
        meter = FaceMeter()
        first = _tracked("A, first take", needed(options, TALKER_A))
        target = _target(first, wanted, with_it.side, meter)
        figures: dict[str, Any] = {
            "look": with_it.manifest.name,
            "training": training or with_it.manifest.training.model_dump(mode="json"),
            "target": {"own_identity_median": target.own_identity[0], "own_identity_p95": target.own_identity[1]},
            "driven": {},
        }
        for name, file in clip_files.items():
            print(f"driven by {name} ...", file=sys.stderr)
            clip = _tracked(name, needed(options, file))
            modes = _modes(clip, with_it, without, wanted, own=name.startswith("A"))
            figures["driven"][name] = _driven(clip, modes, target, meter, work)
    finally:
        cv2.setNumThreads(old_threads)
    (work / "figures.json").write_text(json.dumps(figures, indent=1), "utf-8")
    _print(figures, work)
    return figures


# ------------------------------------------------------------------------------------------------- the look


def _trained(options: Options, work: Path) -> tuple[Path, dict[str, Any]]:
    """A look made by the verbs; what is there already from an earlier run is kept."""
    minutes = options.minutes or TRAINING_MINUTES
    look, data, trained = work / "talkerA.onnx", work / "talkerA", work / "run"
    if not look.is_file():
        if not (data / "dataset.json").is_file():
            _verb("prepare", "face", str(needed(options, TALKER_A)), "--out", str(data))
        if not (work / "trained").is_file():
            resume = ["--resume"] if trained.is_dir() and any(trained.iterdir()) else []
            _verb("train", "pix2pix", str(data), "--out", str(trained), "--minutes", f"{minutes:g}", *resume)
            (work / "trained").touch()
        _verb("export", str(trained), "--out", str(look), "--subject", SUBJECT, "--precision", "fp16")
    return look, {"minutes": minutes, "folder": str(work)}


def _verb(*arguments: str) -> None:
    print(f"guise {' '.join(arguments[:2])} ...", file=sys.stderr)
    ended = subprocess.run([sys.executable, str(FRONT_DOOR), *arguments], stdin=subprocess.DEVNULL, check=False)
    if ended.returncode != 0:
        raise CannotMeasure(f"`guise {arguments[0]}` ended with code {ended.returncode}; what it made so far is kept")


def _opened(path: Path, retarget: bool) -> ModelLook:
    try:
        session = open_session(path, "auto", kind="look")
        session.warm()
    except BadModel as error:
        raise CannotMeasure(str(error)) from error
    if session.manifest.target is None:
        raise CannotMeasure(f"{path} does not read landmark lines, so nothing can be asked of it here")
    return ModelLook(str(path), session, retarget)


# ------------------------------------------------------------------------------------------------- driving


def _tracked(name: str, path: Path) -> Clip:
    """The whole movie through the stage's tracker, every frame."""
    tracker = Tracker(FacePoints())
    points: list[Points | None] = []
    times: list[float] = []
    movie = FileFrames(path)
    for frame in movie:
        seen = tracker.update(frame)
        times.append(frame.captured_at)
        points.append(None if seen is None else seen.points)
    known = [p for p in points if p is not None]
    if len(known) < 10:
        raise CannotMeasure(f"{path.name} shows a face in {len(known)} frames only")
    return Clip(name, path, points, times, neutral_of(np.array(known)), movie.size, movie.fps)


def _modes(clip: Clip, with_it: ModelLook, without: ModelLook, wanted: Points, *, own: bool) -> dict[str, Drive]:
    """The ways a look can be driven.

    retargeted: the neutral is known, as from a profile. running: it is estimated while performing, as without one.
    centre square: no retargeting, face2face-demo's geometry. own square: no retargeting, the square that
    `guise prepare` would cut; only for the target's own footage.
    """
    side = with_it.side
    running = RunningNeutral()
    neutrals = [None if p is None else running.update(p, t) for p, t in zip(clip.points, clip.times, strict=True)]

    def retargeted(frame: Frame, points: Points, neutral: Points | None = None) -> Drawn:
        mine = clip.neutral if neutral is None else neutral
        _, asked = with_it.lines(frame.picture, points, mine)
        made = with_it.perform(frame.picture, points, mine).copy()
        return Drawn(made, asked, aligned_cut(frame.picture, mine, wanted, side) if own else None)

    def estimated(frame: Frame, points: Points) -> Drawn:
        return retargeted(frame, points, neutrals[frame.index])

    def squared(frame: Frame, points: Points, square: NDArray[np.float64]) -> Drawn:
        real = cut_picture(frame.picture, square, side)
        asked = to_square(points, square, side)
        # In a frame that is the look's own size, the centre square is the frame.
        return Drawn(without.perform(real, asked, None).copy(), asked, real if own else None)

    width, height = clip.size
    short = min(width, height)
    centre = np.array([(width - short) // 2, (height - short) // 2, short], np.float64)
    modes: dict[str, Drive] = {
        "retargeted": retargeted,
        "running": estimated,
        "centre square": lambda frame, points: squared(frame, points, centre),
    }
    if own:
        known = np.array([p for p in clip.points if p is not None])
        face_square = cut_square(known, (height, width))
        modes["own square"] = lambda frame, points: squared(frame, points, face_square)
    return modes


def _frames(clip: Clip) -> Iterator[tuple[int, Frame, Points]]:
    for frame, points in zip(FileFrames(clip.path), clip.points, strict=False):
        if points is not None:
            yield frame.index, frame, points


# ----------------------------------------------------------------------------------------------- measuring


def _target(first: Clip, wanted: Points, side: int, meter: FaceMeter) -> Target:
    chosen = _spread(first.seen)
    descriptors, sharp = [], []
    for index, frame, _ in _frames(first):
        if index not in chosen:
            continue
        described = meter.descriptor(frame.picture)
        if described is not None:
            descriptors.append(described)
        sharp.append(sharpness(aligned_cut(frame.picture, first.neutral, wanted, side)))
    try:
        person = mean_descriptor(descriptors)
    except ValueError as error:
        raise CannotMeasure(f"{first.path.name}: {error}") from error
    own = [identity_distance(d, person) for d in descriptors]
    median, p95 = np.percentile(own, [50, 95])
    return Target(person, float(np.median(sharp)), (float(median), float(p95)))


def _driven(
    clip: Clip, modes: dict[str, Drive], target: Target, meter: FaceMeter, work: Path
) -> dict[str, dict[str, Any]]:
    measured = {mode: _Measured(target, meter) for mode in modes}
    chosen = _spread(clip.seen)
    shown = set(sorted(chosen)[:: max(1, len(chosen) // SHEET_COLUMNS)])
    columns: list[Picture] = []
    file = work / f"{clip.path.stem}.mp4"
    first_s: float | None = None
    side = 256
    with MovieWriter(file, None, ((1 + len(modes)) * side, side)) as movie:
        for index, frame, points in _frames(clip):
            first_s = frame.captured_at if first_s is None else first_s
            filmed = frame.captured_at - first_s < MOVIE_S
            if not filmed and index not in chosen and index - 1 not in chosen:
                continue
            pictures: list[Picture] = []
            for mode, drive in modes.items():
                drawn = drive(frame, points)
                pictures.append(drawn.picture)
                if index in chosen:
                    measured[mode].take(drawn)
                elif index - 1 in chosen:
                    measured[mode].follow(drawn)
            row = np.concatenate([_thumbnail(frame.picture, side), *(_thumbnail(p, side) for p in pictures)], 1)
            if filmed:
                movie.write(row, frame.captured_at - first_s, wait=True)
            if index in shown and len(columns) < SHEET_COLUMNS:
                columns.append(np.concatenate(np.split(row, 1 + len(modes), axis=1), 0))
    if columns:
        sheet = np.concatenate(columns, 1)
        cv2.imwrite(str(work / f"{clip.path.stem}.jpg"), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    return {mode: one.figures() for mode, one in measured.items()}


class _Measured:
    """Collects what one way of driving gives on one clip."""

    def __init__(self, target: Target, meter: FaceMeter) -> None:
        self._target, self._meter = target, meter
        self._identity: list[float] = []
        self._expression: list[float] = []
        self._found: list[Points] = []
        self._asked: list[Points] = []
        self._ssim: list[float] = []
        self._l1: list[float] = []
        self._sharp: list[float] = []
        self._change: list[float] = []
        self._real_change: list[float] = []
        self._moved: list[float] = []
        self._asked_moved: list[float] = []
        self._taken = 0
        self._last: tuple[Drawn, Points | None] | None = None

    def take(self, drawn: Drawn) -> None:
        """A chosen frame."""
        self._taken += 1
        found = self._meter.both(drawn.picture)
        if self._last is not None:
            self._follow(drawn, None if found is None else found[0])
        self._last = drawn, None if found is None else found[0]
        self._sharp.append(sharpness(drawn.picture) / max(self._target.sharpness, 1e-9))
        if found is not None:
            points, described = found
            self._identity.append(identity_distance(described, self._target.person))
            self._expression.append(expression_error(points, drawn.asked))
            self._found.append(points)
            self._asked.append(drawn.asked)
        if drawn.real is not None:
            self._ssim.append(ssim(drawn.picture, drawn.real))
            self._l1.append(l1(drawn.picture, drawn.real))

    def follow(self, drawn: Drawn) -> None:
        """The frame right after a chosen one: what changed in between."""
        if self._last is not None and self._last[1] is not None:
            self._follow(drawn, self._meter.points(drawn.picture))
        else:
            self._follow(drawn, None)
        self._last = None

    def _follow(self, drawn: Drawn, found: Points | None) -> None:
        assert self._last is not None
        before, before_found = self._last
        self._last = None
        self._change.append(picture_change(before.picture, drawn.picture))
        if drawn.real is not None and before.real is not None:
            self._real_change.append(picture_change(before.real, drawn.real))
        if found is not None and before_found is not None:
            self._moved.append(points_change(before_found, found))
            self._asked_moved.append(points_change(before.asked, drawn.asked))

    def figures(self) -> dict[str, Any]:
        """Medians over the chosen frames; None where nothing could be measured."""
        own = bool(self._ssim)
        changes = flicker(self._change, self._real_change) if own else flicker(self._moved, self._asked_moved)
        return {
            "frames": self._taken,
            "face_found": len(self._identity) / max(self._taken, 1),
            "identity": _median(self._identity),
            "identity_p95": float(np.percentile(self._identity, 95)) if self._identity else None,
            "expression": _median(self._expression),
            "openings": openings_agreement(self._found, self._asked),
            "ssim": _median(self._ssim),
            "ssim_mean": _mean(self._ssim),
            "l1": _median(self._l1),
            "l1_mean": _mean(self._l1),
            "sharpness": _median(self._sharp),
            "flicker": changes,
            "flicker_points": flicker(self._moved, self._asked_moved),
            "change_generated": _mean(self._change),
            "change_real": _mean(self._real_change),
        }


def _spread(indices: list[int]) -> set[int]:
    if len(indices) <= SAMPLES:
        return set(indices)
    return {indices[i] for i in np.linspace(0, len(indices) - 1, SAMPLES).round().astype(int)}


def _median(values: list[float]) -> float | None:
    return float(np.median(values)) if values else None


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _thumbnail(picture: Picture, side: int) -> Picture:
    height, width = picture.shape[:2]
    short = min(height, width)
    top, left = (height - short) // 2, (width - short) // 2
    square = picture[top : top + short, left : left + short]
    return np.asarray(cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def _there(options: Options, file: str) -> bool:
    folder = videos(options)
    return folder is not None and (folder / file).is_file()


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "guise"


def _print(figures: dict[str, Any], work: Path) -> None:
    def number(value: float | None, digits: int = 3) -> str:
        return "-" if value is None else f"{value:.{digits}f}"

    rows = []
    for name, modes in figures["driven"].items():
        for mode, f in modes.items():
            wanted = WANTED_IDENTITY.get(name) if mode == "retargeted" else None
            held = None if wanted is None else at_most(f["identity"], wanted)
            limit = "" if wanted is None else f"identity <= {wanted}"
            text = "  ".join(
                [
                    *(number(f[k]) for k in ("identity", "expression")),
                    *(number(f[k], 2) for k in ("flicker", "sharpness")),
                ]
            )
            rows.append(Row(f"driven by {name}, {mode}: identity, expression, flicker, sharpness", text, limit, held))
            if f["ssim"] is not None:
                change = f"{number(f['change_generated'], 2)} / {number(f['change_real'], 2)}"
                rows.append(
                    Row(
                        "  SSIM, L1; change a frame generated / real",
                        f"{number(f['ssim'])}  {number(f['l1'])}  {change}",
                    )
                )
            opened = f["openings"]
            gains = "  ".join(
                f"{key.replace('_', ' ')} {number(part['correlation'], 2)} x{number(part['gain'], 2)}"
                for key, part in opened.items()
            )
            rows.append(Row("  openings, correlation x gain", gains))
    t = figures["training"]
    own = figures["target"]["own_identity_median"]
    note = (
        f"medians over up to {SAMPLES} frames a clip; trained {t.get('minutes', 0):g} minutes; his first take lies "
        f"{own:.2f} from its own mean, 95 % of his second within {SAME_MAN}; see {work}"
    )
    show(f"likeness: {figures['look']}", rows, note)
