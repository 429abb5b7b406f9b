"""How a decoded frame must be turned and mirrored to be seen as it was filmed. Any thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, cast

import numpy as np
from av.buffer import Buffer
from av.video.frame import VideoFrame

from models.features.types import Picture


class Orientation(NamedTuple):
    """What is done to a picture, in this order."""

    transposed: bool = False
    left_right: bool = False
    up_down: bool = False


UPRIGHT = Orientation()


def orientation_of(frame: VideoFrame) -> Orientation:
    """What the frame's display matrix asks for, to the nearest quarter turn: x' = a x + c y, y' = b x + d y."""
    side_data = cast(Mapping[str, Buffer], frame.side_data)  # PyAV's stub knows one kind only
    if "DISPLAYMATRIX" not in side_data:
        return UPRIGHT
    entries = np.frombuffer(bytes(side_data["DISPLAYMATRIX"]), np.int32)
    a, b, _, c, d = (int(entry) for entry in entries[:5])
    if abs(b) > abs(a):
        return Orientation(True, c < 0, b < 0)
    return Orientation(False, a < 0, d < 0)


def oriented(picture: Picture, orientation: Orientation) -> Picture:
    """The picture turned and mirrored, contiguous."""
    if orientation.transposed:
        picture = picture.transpose(1, 0, 2)
    if orientation.left_right:
        picture = picture[:, ::-1]
    if orientation.up_down:
        picture = picture[::-1]
    return np.ascontiguousarray(picture)
