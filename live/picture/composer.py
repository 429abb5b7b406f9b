"""Composes the picture for one frame: the current look's, the safe picture, or a blend of both.

Runs on the picture engine's loop. It always returns a picture, whatever fails. The performer's raw face comes from the
look `bypass` only.
"""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

from live.picture.faults import Faults
from live.picture.look_switcher import LoadedLook, LookSwitcher
from live.picture.lost_face import LostFace
from live.picture.performance_log import PerformanceLog
from live.picture.safe_picture import SafePicture
from live.picture.tracking import Tracked
from live.process.frames import Clock, now
from live.process.stage_picture import FrameKind, StagePicture
from models.features.types import Picture

RETRY_LOOK_S = 1.0
"""A look that failed is not tried again for this long."""


class Composer:
    """Composes pictures. The attributes `panic`, `lost` and `safe` may be changed between two frames."""

    def __init__(
        self,
        looks: LookSwitcher,
        lost: LostFace,
        safe: SafePicture,
        faults: Faults,
        log: PerformanceLog,
        clock: Clock = now,
    ) -> None:
        self.panic = False
        self.lost = lost
        self.safe = safe
        self._looks = looks
        self._faults = faults
        self._log = log
        self._clock = clock

    def compose(self, tracked: Tracked, t_s: float, frame_period_s: float) -> StagePicture:
        """Returns the picture for one frame; the next call may overwrite it.

        `frame_period_s` is the time available for a frame. What fails is reported as a fault; the result is then the
        safe picture.
        """
        started_at = perf_counter()
        try:
            picture, kind = self._compose(tracked, t_s, frame_period_s)
        except Exception as error:
            self._faults.fail("picture", error, t_s)
            picture, kind = self.fallback_picture(), FrameKind.SAFE
        else:
            self._faults.resolve("picture")
        self._log.end_frame(perf_counter() - started_at)
        return StagePicture(picture, kind, tracked.frame.captured_at, self._clock(), tracked.frame.index)

    def fallback_picture(self, loaded: LoadedLook | None = None) -> Picture:
        """The picture shown in place of one of `loaded`, or of the current look."""
        return self.safe.fitted_to((loaded or self._looks.current).look.size)

    def _compose(self, tracked: Tracked, t_s: float, frame_period_s: float) -> tuple[Picture, FrameKind]:
        share = self.lost.update(t_s, tracked.points is not None)
        loaded = self._looks.current
        if self.panic:
            return self.fallback_picture(), FrameKind.SAFE

        def show(loaded: LoadedLook) -> tuple[Picture, float]:
            return self._render_look(loaded, tracked, share, t_s)

        picture = self._looks.transition.perform(loaded, show, t_s, frame_period_s)
        if loaded.failed_at is not None:
            return picture, FrameKind.SAFE
        if loaded.look.needs_face and tracked.points is None:
            return picture, FrameKind.SAFE if share >= 1 else FrameKind.HELD
        return picture, loaded.look.kind

    def _render_look(self, loaded: LoadedLook, tracked: Tracked, share: float, t_s: float) -> tuple[Picture, float]:
        """The picture of `loaded` for this frame, blended with the safe picture as far as the face is lost, and the
        seconds it took."""
        if loaded.failed_at is not None and t_s - loaded.failed_at < RETRY_LOOK_S:
            return self.fallback_picture(loaded), 0.0
        took_s = 0.0
        if tracked.points is not None or not loaded.look.needs_face:
            started_at = perf_counter()
            if not self._generate(loaded, tracked, t_s):
                return self.fallback_picture(loaded), 0.0
            took_s = perf_counter() - started_at
        if loaded.last_picture is not None and not loaded.look.needs_face:
            return loaded.last_picture, took_s
        if loaded.last_picture is None or share >= 1:
            return self.fallback_picture(loaded), took_s
        return self.safe.blend_over(loaded.last_picture, share, loaded.blender), took_s

    def _generate(self, loaded: LoadedLook, tracked: Tracked, t_s: float) -> bool:
        """Generates a new picture into `loaded.last_picture`. Returns False when the look failed."""
        look = loaded.look
        try:
            loaded.last_picture = look.perform(tracked.frame.picture, tracked.points, tracked.neutral)
        except Exception as error:
            loaded.failed_at, loaded.last_picture = t_s, None
            self._faults.fail(f"look {Path(look.key).name}", error, t_s)
            return False
        if loaded.failed_at is not None:
            loaded.failed_at = None
            self._faults.resolve(f"look {Path(look.key).name}")
        self._log.add_time("draw", look.draw_s)
        self._log.add_time("generate", look.generate_s)
        return True
