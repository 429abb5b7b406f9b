"""Composes the picture for one frame: the current look's, the safe picture, or a blend of both.

Runs on the picture engine's loop. It always returns a picture, whatever fails. The performer's raw face comes from the
look `bypass` only.
"""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

from export.runtime.time_limit import RunTooLong
from live.picture.faults import Faults
from live.picture.look_switcher import LoadedLook, LookSwitcher
from live.picture.lost_face import LostFace
from live.picture.mask import FaceShown
from live.picture.performance_log import PerformanceLog
from live.picture.safe_picture import SafePicture
from live.picture.tracking import Tracked
from live.picture.transition import Rendered
from live.process.error_text import error_text
from live.process.frames import Clock, now
from live.process.stage_picture import FrameKind, StagePicture
from models.features.types import Picture


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
        self._overran = False
        """In this frame a look took so long that no other may perform, or the engine is taken to hang."""

    def compose(self, tracked: Tracked, t_s: float, frame_period_s: float) -> StagePicture:
        """Returns the picture for one frame; the next call may overwrite it.

        `frame_period_s` is the time available for a frame. What fails is reported as a fault; the result is then the
        safe picture.
        """
        started_at = perf_counter()
        self._overran = False
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
        if self.panic:
            return self.fallback_picture(), FrameKind.SAFE

        def show(loaded: LoadedLook) -> Rendered:
            return self._render_look(loaded, tracked, share, t_s)

        return self._looks.transition.perform(self._looks.current, show, t_s, frame_period_s)

    def _render_look(self, loaded: LoadedLook, tracked: Tracked, share: float, t_s: float) -> Rendered:
        """The picture of `loaded` for this frame, blended with the safe picture as far as the face is lost."""
        look, has_face = loaded.look, tracked.points is not None
        if self._overran or not loaded.may_try(t_s):
            return self._fallback(loaded, 0.0)
        took_s = 0.0
        if has_face or not look.needs_face:
            started_at = perf_counter()
            done = self._generate(loaded, tracked, t_s)
            took_s = perf_counter() - started_at
            if not done:
                return self._fallback(loaded, took_s)
        if loaded.last_picture is None or (share >= 1 and look.needs_face and not has_face):
            return self._fallback(loaded, took_s)
        if not look.needs_face:
            return Rendered(loaded.last_picture, look.kind, took_s)
        picture = (
            self.fallback_picture(loaded)
            if share >= 1
            else self.safe.blend_over(loaded.last_picture, share, loaded.blender)
        )
        return Rendered(picture, look.kind if has_face else FrameKind.HELD, took_s)

    def _fallback(self, loaded: LoadedLook, took_s: float) -> Rendered:
        return Rendered(self.fallback_picture(loaded), FrameKind.SAFE, took_s)

    def _generate(self, loaded: LoadedLook, tracked: Tracked, t_s: float) -> bool:
        """Generates a new picture into `loaded.last_picture`. Returns False when the look failed."""
        look = loaded.look
        where = f"look {Path(look.key).name}"
        try:
            if look.shows_frame and not loaded.may_show_frame:
                raise FaceShown("it shows what the camera sees round the face, and its cue does not say frame = true")
            loaded.last_picture = look.perform(tracked.frame.picture, tracked.points, tracked.neutral)
        except Exception as error:
            self._overran = isinstance(error, RunTooLong)
            loaded.fail(t_s, too_long=self._overran)
            self._faults.fail(where, error_text(error) if isinstance(error, FaceShown) else error, t_s)
            return False
        if loaded.failed_at is not None:
            loaded.failed_at = None
            self._faults.resolve(where)
        self._log.add_time("draw", look.draw_s)
        self._log.add_time("generate", look.generate_s)
        return True
