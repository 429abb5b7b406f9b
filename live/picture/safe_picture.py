"""The show's safe picture, shown when there is nothing else to show; black by default.

Runs on the picture engine's loop. The file is read when the engine starts and when a show is reloaded.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from live.picture.look import SafeLook
from live.picture.transition import Blender
from models.features.media.bad_media import BadMedia
from models.features.media.picture_files import read_picture_file
from models.features.types import Picture

MAX_SIZE = (1280, 720)
"""Largest width and height; more would cost time in every fade."""
BLACK_SIZE = (640, 480)
"""Width and height of the black picture before there is a look whose size it can take."""


class SafePicture:
    """The safe picture, read once. `error` is one line, if the file could not be read and the picture is black
    instead."""

    def __init__(self, path: Path | None) -> None:
        self._has_file = path is not None
        loaded = None if path is None else read_picture(path)
        self.error = ""
        if self._has_file and loaded is None:
            self.error = f"{path} cannot be read as a picture: the safe picture is black"
        self._black = _black(BLACK_SIZE)
        self.look = SafeLook(_black(BLACK_SIZE) if loaded is None else loaded)

    def fitted_to(self, size: tuple[int, int] | None) -> Picture:
        """The safe picture in place of one of this width and height; black takes that size, so that nothing moves when
        the other picture returns."""
        if self._has_file:
            return self.look.picture
        if (self._black.shape[1], self._black.shape[0]) != (size or BLACK_SIZE):
            self._black = _black(size or BLACK_SIZE)
        return self._black

    def blend_over(self, picture: Picture, share: float, blender: Blender) -> Picture:
        """`picture` blended with `share` of the safe picture, in `blender`'s buffer."""
        if self._has_file:
            return blender.blend(picture, self.look.picture, share)
        return blender.darken(picture, share)


def read_picture(path: Path) -> Picture | None:
    """A picture file as RGB, at most 1280x720; None when it cannot be read."""
    try:
        picture = read_picture_file(path)
    except BadMedia:
        return None
    height, width = picture.shape[:2]
    scale = min(MAX_SIZE[1] / height, MAX_SIZE[0] / width)
    if scale < 1:
        size = max(round(width * scale), 1), max(round(height * scale), 1)
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    return picture


def _black(size: tuple[int, int]) -> Picture:
    return np.zeros((size[1], size[0], 3), np.uint8)
