"""Holds the mouth while something covers it: dlib would draw one on the hand, and it would gape.

Covered is a face whose upper half is surely the performer's and whose lower half is not, and whose mouth dlib puts
elsewhere when its box is moved a little. An expression never seen before is found at the same place again.
Runs in the thread that tracks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from models.features.face_points import eye_distance
from models.features.retarget import apply_pose, pose_and_residual
from models.features.types import Points

UPPER_KNOWN = 0.8
LOWER_DIFFERS = 0.2
LOWER_KNOWN = 0.7
"""Likenesses: hands and a microphone before the mouth give an upper half of 0.86 to 0.99 and a lower one lower by 0.3
to 0.75; the own faces of nine of ten people differ by 0.15 in at most 4 of 100 frames, those of the tenth, who turns
a lot, in 20."""
UNSURE_MOUTH = 0.01
"""In eye distances, the mean deviation of the mouth's points when the box is moved: a covered mouth mostly 0.014
to 0.07; an uncovered one, in the median of a clip, 0.004 to 0.012."""
HELD = np.r_[0:17, 48:68]
"""Jaw and mouth."""
LOOK_AGAIN_S = 0.5
"""So often it is measured whether a covered mouth has been found: a new microphone does not shut it for ever."""
BEFORE_S = 0.16
"""The hand is at the mouth before it is seen as covered: the mouth of so long before is held."""


class CoveredMouth:
    """The points to go on with. One performer, one thread at a time."""

    def __init__(self) -> None:
        self.new_expression = False
        """Whether the last lower half differed, but was a mouth: the performer's, to be learned at once."""
        self._recent: deque[tuple[float, Points]] = deque(maxlen=60)
        self._held: Points | None = None
        self._measured_at = float("-inf")

    @property
    def covered(self) -> bool:
        return self._held is not None

    def update(self, points: Points, halves: tuple[float, float], t_s: float, deviation: Callable[[], float]) -> Points:
        """`points`, with jaw and mouth as they were before while they are covered.

        `halves` are the likenesses of the face's upper and lower half. `deviation` measures, see UNSURE_MOUTH; it is
        called only for a lower half that is not known.
        """
        self.new_expression = False
        if not self._is_covered(*halves, t_s, deviation):
            self._held = None
            self._recent.append((t_s, points))
            return points
        if self._held is None:
            self._held = self._before(t_s, points)
        pose, _ = pose_and_residual(points, self._held)
        moved = apply_pose(self._held.astype(np.float64), self._held, pose)
        mixed = points.copy()
        mixed[HELD] = moved[HELD]
        return mixed

    def _is_covered(self, upper: float, lower: float, t_s: float, deviation: Callable[[], float]) -> bool:
        differs = upper > UPPER_KNOWN and upper - lower > LOWER_DIFFERS
        if self.covered and (lower > LOWER_KNOWN or (not differs and upper > UPPER_KNOWN)):
            return False
        if self.covered and t_s - self._measured_at < LOOK_AGAIN_S:
            return True
        if not differs:
            return self.covered
        self._measured_at = t_s
        self.new_expression = deviation() <= UNSURE_MOUTH
        return not self.new_expression

    def _before(self, t_s: float, points: Points) -> Points:
        earlier = [seen for at_s, seen in self._recent if t_s - 1 < at_s <= t_s - BEFORE_S]
        return earlier[-1] if earlier else points


def mouth_deviation(estimates: list[Points]) -> float:
    """The mean deviation of the mouth among several estimates, in eye distances."""
    spread = np.std(np.array(estimates)[:, 48:68], axis=0)
    return float(np.linalg.norm(spread, axis=1).mean()) / max(eye_distance(estimates[0]), 1e-6)
