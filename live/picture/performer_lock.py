"""Who performs: one person stays it until another has taken their place, and a picture never is.

Three questions. Is a face that was found the performer's? By its appearance. Is the face that is followed still the
performer's? Whoever steps in front is somebody else for a while. May somebody else perform? Only when the performer has
been away, and they have stayed, and have moved eyes or mouth. Runs in the thread that tracks.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from live.picture.appearance import Appearance, Descriptor, likeness
from live.picture.liveness import Life
from models.features.face_points import Box, Face
from models.features.types import Points

SAME = 0.75
"""The likeness from which a face is the performer's, wherever it is: of ten people, the views of the first half
of a clip against the second, others' faces reach 0.74 in 1 of 1000, and their own fall below 0.71 in 5 of 100."""
STRANGE = 0.5
"""The likeness below which a face is not the performer's."""
STEADY = 0.8
"""The likeness of two frames of one face; a face that turns or is found badly is less like itself."""
STRANGER_S = 0.3
"""So long a steady stranger is followed before the performer counts as gone."""
GRACE_S = 1.5
"""How long a lost performer's place is kept, and how long somebody else must have stayed, before they may take it."""
STAYS_WITHIN = 0.75
"""In widths of the face: who moves farther than this walks past."""
FORGOTTEN_S = 0.5
"""A newcomer who is not found for so long begins again."""
LEARN_EVERY_S, LEARN_AFTER_S = 0.2, 0.5
"""A view is learned when for so long after it nothing has covered the face or stepped in front of it."""


class Seen(NamedTuple):
    """A face that was found."""

    face: Face
    points: Points
    descriptor: Descriptor


@dataclass(slots=True)
class _Newcomer:
    box: Box
    first_box: Box
    first_at: float
    last_at: float
    life: Life = field(default_factory=Life)


class PerformerLock:
    """One thread at a time."""

    def __init__(self) -> None:
        self.wary = False
        """Whether a face must prove that it lives: somebody has performed, or a picture was taken for somebody."""
        self._appearance: Appearance | None = None
        self._newcomers: list[_Newcomer] = []
        self._unlearned: deque[tuple[float, Descriptor]] = deque()
        self._before: Descriptor | None = None
        self._strange_since: float | None = None

    def take(self, taken: Seen, another: bool) -> None:
        """`taken` performs from now on, as `another` person or as the one of before."""
        if another or self._appearance is None:
            self._appearance = Appearance(taken.descriptor)
        self.wary = True
        self._newcomers.clear()
        self._restart()

    def forget(self) -> None:
        """Nobody performs, and the next face must prove that it lives."""
        self._appearance = None
        self._newcomers.clear()
        self._restart()

    @property
    def has_performer(self) -> bool:
        return self._appearance is not None

    def likeness(self, face: Seen) -> float:
        """To the performer; 0 when there is none."""
        return self._appearance.likeness(face.descriptor) if self._appearance is not None else 0.0

    def halves(self, descriptor: Descriptor) -> tuple[float, float]:
        """The likenesses of upper and lower half to the performer's."""
        return self._appearance.halves(descriptor) if self._appearance is not None else (0.0, 0.0)

    def is_stranger(self, descriptor: Descriptor, t_s: float) -> bool:
        """Whether the face that is followed has become somebody else's."""
        assert self._appearance is not None
        before, self._before = self._before, descriptor
        if self._appearance.likeness(descriptor) >= STRANGE:
            self._strange_since = None
            return False
        self._unlearned.clear()
        if before is None or likeness(before, descriptor) < STEADY:
            self._strange_since = None
            return False
        if self._strange_since is None:
            self._strange_since = t_s
        return t_s - self._strange_since >= STRANGER_S

    def learn(self, descriptor: Descriptor, t_s: float, at_once: bool) -> None:
        """The performer's face, uncovered."""
        assert self._appearance is not None
        if at_once:
            self._appearance.learn(descriptor)
        elif not self._unlearned or t_s - self._unlearned[-1][0] >= LEARN_EVERY_S:
            self._unlearned.append((t_s, descriptor))
        while self._unlearned and t_s - self._unlearned[0][0] >= LEARN_AFTER_S:
            self._appearance.learn(self._unlearned.popleft()[1])

    def covered(self) -> None:
        """Something covers the face: the last views may show it already."""
        self._unlearned.clear()

    def newcomer(self, faces: list[Seen], absent_s: float, t_s: float) -> Seen | None:
        """The face of somebody who may take the stage, or None. Called with all faces of each picture."""
        self._newcomers = [one for one in self._newcomers if t_s - one.last_at <= FORGOTTEN_S]
        for face in faces:
            one = self._newcomer_at(face.face.box, t_s)
            one.box, one.last_at = face.face.box, t_s
            one.life.add(face.points, t_s)
            if absent_s >= GRACE_S and t_s - one.first_at >= GRACE_S and one.life.has_expression:
                return face
        return None

    def _newcomer_at(self, box: Box, t_s: float) -> _Newcomer:
        for one in self._newcomers:
            if near(box, one.box) and distance(box.centre, one.first_box.centre) < STAYS_WITHIN * one.first_box.width:
                return one
        self._newcomers.append(_Newcomer(box, box, t_s, t_s))
        return self._newcomers[-1]

    def _restart(self) -> None:
        self._unlearned.clear()
        self._before = self._strange_since = None


def distance(a: tuple[float, float], b: tuple[float, float]) -> float:
    return float(((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) ** 0.5)


def near(face: Box, last: Box) -> bool:
    """Whether `face` can be the one that was at `last` a moment ago."""
    ratio = face.width / last.width
    return distance(face.centre, last.centre) < last.width and 0.6 < ratio < 1.7
