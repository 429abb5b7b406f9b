"""`guise evaluate face`: the metrics of a look on footage: whose face it shows, and how well it follows.

Writes figures.json, and for each clip a movie and a contact sheet of performer and look side by side. Runs in the
calling thread.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from calibration.evaluate.driven_look import (
    BadFootage,
    Clip,
    LookMetrics,
    TargetPerson,
    describe_target,
    evenly_chosen,
    measure_drives,
    one_opencv_thread,
    open_look,
    retargeted_drive,
    track_clip,
)
from calibration.evaluate.figures import FaceClipFigures, FaceFigures, Openings, TargetedFaceFigures, median_of_known
from export.metrics.face import OPENINGS, FaceAnalyzer, identity_distance, mean_descriptor
from live.picture.look import ModelLook
from models.command_line import one_line
from models.features.types import Progress

SAME_PERSON = 0.45
"""Footage nearer than this to the target shows the target: two takes of one man are 0.2 apart, different people 0.6 and
more."""
IDENTITY_FRAMES = 12
"""Frames of a clip from which it is decided whose footage it is."""


def evaluate_look(
    look: Path, footage: Sequence[Path], targets: Sequence[Path], out: Path, progress: Progress
) -> FaceFigures:
    """The metrics, also written to OUT/figures.json: medians over all frames measured, and `clips` one by one.

    targets: footage of the person whom the look is to show; without it identity, sharpness, ssim and l1 are None.
    Raises BadModel, BadSource, BadFootage, LandmarkFileMissing, OSError.
    """
    _refuse_equal_names(footage)
    _refuse_overwriting(out, footage, targets)
    look_model = open_look(look)
    analyzer = FaceAnalyzer()
    out.mkdir(parents=True, exist_ok=True)
    steps = len(targets) + len(footage)
    with one_opencv_thread():
        target_clips = []
        for done, path in enumerate(targets):
            progress(f"the target in {one_line(path.name)}", done, steps)
            target_clips.append(track_clip(path.stem, path))
        person = describe_target(target_clips, look_model, analyzer) if target_clips else None
        all_clips = LookMetrics(person, analyzer)
        clips: dict[str, FaceClipFigures] = {}
        for done, path in enumerate(footage, len(targets)):
            progress(f"driven by {one_line(path.name)}", done, steps)
            own, measured = _measure_clip(path, look_model, person, analyzer, out)
            clips[one_line(path.name)] = {"own": own, **measured.metrics()}
            all_clips.merge(measured)
    metrics: FaceFigures = {**all_clips.metrics(), "look": look_model.manifest.name, "clips": clips}
    metrics["openings"] = _median_over_clips([clip["openings"] for clip in clips.values()])
    metrics["openings_real"] = _median_over_clips([clip["openings_real"] for clip in clips.values()])
    if person is not None:
        metrics = TargetedFaceFigures({**metrics, "target": person.figures()})
    (out / "figures.json").write_text(json.dumps(metrics, indent=1) + "\n", "utf-8")
    return metrics


def _measure_clip(
    path: Path, look: ModelLook, person: TargetPerson | None, analyzer: FaceAnalyzer, out: Path
) -> tuple[bool, LookMetrics]:
    """Whether the footage is the target's own, and what was measured on it."""
    clip = track_clip(path.stem, path)
    own = person is not None and _shows_target(clip, person, analyzer)
    drives = {"look": retargeted_drive(clip, look, is_target=own)}
    return own, measure_drives(clip, drives, person, analyzer, out)["look"]


def _median_over_clips(openings: Sequence[Openings]) -> Openings:
    """The median over the clips. Not one fit over the frames of all clips: every performer's eyes have another size at
    rest, while the target's do not change."""
    return {
        part: {metric: median_of_known(clip[part][metric] for clip in openings) for metric in ("correlation", "gain")}
        for part in OPENINGS
    }


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
    measurable = sorted(evenly_chosen(clip.measurable))
    chosen = set(measurable[:: max(1, len(measurable) // IDENTITY_FRAMES)])
    found = [analyzer.describe(frame.picture) for index, frame, _ in clip.frames() if index in chosen]
    described = [descriptor for descriptor in found if descriptor is not None]
    return bool(described) and identity_distance(mean_descriptor(described), person.descriptor) < SAME_PERSON
