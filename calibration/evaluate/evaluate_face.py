"""`guise evaluate face`: what a look is worth on footage: whose face it shows, and how well it follows.

Writes figures.json, and for each clip a movie and a contact sheet of performer and look side by side. Runs in the
caller's thread.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import cv2

from calibration.evaluate.driven_look import (
    BadFootage,
    Clip,
    LookMetrics,
    TargetPerson,
    describe_target,
    evenly_chosen,
    measure_drives,
    open_look,
    retargeted_drive,
    track_clip,
)
from export.metrics.face import OPENINGS, FaceAnalyzer, identity_distance, mean_descriptor
from models.features.types import Progress

SAME_PERSON = 0.45
"""Footage nearer than this to the target shows the target himself: two takes of one man lie 0.2 apart, strangers 0.6
and more."""
IDENTITY_FRAMES = 12
"""Frames of a clip that tell whose footage it is."""


def evaluate_look(
    look: Path, footage: Sequence[Path], targets: Sequence[Path], out: Path, progress: Progress
) -> dict[str, Any]:
    """The figures, also written to OUT/figures.json: medians over all frames measured, and `clips` one by one.

    targets: footage of whoever the look is to show; without it identity, sharpness, ssim and l1 are None. Raises
    BadModel, BadSource, BadFootage, LandmarkFileMissing, OSError.
    """
    _refuse_equal_names(footage)
    _refuse_overwriting(out, footage, targets)
    opened = open_look(look)
    analyzer = FaceAnalyzer()
    out.mkdir(parents=True, exist_ok=True)
    steps = len(targets) + len(footage)
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        taken = []
        for done, path in enumerate(targets):
            progress(f"the target in {path.name}", done, steps)
            taken.append(track_clip(path.stem, path))
        person = describe_target(taken, opened, analyzer) if taken else None
        everything = LookMetrics(person, analyzer)
        clips: dict[str, Any] = {}
        for done, path in enumerate(footage, len(targets)):
            progress(f"driven by {path.name}", done, steps)
            clip = track_clip(path.stem, path)
            own = person is not None and _shows_target(clip, person, analyzer)
            measured = measure_drives(clip, {"look": retargeted_drive(clip, opened, own=own)}, person, analyzer, out)[
                "look"
            ]
            clips[path.name] = {"own": own, **measured.metrics()}
            everything.add(measured)
    finally:
        cv2.setNumThreads(before)
    metrics = {**everything.metrics(), "look": opened.manifest.name, "clips": clips}
    for openings in ("openings", "openings_real"):
        metrics[openings] = _median_over_clips([clip[openings] for clip in clips.values()])
    if person is not None:
        metrics["target"] = {"own_identity_median": person.own_identity[0], "own_identity_p95": person.own_identity[1]}
    (out / "figures.json").write_text(json.dumps(metrics, indent=1) + "\n", "utf-8")
    return metrics


def _median_over_clips(
    openings: Sequence[Mapping[str, Mapping[str, float | None]]],
) -> dict[str, dict[str, float | None]]:
    """The median clip's. Not one line through all clips' frames: every performer's eyes are another size at rest, and
    the target's are not."""
    answer: dict[str, dict[str, float | None]] = {}
    for part in OPENINGS:
        answer[part] = {}
        for figure in ("correlation", "gain"):
            known = [value for clip in openings if (value := clip[part][figure]) is not None]
            answer[part][figure] = median(known) if known else None
    return answer


def _refuse_equal_names(footage: Sequence[Path]) -> None:
    names = [path.stem for path in footage]
    for path in footage:
        if names.count(path.stem) > 1:
            raise BadFootage(f"two clips are called {path.stem}, and what is written is named by them: rename one")


def _refuse_overwriting(out: Path, footage: Sequence[Path], targets: Sequence[Path]) -> None:
    kept = {path.resolve() for path in (*footage, *targets)}
    for path in footage:
        for written in (out / f"{path.stem}.mp4", out / f"{path.stem}.jpg"):
            if written.resolve() in kept:
                raise BadFootage(f"{written} would be written over: name another folder than your footage's")


def _shows_target(clip: Clip, person: TargetPerson, analyzer: FaceAnalyzer) -> bool:
    """Whether the clip is the target's own footage."""
    wanted = sorted(evenly_chosen(clip.seen))
    chosen = set(wanted[:: max(1, len(wanted) // IDENTITY_FRAMES)])
    found = [analyzer.describe(frame.picture) for index, frame, _ in clip.frames() if index in chosen]
    described = [descriptor for descriptor in found if descriptor is not None]
    return bool(described) and identity_distance(mean_descriptor(described), person.descriptor) < SAME_PERSON
