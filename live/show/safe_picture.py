"""The show's safe picture, as whoever shows it reads it: what the audience sees when there is nothing right to show.

Read in three processes: the picture engine's, the stage window's and the operator's. Reading takes up to seconds, or as
long as a disk stands, and belongs on no loop.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.features.media.bad_media import BadMedia
from models.features.media.picture_files import read_picture_file
from models.features.types import Picture

STALE_S = 0.5
"""After so long without a picture the audience sees the safe picture."""
MAX_SIZE = (1280, 720)
"""Largest width and height; more would cost time in every fade."""
BLACK_SIZE = (640, 480)
"""Width and height of the black picture before there is a look whose size it can take."""


def read_safe_picture(path: Path | None) -> Picture | None:
    """A picture file as RGB, at most 1280x720; None, which is black, when there is none or it cannot be read."""
    try:
        return None if path is None else open_safe_picture(path)
    except BadMedia:
        return None


def open_safe_picture(path: Path) -> Picture:
    """As `read_safe_picture`. Raises BadMedia, also for a picture that would take seconds and gigabytes."""
    picture = read_picture_file(path)
    height, width = picture.shape[:2]
    scale = min(MAX_SIZE[1] / height, MAX_SIZE[0] / width)
    if scale < 1:
        import cv2  # here: the operator's process starts without it

        size = max(round(width * scale), 1), max(round(height * scale), 1)
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    return picture


def black_picture(size: tuple[int, int] = BLACK_SIZE) -> Picture:
    """Black of this width and height."""
    return np.zeros((size[1], size[0], 3), np.uint8)
