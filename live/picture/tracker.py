"""Tracks the performer's face from frame to frame: dlib, called as rarely as possible, smoothed, locked on one face.

Runs in the thread that tracks (see tracking). A search of the whole picture (20 ms and more) happens only when there is
no face to follow. While there is one, its box moves with its points, and every few frames the detector confirms it in a
small region around it. A face that does not move keeps exactly the box the detector gave, so a still picture gives the
points of a direct dlib call on that box.

In camera noise the picture is averaged where nothing moves (see denoiser). Of several faces the locked one stays, and
who that is tells their appearance (see performer_lock); a covered mouth is held (see covered_mouth).

The first face of all is taken at once: the audience must not wait. If it then neither moves nor blinks for
`PROOF_S`, it is a picture's, and from then on a face must live before it is taken. One that the operator locks on is
believed.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from live.picture.appearance import Descriptor, describe
from live.picture.covered_mouth import CoveredMouth, mouth_deviation
from live.picture.denoiser import Denoiser
from live.picture.liveness import Life
from live.picture.one_euro import OneEuroFilter
from live.picture.performer_lock import SAME, STRANGE, PerformerLock, Seen, distance, near
from live.process.frames import Frame, Landmarks
from models.features.face_points import LEFT_EYE, RIGHT_EYE, Box, Face, FacePoints, eye_distance
from models.features.types import Picture, Points

REGION_FACE_PX = 90
"""The width a face is scaled to before the detector confirms it: 80 is the least it detects."""
DETECTED_PX = 80
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
RETURN_S = 1.0
"""For so long after a loss a face in the same place need only not be a stranger's, as a head that turns changes."""
PROOF_S, STILL_PROOF_S = 4.0, 5.0
"""How long the first face may take to live; the second where no pixel changes, as in a movie of one picture."""
SETTLING_S = 1.0
"""A new face's points move this long while their noise is averaged; not counted as a sign of life."""
COMPARED_FACES = 4
"""So many of the faces found, the largest, are compared with the performer's."""
SHIFTS = ((0.05, 0.0), (-0.05, 0.0), (0.0, 0.05), (0.0, -0.05))
"""In widths of the box: how it is moved to see whether the mouth stays."""
BOX_DEADBAND = 0.02
"""In widths of the box: while the face is closer than this to its box, the box does not move."""
REFIT_SHARE = 0.08
"""In widths of the box: if the points show that the box was off by more, they are predicted again."""
REANCHOR_SHARE = 0.16
"""In widths of the box: if the detector's box and the moved box differ by more, the box is eased to the detector's."""
REANCHOR_RATE = 0.25

STRANGER = "the face in the picture is not the performer's"
CUT = "the face is cut by the picture's edge"
SMALL = "the face is too small: come nearer to the camera"
PICTURE = "the face in the picture does not move: it is taken for a photograph"


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
    away = np.abs(points.mean(0) - box.centre) / box.width
    if away.max() > 0.3:
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
        self._denoiser = Denoiser()
        self._lock = PerformerLock()
        self._mouth = CoveredMouth()
        self._life: Life | None = None
        """Of a face that has yet to prove that it is no picture."""
        self._descriptor: Descriptor | None = None
        self._taken_at = self._described_at = float("-inf")
        self._anchor: _Anchor | None = None
        self._box: Box | None = None
        self._last_box: Box | None = None
        self._score = 0.0
        self._confirmed_at = self._confirm_tried_at = float("-inf")
        self._coarse: np.ndarray | None = None
        self._live_picture = False
        """Whether any pixel has changed since a face was taken: a camera's noise."""
        self._last_seen_at = float("-inf")
        self._failed_searches = 0
        self._candidate: Face | None = None
        self._lock_target: tuple[float, float] | None = None
        self.lost_frames = 0
        self.performer = 0
        """Changes when another person took the lock."""
        self.trouble = ""
        """Why no face is given, in the words of the screen; empty while one is, and where none is found at all."""

    def lock(self, x: float, y: float) -> None:
        """Moves the performer lock to the face nearest to (x, y), fractions 0..1 of the picture, in the next frame."""
        self._lock_target = (x, y)

    def forget(self) -> None:
        """Releases the lock: the next face may be anyone's."""
        self._drop()
        self._lock, self._life = PerformerLock(), None
        self._last_box = None
        self._candidate = None

    def update(self, frame: Frame) -> Landmarks | None:
        """The locked performer's face in `frame`, or None; a frame without it is counted in `lost_frames`."""
        landmarks = self._follow(frame) if self._box is not None and self._lock_target is None else None
        if landmarks is None:
            landmarks = self._search(frame)
        if landmarks is None:
            self.lost_frames += 1
        else:
            self.trouble = ""
        return landmarks

    # ---- following

    def _follow(self, frame: Frame) -> Landmarks | None:
        box = self._box
        assert box is not None
        t_s = frame.captured_at
        change = self._picture_change(frame.picture)
        self._live_picture = self._live_picture or change > 0
        check_now = change > SCENE_CHANGE or t_s - self._confirm_tried_at >= CONFIRM_INTERVAL_S
        picture = self._denoiser.steady(frame.picture, box)
        points = self._dlib.fine_points(picture, box)
        moved = self._moved_box(points)
        if _deviation(moved, box) > REFIT_SHARE:
            box = moved
            points = self._dlib.fine_points(picture, box)
            moved = self._moved_box(points)
        face = self._confirm(picture, box) if check_now else None
        if check_now:
            self._confirm_tried_at = t_s
        sane = shape_is_sane(points, box)
        if face is not None and sane:
            self._confirmed_at, self._score = t_s, face.score
            moved = self._reanchored(moved, face.box, points)
        # A frame that the detector confirms takes long enough, and says itself that a face is there.
        if face is None or t_s - self._described_at >= CONFIRM_INTERVAL_S:
            self._descriptor, self._described_at = describe(picture, points), t_s
        descriptor = self._descriptor
        assert descriptor is not None
        if not sane or not self._may_continue(descriptor, face is None and check_now, t_s):
            self.trouble = self.trouble or _trouble_with(box, picture)
            self._drop()
            return None
        self._box = self._last_box = moved
        self._last_seen_at = t_s
        return self._landmarks(self._with_mouth(picture, box, points, descriptor, t_s), box, t_s)

    def _may_continue(self, descriptor: Descriptor, unconfirmed: bool, t_s: float) -> bool:
        """Whether the face that is followed is still there, still the performer's, and no picture."""
        if unconfirmed:
            self._score = 0.0
            if t_s - self._confirmed_at > COAST_S or max(self._lock.halves(descriptor)) < STRANGE:
                return False
        if self._lock.is_stranger(descriptor, t_s):
            self.trouble = STRANGER
            return False
        proof_s = PROOF_S if self._live_picture else STILL_PROOF_S
        if self._life is not None and t_s - self._taken_at > proof_s:
            self._lock.forget()
            self._life, self.trouble = None, PICTURE
            return False
        return True

    def _with_mouth(self, picture: Picture, box: Box, points: Points, descriptor: Descriptor, t_s: float) -> Points:
        """`points`, the mouth as it was while something covers it."""

        def deviation() -> float:
            moved = [_box(box.centre[0] + x * box.width, box.centre[1] + y * box.width, box.width) for x, y in SHIFTS]
            return mouth_deviation([points, *(self._dlib.fine_points(picture, other) for other in moved)])

        held = self._mouth.update(points, self._lock.halves(descriptor), t_s, deviation)
        if self._mouth.covered:
            self._lock.covered()
        else:
            self._lock.learn(descriptor, t_s, at_once=self._mouth.new_expression)
        return held

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
        """`box`, or a box eased towards the detected one when the two disagree: one that jumps there and back would
        stretch the motion of a head that turns."""
        if _deviation(detected, box) < REANCHOR_SHARE:
            return box
        x, y = (b + (d - b) * REANCHOR_RATE for b, d in zip(box.centre, detected.centre, strict=True))
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
        self._failed_searches += 1
        chosen = self._choose(self._dlib.detect(picture, scale), picture, t_s)
        return None if chosen is None else self._take(chosen, frame)

    def _take(self, chosen: Seen, frame: Frame) -> Landmarks:
        """Follows `chosen` from now on."""
        box, t_s = chosen.face.box, frame.captured_at
        near_last = self._last_box is not None and near(box, self._last_box)
        if not near_last or t_s - self._last_seen_at > COAST_S:
            self._filter.reset()
        likeness = self._lock.likeness(chosen)
        another = likeness < (STRANGE if near_last and t_s - self._last_seen_at < RETURN_S else SAME)
        if another:
            self.performer += 1
            self._mouth = CoveredMouth()
        must_prove = not self._lock.wary and self._lock_target is None
        self._life, self._taken_at = Life() if must_prove else None, t_s
        self._live_picture = False
        self._lock.take(chosen, another)
        self._descriptor, self._described_at = chosen.descriptor, t_s
        self._failed_searches = 0
        self._lock_target = self._candidate = None
        self._denoiser.forget()
        self._set_anchor(box, chosen.points)
        self._box = self._last_box = box
        self._score = chosen.face.score
        self._confirmed_at = self._confirm_tried_at = self._last_seen_at = t_s
        self._picture_change(frame.picture)
        return self._landmarks(chosen.points, box, t_s)

    def _choose(self, faces: list[Face], picture: Picture, t_s: float) -> Seen | None:
        """The face to lock on among those the search found, or None."""
        if self._lock_target is not None:
            height, width = picture.shape[:2]
            spot = self._lock_target[0] * width, self._lock_target[1] * height
            faces = sorted(faces, key=lambda face: distance(face.box.centre, spot))[:1]
            return next(iter(self._seen(faces, picture)), None)
        if not self._lock.wary:
            return next(iter(self._seen(self._first(faces), picture)), None)
        seen = self._seen(sorted(faces, key=lambda face: -face.box.width)[:COMPARED_FACES], picture)
        best = max(seen, key=self._lock.likeness, default=None)
        if best is not None and self._lock.likeness(best) >= self._least_likeness(best, t_s):
            return best
        if seen and self._lock.has_performer:
            self.trouble = STRANGER
        return self._lock.newcomer(seen, t_s - self._last_seen_at, t_s)

    def _least_likeness(self, face: Seen, t_s: float) -> float:
        last = self._last_box
        recent = last is not None and near(face.face.box, last) and t_s - self._last_seen_at < RETURN_S
        return STRANGE if recent else SAME

    def _first(self, faces: list[Face]) -> list[Face]:
        """The first face of all, if one is found surely enough."""
        face = max(faces, key=lambda face: face.box.width, default=None)
        if face is None or face.score >= ACQUIRE_SCORE:
            return [face] if face is not None else []
        before, self._candidate = self._candidate, face
        return [face] if before is not None and _overlap(before.box, face.box) > 0.5 else []

    def _seen(self, faces: list[Face], picture: Picture) -> list[Seen]:
        """Those of `faces` whose points are a face's."""
        found = [(face, self._dlib.fine_points(picture, face.box)) for face in faces]
        return [
            Seen(face, points, describe(picture, points)) for face, points in found if shape_is_sane(points, face.box)
        ]

    # ---- both

    def _landmarks(self, points: Points, box: Box, t_s: float) -> Landmarks:
        smoothed = self._filter(points, t_s, eye_distance(points))
        if self._life is not None and t_s - self._taken_at > SETTLING_S:
            self._life.add(smoothed, t_s)
            if self._life.has_moved:
                self._life = None
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


def _overlap(a: Box, b: Box) -> float:
    """Intersection over union."""
    across = min(a.right, b.right) - max(a.left, b.left) + 1
    down = min(a.bottom, b.bottom) - max(a.top, b.top) + 1
    if across <= 0 or down <= 0:
        return 0.0
    both = across * down
    return both / (a.width * a.height + b.width * b.height - both)


def _deviation(detected: Box, box: Box) -> float:
    """In widths of `box`: how far the two disagree in place or size."""
    return max(
        abs(detected.centre[0] - box.centre[0]) / box.width,
        abs(detected.centre[1] - box.centre[1]) / box.width,
        abs(detected.width / box.width - 1) / 1.5,
    )


def _trouble_with(box: Box, picture: Picture) -> str:
    """Why the face in `box` may have been lost; empty when nothing is wrong with the box."""
    height, width = picture.shape[:2]
    if box.left < 0 or box.top < 0 or box.right >= width or box.bottom >= height:
        return CUT
    return SMALL if box.width * min(sqrt(SEARCH_AREA_PX / (width * height)), 2.0) < DETECTED_PX else ""
