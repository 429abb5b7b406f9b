"""Whom a look shows that was trained on one take of a man, driven by a take that it was not trained on and by other
performers.

Drives the look through the code of the stage: tracker, neutral, retargeting, lines, session. Without a look to measure
it trains one, by the verbs that a user would type, in a work folder, and resumes there if it was interrupted. Pictures,
movies and metrics stay in that folder: they show real people and belong in no repository.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from calibration.bench.benchmark import BenchOptions, NotMeasured
from calibration.bench.footage import TALKER_A, TALKER_A_AGAIN, footage_folder, required_video
from calibration.bench.table import Row, at_most, print_table
from calibration.bench.verbs import run_verb
from calibration.evaluate.driven_look import (
    SAMPLES,
    BadFootage,
    Clip,
    Drive,
    DrivenFrame,
    describe_target,
    measure_drives,
    one_opencv_thread,
    open_look,
    retargeted_drive,
    target_neutral,
    track_clip,
)
from calibration.evaluate.figures import LookFigures, TargetFigures, figure_text
from export.artifact.bad_model import BadModel
from export.metrics.face import FaceAnalyzer, aligned_crop, aligned_points
from live.picture.look import ModelLook
from live.process.frames import Frame
from models.features.geometry import centre_square, to_square
from models.features.retarget import RunningNeutral
from models.features.types import Points
from models.prepare.face import cut_picture, cut_square

TRAINING_MINUTES = 60.0
DRIVERS = {
    "A, second take": TALKER_A_AGAIN,
    "C": "talkerC_woman_expressions_33s.mp4",
    "F": "talkerF_man_glasses_8s.mp4",
    "G": "talkerG_man_dim_outdoor_7s.mp4",
    "H": "talkerH_woman_720p_9s.mp4",
}
WANTED_IDENTITY = {"A, second take": 0.30, "C": 0.38, "F": 0.33, "G": 0.33, "H": 0.33}
SUBJECT = "the man of the test footage; for measuring only, never shown"
SECOND_TAKE_95 = 0.31
"""95 % of the man's second take is nearer than this to the mean of his first."""


class LikenessFigures(TypedDict):
    """`guise bench likeness`. training: of the manifest, or of the run; driven: by driver and way of driving."""

    look: str
    training: dict[str, JsonValue]
    target: TargetFigures
    driven: dict[str, dict[str, LookFigures]]


def run(options: BenchOptions) -> LikenessFigures:
    """Every driver there is, with and without retargeting."""
    required_video(options, TALKER_A_AGAIN)
    work = options.work or _cache_folder() / "likeness"
    work.mkdir(parents=True, exist_ok=True)
    training: dict[str, JsonValue] | None = None
    path = options.look
    if path is None:
        path, training = _train_look(options, work)
    try:
        with one_opencv_thread():
            metrics = _measure_drivers(options, path, work, training)
    except (BadModel, BadFootage) as error:
        raise NotMeasured(str(error)) from error
    (work / "figures.json").write_text(json.dumps(metrics, indent=1), "utf-8")
    _print(metrics, work)
    return metrics


def _measure_drivers(
    options: BenchOptions, path: Path, work: Path, training: dict[str, JsonValue] | None
) -> LikenessFigures:
    """The metrics of the look at `path`. Raises BadModel, BadFootage."""
    with_retargeting, without_retargeting = open_look(path), open_look(path, retarget=False)
    analyzer = FaceAnalyzer()
    first_take = track_clip("A, first take", required_video(options, TALKER_A))
    person = describe_target([first_take], with_retargeting, analyzer)
    metrics: LikenessFigures = {
        "look": with_retargeting.manifest.name,
        "training": training or with_retargeting.manifest.training.model_dump(mode="json"),
        "target": person.figures(),
        "driven": {},
    }
    for name, file in DRIVERS.items():
        if not _is_available(options, file):
            continue
        print(f"driven by {name} ...", file=sys.stderr)
        clip = track_clip(name, required_video(options, file))
        drives = _drives(clip, with_retargeting, without_retargeting, is_target=name.startswith("A"))
        measured = measure_drives(clip, drives, person, analyzer, work)
        metrics["driven"][name] = {mode: one.metrics() for mode, one in measured.items()}
    return metrics


# ------------------------------------------------------------------------------------------------- the look


def _train_look(options: BenchOptions, work: Path) -> tuple[Path, dict[str, JsonValue]]:
    """A look produced by the verbs; results of an earlier run are kept."""
    minutes = options.minutes or TRAINING_MINUTES
    look, data, trained = work / "talkerA.onnx", work / "talkerA", work / "run"
    if not look.is_file():
        if not (data / "dataset.json").is_file():
            run_verb("prepare", "face", str(required_video(options, TALKER_A)), "--out", str(data), on_stdout=True)
        if not (work / "trained").is_file():
            resume = ["--resume"] if trained.is_dir() and any(trained.iterdir()) else []
            run_verb(
                "train",
                "pix2pix",
                str(data),
                "--out",
                str(trained),
                "--minutes",
                f"{minutes:g}",
                *resume,
                on_stdout=True,
            )
            (work / "trained").touch()
        run_verb(
            "export", str(trained), "--out", str(look), "--subject", SUBJECT, "--precision", "fp16", on_stdout=True
        )
    return look, {"minutes": minutes, "folder": str(work)}


# ------------------------------------------------------------------------------------------------- driving


def _drives(
    clip: Clip, with_retargeting: ModelLook, without_retargeting: ModelLook, *, is_target: bool
) -> dict[str, Drive]:
    """The ways a look can be driven.

    retargeted: the neutral is known, as from a profile. running: it is estimated while performing, as without one.
    centre square: no retargeting, face2face-demo's geometry. own square: no retargeting, the square that `guise
    prepare` would cut; only for the target's own footage.
    """
    side, target = with_retargeting.side, target_neutral(with_retargeting)
    running = RunningNeutral()
    neutrals = [None if p is None else running.update(p, t) for p, t in zip(clip.points, clip.times, strict=True)]

    def estimated(frame: Frame, points: Points) -> DrivenFrame:
        neutral = neutrals[frame.index]
        performer_neutral = clip.neutral if neutral is None else neutral
        _, points_wanted = with_retargeting.lines(frame.picture, points, performer_neutral)
        generated = with_retargeting.perform(frame.picture, points, performer_neutral).copy()
        real = aligned_crop(frame.picture, performer_neutral, target, side)
        return DrivenFrame(generated, points_wanted, real, aligned_points(points, performer_neutral, target), is_target)

    def cut_to_square(frame: Frame, points: Points, square: NDArray[np.float64]) -> DrivenFrame:
        real = cut_picture(frame.picture, square, side)
        points_wanted = to_square(points, square, side)
        # In a frame of the look's own size, the centre square is the frame.
        return DrivenFrame(
            without_retargeting.perform(real, points_wanted, None).copy(), points_wanted, real, points_wanted, is_target
        )

    width, height = clip.size
    centre = np.array(centre_square((height, width)), np.float64)
    modes: dict[str, Drive] = {
        "retargeted": retargeted_drive(clip, with_retargeting, is_target=is_target),
        "running": estimated,
        "centre square": lambda frame, points: cut_to_square(frame, points, centre),
    }
    if is_target:
        with_face = np.array([p for p in clip.points if p is not None])
        face_square = cut_square(with_face, (height, width))
        modes["own square"] = lambda frame, points: cut_to_square(frame, points, face_square)
    return modes


def _is_available(options: BenchOptions, file: str) -> bool:
    folder = footage_folder(options)
    return folder is not None and (folder / file).is_file()


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "guise"


def _print(metrics: LikenessFigures, work: Path) -> None:
    rows = [
        row
        for name, modes in metrics["driven"].items()
        for mode, measured in modes.items()
        for row in _rows(name, mode, measured)
    ]
    minutes = metrics["training"].get("minutes", 0)
    assert isinstance(minutes, int | float)
    own = metrics["target"]["own_identity_median"]
    note = (
        f"medians over up to {SAMPLES} frames a clip; trained {minutes:g} minutes; "
        f"the first take lies {own:.2f} from its own mean, 95 % of the second within {SECOND_TAKE_95}; see {work}"
    )
    print_table(f"likeness: {metrics['look']}", rows, note)


def _rows(name: str, mode: str, measured: LookFigures) -> list[Row]:
    """The rows of one driver, driving the look in one way."""
    wanted = WANTED_IDENTITY.get(name) if mode == "retargeted" else None
    held = None if wanted is None else at_most(measured["identity"], wanted)
    limit = "" if wanted is None else f"identity <= {wanted}"
    values = [figure_text(measured["identity"]), figure_text(measured["expression"])]
    values += [figure_text(measured["flicker"], 2), figure_text(measured["sharpness"], 2)]
    title = f"driven by {name}, {mode}: identity, expression, flicker, sharpness"
    rows = [Row(title, "  ".join(values), limit, held)]
    if measured["ssim"] is not None:
        change = f"{figure_text(measured['change_generated'], 2)} / {figure_text(measured['change_real'], 2)}"
        text = f"{figure_text(measured['ssim'])}  {figure_text(measured['l1'])}  {change}"
        rows.append(Row("  SSIM, L1; change a frame generated / real", text))
    gains = "  ".join(
        f"{key.replace('_', ' ')} {figure_text(part['correlation'], 2)} x{figure_text(part['gain'], 2)}"
        for key, part in measured["openings"].items()
    )
    return [*rows, Row("  openings, correlation x gain", gains)]
