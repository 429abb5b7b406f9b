"""Detection of faces and their 68 points: dlib's detector and predictor, for training and the stage.

Runs in the calling thread; one `FacePoints` must not be shared by two threads at a time. The landmark file was trained
on iBUG 300-W, whose licence excludes commercial use: GUISE_LANDMARKS names another one.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import cv2
import dlib
import numpy as np
from numpy.typing import NDArray

from models.features.types import Picture, Points

POINTS = 68
LEFT_EYE = slice(36, 42)
RIGHT_EYE = slice(42, 48)
RIGID = np.array([27, 28, 29, 30, 36, 39, 42, 45])
"""Nose bridge and eye corners: they move with the skull and not with the expression."""

MIRROR = np.concatenate(
    [
        np.arange(16, -1, -1),  # jaw
        np.arange(26, 16, -1),  # brows
        np.array([27, 28, 29, 30, 35, 34, 33, 32, 31]),  # nose
        np.array([45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]),  # eyes
        np.array([54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55]),  # outer lips
        np.array([64, 63, 62, 61, 60, 67, 66, 65]),  # inner lips
    ]
)
"""The index of each point after mirroring."""

FINE_FACE_PX = 320
"""The predictor returns whole pixels. On a face scaled to this width its steps fall below 1/2 pixel of a webcam's face
(about 110 to 270 px wide), which keeps eyelids from jumping."""


class LandmarkFileMissing(Exception):
    """The 68-point file is missing; the message says what to do."""


class Box(NamedTuple):
    """A face's rectangle in pixels; right and bottom are inside it, as in dlib."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left + 1

    @property
    def height(self) -> int:
        return self.bottom - self.top + 1

    @property
    def centre(self) -> tuple[float, float]:
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2


class Face(NamedTuple):
    """A detection: the box and the detector's confidence (above 0; a webcam face scores 1 to 3)."""

    box: Box
    score: float


def landmark_file() -> Path:
    """The 68-point predictor's file: $GUISE_LANDMARKS, or the one of face_recognition_models.

    The package is found without being imported, because importing it needs pkg_resources.
    """
    return _model_file("shape_predictor_68_face_landmarks.dat", "GUISE_LANDMARKS")


def descriptor_file() -> Path:
    """dlib's 128-number face descriptor, for measuring likeness: $GUISE_DESCRIPTOR, or face_recognition_models'."""
    return _model_file("dlib_face_recognition_resnet_model_v1.dat", "GUISE_DESCRIPTOR")


def _model_file(name: str, variable: str) -> Path:
    named = os.environ.get(variable)
    if named:
        path = Path(named)
    else:
        spec = find_spec("face_recognition_models")
        if spec is None or spec.origin is None:
            raise LandmarkFileMissing(
                f"{name} was not found: install face_recognition_models, or name the file in {variable}"
            )
        path = Path(spec.origin).parent / "models" / name
    if not path.is_file():
        raise LandmarkFileMissing(f"{path} is not a file: {variable} must name dlib's {name}")
    return path


class FacePoints:
    """dlib's frontal face detector and 68-point predictor."""

    def __init__(self, landmarks: Path | None = None) -> None:
        path = landmarks or landmark_file()
        self._detector = dlib.get_frontal_face_detector()
        try:
            self._predictor = dlib.shape_predictor(str(path))
        except RuntimeError as error:
            raise LandmarkFileMissing(f"{path} is not a dlib shape predictor: {error}") from error

    def detect(self, picture: Picture, scale: float = 1.0, threshold: float = 0.0) -> list[Face]:
        """All frontal faces of an RGB or grey picture, by falling score.

        `scale` below 1 detects on a smaller copy (faster, faces under 80 px / scale are missed), above 1 on a larger
        one. A threshold below 0 finds more faces, with more false ones.
        """
        grey = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        if scale != 1.0:
            interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
            grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=interpolation)
        rectangles, scores, _ = self._detector.run(np.ascontiguousarray(grey), 0, threshold)
        faces = [Face(_scaled(r, 1 / scale), float(s)) for r, s in zip(rectangles, scores, strict=True)]
        return sorted(faces, key=lambda face: -face.score)

    def points(self, picture: Picture, box: Box) -> Points:
        """The 68 points, float32 (68, 2) of x, y in pixels: exactly those of a direct dlib call on `box`."""
        shape = self._predictor(picture, dlib.rectangle(*box))
        return np.array([(p.x, p.y) for p in shape.parts()], np.float32)

    def steady_points(self, picture: Picture, box: Box) -> Points:
        """The mean of the fine points of seven boxes around `box`: for footage, where there is time.

        The predictor's output jitters with its box; the mean jitters half as much, and lids and lips move no less.
        """
        jitters = [(0, 0, 1), (0.04, 0, 1), (-0.04, 0, 1), (0, 0.04, 1), (0, -0.04, 1), (0, 0, 1.06), (0, 0, 0.94)]
        estimates = [self.fine_points(picture, _jittered(box, *jitter)) for jitter in jitters]
        return np.asarray(np.mean(estimates, axis=0), np.float32)

    def fine_points(self, picture: Picture, box: Box) -> Points:
        """The points of `points`, with the fraction of a pixel that dlib rounds away.

        They are predicted again on the enlarged face and kept within half a pixel of dlib's own, so that rounding them
        gives the direct call's.
        """
        coarse = self.points(picture, box)
        zoom = FINE_FACE_PX / box.width
        if zoom <= 1:
            return coarse
        margin = box.width // 4
        left, top = max(box.left - margin, 0), max(box.top - margin, 0)
        part = picture[top : box.bottom + margin + 1, left : box.right + margin + 1]
        if part.size == 0:
            return coarse
        large = np.asarray(cv2.resize(part, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_LINEAR), np.uint8)
        # Pixel centres: pixel i of the part is at (i + 0.5) * zoom - 0.5 of the enlargement.
        inner = Box(
            round((box.left - left) * zoom),
            round((box.top - top) * zoom),
            round((box.right + 1 - left) * zoom) - 1,
            round((box.bottom + 1 - top) * zoom) - 1,
        )
        fine = (self.points(large, inner) + 0.5) / zoom - 0.5 + np.array([left, top], np.float32)
        return np.asarray(np.clip(fine, coarse - 0.49, coarse + 0.49), np.float32)


def _jittered(box: Box, right: float, down: float, scale: float) -> Box:
    """`box` moved by shares of its width, and scaled about its centre."""
    x, y = box.centre[0] + right * box.width, box.centre[1] + down * box.width
    half = scale * box.width / 2
    return Box(round(x - half), round(y - half), round(x + half) - 1, round(y + half) - 1)


def _scaled(rectangle: dlib.rectangle, factor: float) -> Box:
    if factor == 1.0:
        return Box(rectangle.left(), rectangle.top(), rectangle.right(), rectangle.bottom())
    return Box(
        round(rectangle.left() * factor),
        round(rectangle.top() * factor),
        round((rectangle.right() + 1) * factor) - 1,
        round((rectangle.bottom() + 1) * factor) - 1,
    )


def eye_distance(points: Points) -> float:
    """Distance of the eyes' centres, in the points' own unit: the unit of all face measures."""
    return float(np.linalg.norm(points[LEFT_EYE].mean(0) - points[RIGHT_EYE].mean(0)))


def openings(points: Points) -> NDArray[np.float32]:
    """How far mouth, left eye and right eye are open: inner lip or lid distance over the distance of the eyes."""
    lips = np.linalg.norm(points[[61, 62, 63]] - points[[67, 66, 65]], axis=1).mean()
    left = np.linalg.norm(points[[37, 38]] - points[[41, 40]], axis=1).mean()
    right = np.linalg.norm(points[[43, 44]] - points[[47, 46]], axis=1).mean()
    return np.array([lips, left, right], np.float32) / np.float32(max(eye_distance(points), 1e-6))
