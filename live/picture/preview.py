"""The operator's preview: the camera's picture, reduced, with the performer's points. Runs on the picture engine's
loop."""

from __future__ import annotations

import cv2
import numpy as np

from live.picture.delay_line import PictureSink
from live.process.frames import Frame, Landmarks
from live.process.stage_picture import FrameKind, StagePicture
from models.features.types import Picture

MAX_WIDTH_PX = 854


class Preview:
    """Writes to `out`; without one it does nothing."""

    def __init__(self, out: PictureSink | None, height: int) -> None:
        """`height`: the largest height in pixels."""
        self._out = out
        self._height = height
        self._small: Picture = np.empty((0, 0, 3), np.uint8)

    def write(self, frame: Frame, landmarks: Landmarks | None, ready_at: float) -> None:
        """Raises what the sink raises."""
        if self._out is None:
            return
        picture = frame.picture
        height, width = picture.shape[:2]
        scale = min(self._height / height, MAX_WIDTH_PX / width, 1.0)
        if scale < 1:
            size = max(round(width * scale), 1), max(round(height * scale), 1)
            if self._small.shape != (size[1], size[0], 3):
                self._small = np.empty((size[1], size[0], 3), np.uint8)
            picture = self._small
            cv2.resize(frame.picture, size, dst=picture, interpolation=cv2.INTER_LINEAR)
        points = None if landmarks is None else ((landmarks.points + 0.5) * scale - 0.5).astype(np.float32)
        self._out.write(StagePicture(picture, FrameKind.PREVIEW, frame.captured_at, ready_at, frame.index, points))
