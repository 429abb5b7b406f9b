"""Tracks the performer's face from frame to frame: dlib, called as rarely as possible, smoothed, locked on one face.

Runs in the thread that tracks (see tracking). A search of the whole picture (20 ms and more) happens only when there is
no face to follow. While there is one, its box moves with its points, and every few frames the detector confirms it in a
small region around it. A face that does not move keeps exactly the box the detector gave, so a still picture gives the
points of a direct dlib call on that box.

Of several faces the locked one stays: no face elsewhere is taken before `GRACE_S` have passed without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from live.picture.one_euro import OneEuroFilter
from live.process.frames import Frame, Landmarks
from models.features.face_points import LEFT_EYE, RIGHT_EYE, Box, Face, FacePoints, eye_distance
from models.features.types import Picture, Points

REGION_FACE_PX = 90
"""The width a face is scaled to before the detector confirms it: 80 is the least it detects."""
REGION_MARGIN = 0.38
"""Margin around the face, in widths of the face."""
SEARCH_AREA_PX = 640 * 480
"""Pictures are scaled to this area before a whole search; small ones are enlarged at most twice."""
FINE_SEARCH_INTERVAL = 10
"""After this many failed searches a large picture is searched at full size, for a face far from the camera."""
FINE_SEARCH_AREA_PX = 1280 * 720

ACQUIRE_SCORE = 0.45
"""A new face with at least this score is taken at once; one with a lower score must be found in the next search too."""
KEEP_SCORE = -0.35
"""The lowest score for the face being followed. No face is acquired below 0."""
CONFIRM_INTERVAL_S = 0.08
"""How often the detector confirms a face that is followed; at once when the whole picture changes."""
SCENE_CHANGE = 12.0
"""A mean change of the picture (of 255, from one frame to the next) above this is a cut to another scene."""
COAST_S = 0.2
"""How long points are accepted without the detector's confirmation."""
GRACE_S = 1.5
"""How long a lost performer's place is kept before another face may take it."""
NEW_PERFORMER_AFTER_S = 6.0
"""A face that appears where the performer was after more than this time may be another person's."""
BOX_DEADBAND = 0.02
"""In widths of the box: while the face is closer than this to its box, the box does not move."""
REFIT_SHARE = 0.08
"""In widths of the box: if the points show that the box was off by more, they are predicted again."""
REANCHOR_SHARE = 0.16
"""In widths of the box: if the detector's box and the moved box differ by more, the box is eased to the detector's."""
REANCHOR_RATE = 0.25


@dataclass(slots=True)
class _Anchor:
    """A detector's box and the points' centre and size when it was found; the box is moved with the points from
    there."""

    box: tuple[float, float, float]  # centre x, centre y, width
    centre: np.ndarray
    rms_radius: float


def shape_is_sane(points: Points, box: Box) -> bool:
    """Whether 68 points in `box` can be a face seen roughly from the front.

    The predictor returns a shape for any input; for one that is no face it is lopsided, tiny or beside its box.
    """
    eyes = eye_distance(points) / box.width
    if not 0.2 < eyes < 0.75:
        return False
    distance = np.abs(points.mean(0) - box.centre) / box.width
    if distance.max() > 0.3:
        return False
    right, left = points[LEFT_EYE].mean(0), points[RIGHT_EYE].mean(0)
    across = (left - right) / np.linalg.norm(left - right)
    down = np.array([-across[1], across[0]])
    middle = (left + right) / 2
    # Turned by more than 60 degrees, upside down, or the mouth above the nose: not one of dlib's frontal faces.
    nose, mouth, chin = ((points[i] - middle) @ down for i in (33, 51, 8))
    return bool(across[0] > 0.5 and 0 < nose < mouth < chin)


class Tracker:
    """Tracks one face. One thread at a time."""

    def __init__(self, face_points: FacePoints, point_filter: OneEuroFilter | None = None) -> None:
        self._dlib = face_points
        self._filter = point_filter if point_filter is not None else OneEuroFilter()
        self._anchor: _Anchor | None = None
        self._box: Box | None = None
        self._last_box: Box | None = None
        self._score = 0.0
        self._confirmed_at = self._confirm_tried_at = float("-inf")
        self._coarse: np.ndarray | None = None
        self._last_seen_at = float("-inf")
        self._failed_searches = 0
        self._candidate: Face | None = None
        self._lock_target: tuple[float, float] | None = None
        self.lost_frames = 0
        self.performer = 0
        """Changes when another face took the lock, or a face returned after so long that it may be another person's."""

    def lock(self, x: float, y: float) -> None:
        """Moves the performer lock to the face nearest to (x, y), fractions 0..1 of the picture, in the next frame."""
        self._lock_target = (x, y)

    def forget(self) -> None:
        """Releases the lock: the next face may be anyone's."""
        self._drop()
        self._last_box = None
        self._candidate = None

    def update(self, frame: Frame) -> Landmarks | None:
        """The locked performer's face in `frame`, or None; a frame without it is counted in `lost_frames`."""
        landmarks = self._follow(frame) if self._box is not None and self._lock_target is None else None
        if landmarks is None:
            landmarks = self._search(frame)
        if landmarks is None:
            self.lost_frames += 1
        return landmarks

    # ---- following

    def _follow(self, frame: Frame) -> Landmarks | None:
        box = self._box
        assert box is not None
        picture, t_s = frame.picture, frame.captured_at
        points = self._dlib.fine_points(picture, box)
        moved = self._moved_box(points)
        shift = max(abs(moved.centre[0] - box.centre[0]), abs(moved.centre[1] - box.centre[1])) / box.width
        if shift > REFIT_SHARE:
            box = moved
            points = self._dlib.fine_points(picture, box)
            moved = self._moved_box(points)
        check_now = self._picture_change(picture) > SCENE_CHANGE or t_s - self._confirm_tried_at >= CONFIRM_INTERVAL_S
        face = self._confirm(picture, box) if check_now else None
        if check_now:
            self._confirm_tried_at = t_s
        sane = shape_is_sane(points, box)
        if face is not None and sane:
            self._confirmed_at, self._score = t_s, face.score
            moved = self._reanchored(moved, face.box, points)
        elif not check_now and sane:
            pass  # between two confirmations the points suffice
        elif t_s - self._confirmed_at > COAST_S or not sane:
            self._drop()
            return None
        else:
            self._score = 0.0
        self._box = self._last_box = moved
        self._last_seen_at = t_s
        return self._landmarks(points, box, t_s)

    def _picture_change(self, picture: Picture) -> float:
        """Mean change of a coarse sampling of the picture since the last call."""
        height, width = picture.shape[:2]
        coarse = picture[:: max(height // 24, 1), :: max(width // 32, 1)].astype(np.int16)
        before, self._coarse = self._coarse, coarse
        if before is None or before.shape != coarse.shape:
            return 255.0
        return float(np.abs(coarse - before).mean())

    def _moved_box(self, points: Points) -> Box:
        """The anchor's box, moved and scaled as the points have moved and scaled since."""
        anchor = self._anchor
        assert anchor is not None
        centre, rms_radius = _centre_and_radius(points)
        scale = rms_radius / anchor.rms_radius
        x, y, width = anchor.box
        cx, cy = (float(v) for v in centre + (np.array([x, y]) - anchor.centre) * scale)
        width *= scale
        kept = self._box
        if kept is not None:
            distance = max(abs(cx - kept.centre[0]), abs(cy - kept.centre[1]), abs(width - kept.width))
            if distance < BOX_DEADBAND * kept.width:
                return kept
        return _box(cx, cy, width)

    def _confirm(self, picture: Picture, box: Box) -> Face | None:
        """The detector's face in a small region around `box`, or None."""
        margin = REGION_MARGIN * box.width
        height, width = picture.shape[:2]
        left, top = max(int(box.left - margin), 0), max(int(box.top - margin), 0)
        right, bottom = min(int(box.right + margin) + 1, width), min(int(box.bottom + margin) + 1, height)
        if right - left < box.width / 2 or bottom - top < box.height / 2:
            return None
        region = picture[top:bottom, left:right]
        faces = self._dlib.detect(region, REGION_FACE_PX / box.width, KEEP_SCORE)
        found = [Face(_shifted(face.box, left, top), face.score) for face in faces]
        found = [face for face in found if _overlap(face.box, box) > 0.35]
        return max(found, key=lambda face: _overlap(face.box, box), default=None)

    def _reanchored(self, box: Box, detected: Box, points: Points) -> Box:
        """`box`, or a box eased towards the detected one when the two disagree."""
        deviation = max(
            abs(detected.centre[0] - box.centre[0]) / box.width,
            abs(detected.centre[1] - box.centre[1]) / box.width,
            abs(detected.width / box.width - 1) / 1.5,
        )
        if deviation < REANCHOR_SHARE:
            return box
        x, y = (b + (s - b) * REANCHOR_RATE for b, s in zip(box.centre, detected.centre, strict=True))
        eased = _box(x, y, box.width + (detected.width - box.width) * REANCHOR_RATE)
        self._set_anchor(eased, points)
        return eased

    # ---- searching

    def _search(self, frame: Frame) -> Landmarks | None:
        picture, t_s = frame.picture, frame.captured_at
        area = picture.shape[0] * picture.shape[1]
        scale = min(sqrt(SEARCH_AREA_PX / area), 2.0)
        if self._failed_searches % FINE_SEARCH_INTERVAL == FINE_SEARCH_INTERVAL - 1 and scale < 1:
            scale = min(sqrt(FINE_SEARCH_AREA_PX / area), 1.0)
        face = self._choose(self._dlib.detect(picture, scale), picture, t_s)
        self._failed_searches += 1
        if face is None:
            return None
        points = self._dlib.fine_points(picture, face.box)
        if not shape_is_sane(points, face.box):
            return None
        near = self._last_box is not None and _near(face.box, self._last_box)
        if not near or t_s - self._last_seen_at > COAST_S:
            self._filter.reset()
        if not near or t_s - self._last_seen_at > NEW_PERFORMER_AFTER_S:
            self.performer += 1
        self._failed_searches = 0
        self._lock_target = self._candidate = None
        self._set_anchor(face.box, points)
        self._box = self._last_box = face.box
        self._score = face.score
        self._confirmed_at = self._confirm_tried_at = self._last_seen_at = t_s
        self._picture_change(picture)
        return self._landmarks(points, face.box, t_s)

    def _choose(self, faces: list[Face], picture: Picture, t_s: float) -> Face | None:
        """The face to lock on among those the search found, or None."""
        if self._lock_target is not None:
            height, width = picture.shape[:2]
            spot = self._lock_target[0] * width, self._lock_target[1] * height
            return min(faces, key=lambda face: _distance(face.box.centre, spot), default=None)
        if self._last_box is not None:
            last = self._last_box
            near = [face for face in faces if _near(face.box, last)]
            if near:
                return min(near, key=lambda face: _distance(face.box.centre, last.centre))
            if t_s - self._last_seen_at < GRACE_S:
                return None
        face = max(faces, key=lambda face: face.box.width, default=None)
        if face is None or face.score >= ACQUIRE_SCORE:
            return face
        before, self._candidate = self._candidate, face
        return face if before is not None and _overlap(before.box, face.box) > 0.5 else None

    # ---- both

    def _landmarks(self, points: Points, box: Box, t_s: float) -> Landmarks:
        smoothed = self._filter(points, t_s, eye_distance(points))
        return Landmarks(smoothed, box, t_s, self._score)

    def _set_anchor(self, box: Box, points: Points) -> None:
        self._anchor = _Anchor((*box.centre, float(box.width)), *_centre_and_radius(points))

    def _drop(self) -> None:
        self._box = self._anchor = None


def _centre_and_radius(points: Points) -> tuple[np.ndarray, float]:
    centre = points.mean(0, dtype=np.float64)
    return centre, float(np.sqrt(((points - centre) ** 2).sum(1).mean()))


def _box(x: float, y: float, width: float) -> Box:
    half = (width - 1) / 2
    left, top = round(x - half), round(y - half)
    whole = max(round(width), 8)
    return Box(left, top, left + whole - 1, top + whole - 1)


def _shifted(box: Box, x: int, y: int) -> Box:
    return Box(box.left + x, box.top + y, box.right + x, box.bottom + y)


def _distance(a: tuple[float, float], b: tuple[float, float]) -> float:
    return sqrt((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2)


def _overlap(a: Box, b: Box) -> float:
    """Intersection over union."""
    across = min(a.right, b.right) - max(a.left, b.left) + 1
    down = min(a.bottom, b.bottom) - max(a.top, b.top) + 1
    if across <= 0 or down <= 0:
        return 0.0
    both = across * down
    return both / (a.width * a.height + b.width * b.height - both)


def _near(face: Box, last: Box) -> bool:
    """Whether `face` can be the one that was at `last` a moment ago."""
    ratio = face.width / last.width
    return _distance(face.centre, last.centre) < last.width and 0.6 < ratio < 1.7
