"""The performer's neutral face in the pixels of a frame: from a profile, or estimated while running.

Runs in the thread that tracks: the caller's, or the tracking thread.
"""

from __future__ import annotations

from live.process.frames import Frame
from live.show.profile import in_pixels, mirrored
from models.features.retarget import RunningNeutral
from models.features.types import Points


class PerformerNeutral:
    """`profile` is PictureSettings.neutral; None: the neutral is estimated while running."""

    def __init__(self, profile: Points | None, mirror: bool = False) -> None:
        # A profile is measured in the camera's unmirrored picture, so it is mirrored with the frames.
        self._profile = mirrored(profile) if mirror and profile is not None else profile
        self._running = RunningNeutral()
        self._performer = 0

    def forget(self) -> None:
        """Measures it anew, in place of the profile's, too: the operator sees that it is wrong."""
        self._profile = None
        self._running.forget()

    def update(self, frame: Frame, points: Points, performer: int) -> Points:
        """The neutral for `points`, float32 (68, 2); the estimate restarts when `performer` changes."""
        if self._profile is not None:
            height, width = frame.picture.shape[:2]
            return in_pixels(self._profile, width, height)
        if performer != self._performer:
            self._performer = performer
            self._running.forget()
        return self._running.update(points, frame.captured_at)
