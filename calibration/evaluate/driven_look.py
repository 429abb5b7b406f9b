"""A look driven by footage and measured: for `guise evaluate face` and the benchmark of likeness.

Drives the look through the code of the stage: tracker, neutral, retargeting, lines, session. Pictures and movies show
real people: they are written where the caller says, and belong in no repository. Runs in the calling thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from calibration.evaluate.figures import LookFigures, TargetFigures, median_of_known
from export.metrics.face import (
    Descriptor,
    FaceAnalyzer,
    aligned_crop,
    aligned_points,
    expression_error,
    flicker,
    identity_distance,
    l1,
    mean_descriptor,
    openings_fit,
    picture_change,
    points_change,
    sharpness,
    ssim,
)
from export.runtime.session import open_session
from live.movie.writer import MovieWriter
from live.picture.look import ModelLook
from live.picture.mask import FaceShown
from live.picture.sources.movie_frames import FileFrames
from live.picture.tracker import Tracker
from live.process.frames import Frame
from models.features.face_points import FacePoints
from models.features.geometry import centre_square
from models.features.media.picture_files import write_picture_file
from models.features.retarget import neutral_of
from models.features.types import Picture, Points

SAMPLES = 120
"""Frames of a clip that are measured, evenly distributed."""
MOVIE_S = 10.0
SHEET_COLUMNS = 8
MIN_FACES = 10
_SIDE = 256
"""Of a picture in a movie or a sheet."""


class BadFootage(Exception):
    """The look cannot be measured on this footage; the message is one line."""


class Clip(NamedTuple):
    """A driving movie, tracked: points (68, 2) in pixels of the frame, None where there was no face."""

    name: str
    path: Path
    points: list[Points | None]
    times: list[float]
    neutral: Points
    size: tuple[int, int]
    fps: float

    @property
    def measurable(self) -> list[int]:
        """Frames that can be measured: they and the next one have a face."""
        return [i for i in range(len(self.points) - 1) if self.points[i] is not None and self.points[i + 1] is not None]

    def frames(self) -> Iterator[tuple[int, Frame, Points]]:
        """Those with a face."""
        for frame, points in zip(FileFrames(self.path), self.points, strict=False):
            if points is not None:
                yield frame.index, frame, points


class DrivenFrame(NamedTuple):
    """One generated picture, the points it was generated for, and the performer at the same place and size."""

    picture: Picture
    wanted: Points
    real: Picture
    performer_points: Points
    """The performer's own points, in the pixels of `real`."""
    is_target: bool
    """The performer is the target: `real` is what should have been painted."""


Drive = Callable[[Frame, Points], DrivenFrame]
"""A frame and its points -> what the look paints."""


@dataclass(frozen=True)
class TargetPerson:
    """The person whom a look is to show: the mean of their descriptors, and the sharpness of their pictures at the
    look's scale."""

    descriptor: Descriptor
    sharpness: float
    own_identity: tuple[float, float]
    """Median and 95th percentile of the distances of their footage to its own mean."""

    def figures(self) -> TargetFigures:
        median, p95 = self.own_identity
        return {"own_identity_median": median, "own_identity_p95": p95}


@contextmanager
def one_opencv_thread() -> Iterator[None]:
    """OpenCV on one thread, as in the picture engine."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


def open_look(path: Path, retarget: bool = True) -> ModelLook:
    """Raises BadModel; BadFootage for a look that reads no landmark lines."""
    session = open_session(path, "auto", kind="look")
    session.warm()
    if session.manifest.target is None:
        raise BadFootage(f"{path} does not read landmark lines, so nothing can be asked of it here")
    return ModelLook(str(path), session, retarget)


def target_neutral(look: ModelLook) -> Points:
    """The target's face at rest, in the look's pixels."""
    assert look.manifest.target is not None
    return np.array(look.manifest.target.neutral, np.float32)


def track_clip(name: str, path: Path) -> Clip:
    """The whole movie through the stage's tracker, every frame. Raises BadSource, BadFootage."""
    tracker = Tracker(FacePoints())
    points: list[Points | None] = []
    times: list[float] = []
    movie = FileFrames(path)
    for frame in movie:
        tracked = tracker.update(frame)
        times.append(frame.captured_at)
        points.append(None if tracked is None else tracked.points)
    with_face = [p for p in points if p is not None]
    if len(with_face) < MIN_FACES:
        raise BadFootage(f"{path} shows a face in {len(with_face)} frames only, and {MIN_FACES} are the least")
    return Clip(name, path, points, times, neutral_of(np.array(with_face)), movie.size, movie.fps)


def describe_target(clips: Iterable[Clip], look: ModelLook, analyzer: FaceAnalyzer) -> TargetPerson:
    """The person in these clips, as the look is to show them. Raises BadFootage."""
    neutral = target_neutral(look)
    descriptors, sharpness_values = [], []
    names = []
    for clip in clips:
        names.append(clip.path.name)
        chosen = evenly_chosen(clip.measurable)
        for index, frame, _ in clip.frames():
            if index not in chosen:
                continue
            described = analyzer.describe(frame.picture)
            if described is not None:
                descriptors.append(described)
            sharpness_values.append(sharpness(aligned_crop(frame.picture, clip.neutral, neutral, look.side)))
    try:
        person = mean_descriptor(descriptors)
    except ValueError as error:
        raise BadFootage(f"{', '.join(names)}: {error}") from error
    median, p95 = np.percentile([identity_distance(d, person) for d in descriptors], [50, 95])
    return TargetPerson(person, float(np.median(sharpness_values)), (float(median), float(p95)))


def retargeted_drive(clip: Clip, look: ModelLook, *, is_target: bool) -> Drive:
    """The drive in which the performer's neutral is known, as from a profile. is_target: the footage is the
    target's."""
    neutral = target_neutral(look)

    def drive(frame: Frame, points: Points) -> DrivenFrame:
        _, points_wanted = look.lines(frame.picture, points, clip.neutral)
        try:
            generated = look.perform(frame.picture, points, clip.neutral).copy()
        except FaceShown as error:
            raise BadFootage(f"{clip.path}, picture {frame.index}: {error}") from None
        if look.size is None:  # its picture lies in the frame
            generated = aligned_crop(generated, clip.neutral, neutral, look.side)
        real = aligned_crop(frame.picture, clip.neutral, neutral, look.side)
        return DrivenFrame(generated, points_wanted, real, aligned_points(points, clip.neutral, neutral), is_target)

    return drive


def measure_drives(
    clip: Clip, drives: Mapping[str, Drive], person: TargetPerson | None, analyzer: FaceAnalyzer, folder: Path
) -> dict[str, LookMetrics]:
    """Measures each way of driving; FOLDER/CLIP.mp4 and .jpg show the performer and all of them side by side."""
    measured = {name: LookMetrics(person, analyzer) for name in drives}
    chosen = evenly_chosen(clip.measurable)
    in_sheet = set(sorted(chosen)[:: max(1, len(chosen) // SHEET_COLUMNS)])
    columns: list[Picture] = []
    first_s: float | None = None
    with MovieWriter(folder / f"{clip.path.stem}.mp4", None, ((1 + len(drives)) * _SIDE, _SIDE)) as movie:
        for index, frame, points in clip.frames():
            first_s = frame.captured_at if first_s is None else first_s
            in_movie = frame.captured_at - first_s < MOVIE_S
            if not in_movie and index not in chosen and index - 1 not in chosen:
                continue
            pictures: list[Picture] = []
            for name, drive in drives.items():
                driven = drive(frame, points)
                pictures.append(driven.picture)
                if index in chosen:
                    measured[name].add_frame(driven)
                elif index - 1 in chosen:
                    measured[name].add_next_frame(driven)
            row = np.concatenate([_thumbnail(frame.picture), *(_thumbnail(p) for p in pictures)], 1)
            if in_movie:
                movie.write(row, frame.captured_at - first_s, wait=True)
            if index in in_sheet and len(columns) < SHEET_COLUMNS:
                columns.append(np.concatenate(np.split(row, 1 + len(drives), axis=1), 0))
    if columns:
        sheet = np.concatenate(columns, 1)
        write_picture_file(folder / f"{clip.path.stem}.jpg", sheet)
    return measured


class LookMetrics:
    """Collects what one way of driving gives."""

    def __init__(self, person: TargetPerson | None, analyzer: FaceAnalyzer) -> None:
        """person: who the look is to show; with None, identity and sharpness are not measured."""
        self._person, self._analyzer = person, analyzer
        self._identity: list[float] = []
        self._expression: list[float] = []
        self._found: list[Points] = []
        self._performer_points: list[Points] = []
        self._real_found: list[Points] = []
        self._real_performer_points: list[Points] = []
        self._ssim: list[float] = []
        self._l1: list[float] = []
        self._sharpness: list[float] = []
        self._change: list[float] = []
        self._real_change: list[float] = []
        self._moved: list[float] = []
        self._real_moved: list[float] = []
        self._frames = 0
        self._last: tuple[DrivenFrame, Points | None, Points | None] | None = None

    def add_frame(self, driven: DrivenFrame) -> None:
        """Adds a chosen frame."""
        self._frames += 1
        found, real_found = self._analyzer.find_and_describe(driven.picture), self._analyzer.find_points(driven.real)
        points = None if found is None else found[0]
        if self._last is not None:
            self._add_change(driven, points, real_found)
        self._last = driven, points, real_found
        if self._person is not None:
            self._sharpness.append(sharpness(driven.picture) / max(self._person.sharpness, 1e-9))
        if found is not None:
            if self._person is not None:
                self._identity.append(identity_distance(found[1], self._person.descriptor))
            self._expression.append(expression_error(found[0], driven.wanted))
            self._found.append(found[0])
            self._performer_points.append(driven.performer_points)
        if real_found is not None:
            self._real_found.append(real_found)
            self._real_performer_points.append(driven.performer_points)
        if driven.is_target:
            self._ssim.append(ssim(driven.picture, driven.real))
            self._l1.append(l1(driven.picture, driven.real))

    def add_next_frame(self, driven: DrivenFrame) -> None:
        """Adds the frame right after a chosen one: what changed in between."""
        if self._last is not None:
            self._add_change(
                driven, self._analyzer.find_points(driven.picture), self._analyzer.find_points(driven.real)
            )
        self._last = None

    def merge(self, other: LookMetrics) -> None:
        """Adds what the other has collected."""
        for name in self.__dict__:
            if isinstance(getattr(self, name), list):
                getattr(self, name).extend(getattr(other, name))
        self._frames += other._frames

    def _add_change(self, driven: DrivenFrame, found: Points | None, real_found: Points | None) -> None:
        assert self._last is not None
        before, before_found, before_real = self._last
        self._last = None
        self._change.append(picture_change(before.picture, driven.picture))
        self._real_change.append(picture_change(before.real, driven.real))
        if found is not None and before_found is not None and real_found is not None and before_real is not None:
            self._moved.append(points_change(before_found, found))
            self._real_moved.append(points_change(before_real, real_found))

    def metrics(self) -> LookFigures:
        """Medians over the chosen frames; None where nothing could be measured."""
        return {
            "frames": self._frames,
            "face_found": len(self._expression) / max(self._frames, 1),
            "identity": median_of_known(self._identity),
            "identity_p95": float(np.percentile(self._identity, 95)) if self._identity else None,
            "expression": median_of_known(self._expression),
            "openings": openings_fit(self._found, self._performer_points),
            "openings_real": openings_fit(self._real_found, self._real_performer_points),
            "ssim": median_of_known(self._ssim),
            "ssim_mean": _mean(self._ssim),
            "l1": median_of_known(self._l1),
            "l1_mean": _mean(self._l1),
            "sharpness": median_of_known(self._sharpness),
            "flicker": flicker(self._change, self._real_change),
            "flicker_points": flicker(self._moved, self._real_moved),
            "change_generated": _mean(self._change),
            "change_real": _mean(self._real_change),
        }


def evenly_chosen(indices: list[int]) -> set[int]:
    """At most SAMPLES of the indices, evenly distributed."""
    if len(indices) <= SAMPLES:
        return set(indices)
    return {indices[i] for i in np.linspace(0, len(indices) - 1, SAMPLES).round().astype(int)}


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _thumbnail(picture: Picture) -> Picture:
    left, top, side = centre_square(picture.shape)
    square = picture[top : top + side, left : left + side]
    return np.asarray(cv2.resize(square, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), np.uint8)
