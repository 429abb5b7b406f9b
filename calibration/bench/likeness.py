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
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.bench.benchmark import BenchOptions, NotMeasured
from calibration.bench.footage import TALKER_A, TALKER_A_AGAIN, footage_folder, required_video
from calibration.bench.stage_run import GUISE_SCRIPT
from calibration.bench.table import Row, at_most, print_table
from calibration.evaluate.driven_look import (
    SAMPLES,
    BadFootage,
    Clip,
    Drive,
    DrivenFrame,
    describe_target,
    measure_drives,
    open_look,
    retargeted_drive,
    target_neutral,
    track_clip,
)
from export.artifact.bad_model import BadModel
from export.metrics.face import FaceAnalyzer, aligned_crop, aligned_points
from live.picture.look import ModelLook
from live.process.frames import Frame
from models.features.face_lines import to_square
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
"""95 % of the man's own second take lies nearer to the mean of his first than this."""


def run(options: BenchOptions) -> dict[str, Any]:
    """Every driver there is, with and without retargeting."""
    clip_files = {name: file for name, file in DRIVERS.items() if _is_available(options, file)}
    required_video(options, TALKER_A_AGAIN)
    work = options.work or _cache_folder() / "likeness"
    work.mkdir(parents=True, exist_ok=True)
    training: dict[str, Any] | None = None
    path = options.look
    if path is None:
        path, training = _train_look(options, work)
    old_threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with_it, without = open_look(path), open_look(path, retarget=False)
        analyzer = FaceAnalyzer()
        person = describe_target([track_clip("A, first take", required_video(options, TALKER_A))], with_it, analyzer)
        metrics: dict[str, Any] = {
            "look": with_it.manifest.name,
            "training": training or with_it.manifest.training.model_dump(mode="json"),
            "target": {"own_identity_median": person.own_identity[0], "own_identity_p95": person.own_identity[1]},
            "driven": {},
        }
        for name, file in clip_files.items():
            print(f"driven by {name} ...", file=sys.stderr)
            clip = track_clip(name, required_video(options, file))
            modes = _drives(clip, with_it, without, own=name.startswith("A"))
            measured = measure_drives(clip, modes, person, analyzer, work)
            metrics["driven"][name] = {mode: one.metrics() for mode, one in measured.items()}
    except (BadModel, BadFootage) as error:
        raise NotMeasured(str(error)) from error
    finally:
        cv2.setNumThreads(old_threads)
    (work / "figures.json").write_text(json.dumps(metrics, indent=1), "utf-8")
    _print(metrics, work)
    return metrics


# ------------------------------------------------------------------------------------------------- the look


def _train_look(options: BenchOptions, work: Path) -> tuple[Path, dict[str, Any]]:
    """A look made by the verbs; what is there already from an earlier run is kept."""
    minutes = options.minutes or TRAINING_MINUTES
    look, data, trained = work / "talkerA.onnx", work / "talkerA", work / "run"
    if not look.is_file():
        if not (data / "dataset.json").is_file():
            _verb("prepare", "face", str(required_video(options, TALKER_A)), "--out", str(data))
        if not (work / "trained").is_file():
            resume = ["--resume"] if trained.is_dir() and any(trained.iterdir()) else []
            _verb("train", "pix2pix", str(data), "--out", str(trained), "--minutes", f"{minutes:g}", *resume)
            (work / "trained").touch()
        _verb("export", str(trained), "--out", str(look), "--subject", SUBJECT, "--precision", "fp16")
    return look, {"minutes": minutes, "folder": str(work)}


def _verb(*arguments: str) -> None:
    print(f"guise {' '.join(arguments[:2])} ...", file=sys.stderr)
    ended = subprocess.run([sys.executable, str(GUISE_SCRIPT), *arguments], stdin=subprocess.DEVNULL, check=False)
    if ended.returncode != 0:
        raise NotMeasured(f"`guise {arguments[0]}` ended with code {ended.returncode}; what it made so far is kept")


# ------------------------------------------------------------------------------------------------- driving


def _drives(clip: Clip, with_it: ModelLook, without: ModelLook, *, own: bool) -> dict[str, Drive]:
    """The ways a look can be driven.

    retargeted: the neutral is known, as from a profile. running: it is estimated while performing, as without one.
    centre square: no retargeting, face2face-demo's geometry. own square: no retargeting, the square that
    `guise prepare` would cut; only for the target's own footage.
    """
    side, wanted = with_it.side, target_neutral(with_it)
    running = RunningNeutral()
    neutrals = [None if p is None else running.update(p, t) for p, t in zip(clip.points, clip.times, strict=True)]

    def estimated(frame: Frame, points: Points) -> DrivenFrame:
        neutral = neutrals[frame.index]
        mine = clip.neutral if neutral is None else neutral
        _, asked = with_it.lines(frame.picture, points, mine)
        made = with_it.perform(frame.picture, points, mine).copy()
        real = aligned_crop(frame.picture, mine, wanted, side)
        return DrivenFrame(made, asked, real, aligned_points(points, mine, wanted), own)

    def squared(frame: Frame, points: Points, square: NDArray[np.float64]) -> DrivenFrame:
        real = cut_picture(frame.picture, square, side)
        asked = to_square(points, square, side)
        # In a frame that is the look's own size, the centre square is the frame.
        return DrivenFrame(without.perform(real, asked, None).copy(), asked, real, asked, own)

    width, height = clip.size
    short = min(width, height)
    centre = np.array([(width - short) // 2, (height - short) // 2, short], np.float64)
    modes: dict[str, Drive] = {
        "retargeted": retargeted_drive(clip, with_it, is_target=own),
        "running": estimated,
        "centre square": lambda frame, points: squared(frame, points, centre),
    }
    if own:
        known = np.array([p for p in clip.points if p is not None])
        face_square = cut_square(known, (height, width))
        modes["own square"] = lambda frame, points: squared(frame, points, face_square)
    return modes


def _is_available(options: BenchOptions, file: str) -> bool:
    folder = footage_folder(options)
    return folder is not None and (folder / file).is_file()


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "guise"


def _print(metrics: dict[str, Any], work: Path) -> None:
    def number(value: float | None, digits: int = 3) -> str:
        return "-" if value is None else f"{value:.{digits}f}"

    rows = []
    for name, modes in metrics["driven"].items():
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
    t = metrics["training"]
    own = metrics["target"]["own_identity_median"]
    note = (
        f"medians over up to {SAMPLES} frames a clip; trained {t.get('minutes', 0):g} minutes; his first take lies "
        f"{own:.2f} from its own mean, 95 % of his second within {SECOND_TAKE_95}; see {work}"
    )
    print_table(f"likeness: {metrics['look']}", rows, note)
