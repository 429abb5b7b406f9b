"""What the audience sees for one frame: the look on stage, the safe picture, or one fading into the other.

Belongs to the picture engine's loop. Whatever goes wrong, there is a picture; the raw face comes from `bypass` alone.
"""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

from live.picture.faults import Faults
from live.picture.look_switcher import LoadedLook, LookSwitcher
from live.picture.lost_face import LostFace
from live.picture.performance_log import PerformanceLog
from live.picture.safe_picture import SafePicture
from live.process.shared_frames import FrameKind
from models.features.types import Picture, Points

RETRY_LOOK_S = 1.0
"""A look that failed is left alone for so long."""


class Composer:
    """`panic`, `lost` and `safe` may be changed between two frames."""

    def __init__(
        self, acts: LookSwitcher, lost: LostFace, safe: SafePicture, faults: Faults, log: PerformanceLog
    ) -> None:
        self.panic = False
        self.lost = lost
        self.safe = safe
        self._acts = acts
        self._faults = faults
        self._log = log

    def compose(
        self, frame: Picture, points: Points | None, neutral: Points | None, t_s: float, frame_s: float
    ) -> tuple[Picture, FrameKind]:
        """`points` None: there is no face. `frame_s`: what a frame may take. A buffer the next call overwrites."""
        began = perf_counter()
        try:
            picture, kind = self._perform(frame, points, neutral, t_s, frame_s)
        except Exception as error:
            self._faults.fail("picture", error, t_s)
            picture, kind = self.nothing_right(), FrameKind.SAFE
        else:
            self._faults.mend("picture")
        self._log.end_frame(perf_counter() - began)
        return picture, kind

    def nothing_right(self, act: LoadedLook | None = None) -> Picture:
        """What stands in for a picture of `act`, or of the one that performs."""
        return self.safe.instead_of((act or self._acts.current).look.size)

    def _perform(
        self, frame: Picture, points: Points | None, neutral: Points | None, t_s: float, frame_s: float
    ) -> tuple[Picture, FrameKind]:
        share = self.lost.update(t_s, points is not None)
        act = self._acts.current
        if self.panic:
            return self.nothing_right(), FrameKind.SAFE

        def show(act: LoadedLook) -> tuple[Picture, float]:
            return self._show(act, frame, points, neutral, share, t_s)

        picture = self._acts.transition.perform(act, show, t_s, frame_s)
        if act.failed_at is not None:
            return picture, FrameKind.SAFE
        if act.look.needs_face and points is None:
            return picture, FrameKind.SAFE if share >= 1 else FrameKind.HELD
        return picture, act.look.kind

    def _show(
        self, act: LoadedLook, frame: Picture, points: Points | None, neutral: Points | None, share: float, t_s: float
    ) -> tuple[Picture, float]:
        """What `act` shows for this frame, with the safe picture over it as far as the face is lost; and its cost."""
        if act.failed_at is not None and t_s - act.failed_at < RETRY_LOOK_S:
            return self.nothing_right(act), 0.0
        cost_s = 0.0
        if points is not None or not act.look.needs_face:
            began = perf_counter()
            if not self._make(act, frame, points, neutral, t_s):
                return self.nothing_right(act), 0.0
            cost_s = perf_counter() - began
        if act.shown is not None and not act.look.needs_face:
            return act.shown, cost_s
        if act.shown is None or share >= 1:
            return self.nothing_right(act), cost_s
        return self.safe.over(act.shown, share, act.blender), cost_s

    def _make(self, act: LoadedLook, frame: Picture, points: Points | None, neutral: Points | None, t_s: float) -> bool:
        """A new picture of `act`, in `act.shown`. False: it failed."""
        look = act.look
        try:
            act.shown = look.perform(frame, points, neutral)
        except Exception as error:
            act.failed_at, act.shown = t_s, None
            self._faults.fail(f"look {Path(look.key).name}", error, t_s)
            return False
        if act.failed_at is not None:
            act.failed_at = None
            self._faults.mend(f"look {Path(look.key).name}")
        self._log.spend("draw", look.draw_s)
        self._log.spend("generate", look.generate_s)
        return True
