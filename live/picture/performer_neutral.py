"""The performer's neutral face, in the pixels of the frame at hand: a profile's, else as known so far.

Belongs to the picture engine's loop.
"""

from __future__ import annotations

from live.process.frames import Frame
from live.show.profile import in_pixels, mirrored
from models.features.retarget import RunningNeutral
from models.features.types import Points


class PerformerNeutral:
    """`profile` is PictureSettings.neutral; None: it is estimated while running."""

    def __init__(self, profile: Points | None, mirror: bool = False) -> None:
        # A profile is measured of the camera's own picture, so it turns with the frames.
        self._profile = mirrored(profile) if mirror and profile is not None else profile
        self._running = RunningNeutral()
        self._performer = 0

    def update(self, frame: Frame, points: Points, performer: int) -> Points:
        """The neutral behind `points`, float32 (68, 2); another `performer` begins anew."""
        if self._profile is not None:
            height, width = frame.picture.shape[:2]
            return in_pixels(self._profile, width, height)
        if performer != self._performer:
            self._performer = performer
            self._running.forget()
        return self._running.update(points, frame.captured_at)
