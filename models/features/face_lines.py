"""68 points -> the picture a generator reads: white lines on black, drawn in the generator's pixels.

Drawn in output pixels, because a line drawn on the camera's frame and shrunk with it is 1.1 pixels wide from 720p and
1.6 from 480p, and a generator trained on one performs badly on the other. Free of torch: training and the stage call
the same function.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from models.features.geometry import centre_square
from models.features.types import Picture, Points

LineStyle = Literal["smooth", "face2face"]

OPEN_LINES = (slice(0, 17), slice(17, 22), slice(22, 27), slice(27, 31))
"""Jaw, right brow, left brow, bridge of the nose."""
CLOSED_LINES = (slice(30, 36), slice(36, 42), slice(42, 48), slice(48, 60), slice(60, 68))
"""Lower nose, right eye, left eye, outer lips, inner lips."""
FACE2FACE_CLOSED_LINES = (slice(30, 35), *CLOSED_LINES[1:])
"""face2face-demo's slice leaves point 35 out of the lower nose; its generators learned it that way."""

SMOOTH_WIDTH_AT_256 = 1.6
_SHIFT = 6  # OpenCV's fixed point: 1/64 pixel


def draw_lines(points: Points, size: int) -> Picture:
    """The landmark drawing, uint8 (size, size, 3), of points given in that picture's own pixels.

    Lines are anti-aliased and placed to 1/64 of a pixel, so a still face gives a still drawing. Drawn at twice the
    size and averaged, because OpenCV's own anti-aliased lines have whole-pixel widths.
    """
    large = np.zeros((2 * size, 2 * size), np.uint8)
    width = max(1, round(2 * SMOOTH_WIDTH_AT_256 * size / 256))
    # Pixel centres: x in the picture is at 2x + 0.5 in the double one.
    fixed = np.rint((points * 2 + 0.5) * (1 << _SHIFT)).astype(np.int32)
    cv2.polylines(large, [fixed[s] for s in OPEN_LINES], False, 255, width, cv2.LINE_AA, _SHIFT)
    cv2.polylines(large, [fixed[s] for s in CLOSED_LINES], True, 255, width, cv2.LINE_AA, _SHIFT)
    grey = cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), np.uint8)


def draw_face2face_lines(points: Points, frame_shape: tuple[int, int], size: int) -> Picture:
    """face2face-demo's drawing, pixel for pixel, for generators that were trained with it.

    `points` are in the frame's pixels, `frame_shape` is (height, width). Thickness 3 and no anti-aliasing on a black
    full frame, whose centre square is then scaled to `size` by bilinear interpolation, as in its code.
    """
    height, width = frame_shape
    drawing = np.zeros((height, width, 3), np.uint8)
    whole = points.astype(np.int32)
    white = (255, 255, 255)
    cv2.polylines(drawing, [whole[s] for s in OPEN_LINES], False, white, 3)
    cv2.polylines(drawing, [whole[s] for s in FACE2FACE_CLOSED_LINES], True, white, 3)
    left, top, side = centre_square(frame_shape)
    return np.asarray(cv2.resize(drawing[top : top + side, left : left + side], (size, size)), np.uint8)
