"""The show's safe picture, shown when there is nothing else to show; black by default.

Runs on the picture engine's loop. The file is read when the engine starts and when a show is reloaded.
"""

from __future__ import annotations

from pathlib import Path

from live.picture.look import SafeLook
from live.picture.transition import Blender
from live.show.safe_picture import BLACK_SIZE, black_picture, read_safe_picture
from models.features.types import Picture


class SafePicture:
    """The safe picture, read once. `error` is one line, if the file could not be read and the picture is black
    instead."""

    def __init__(self, path: Path | None) -> None:
        self._has_file = path is not None
        loaded = read_safe_picture(path)
        self.error = ""
        if self._has_file and loaded is None:
            self.error = f"{path} cannot be read as a picture: the safe picture is black"
        self._black = black_picture()
        self.look = SafeLook(black_picture() if loaded is None else loaded)

    def fitted_to(self, size: tuple[int, int] | None) -> Picture:
        """The safe picture in place of one of this width and height; black takes that size, so that nothing moves when
        the other picture returns."""
        if self._has_file:
            return self.look.picture
        if (self._black.shape[1], self._black.shape[0]) != (size or BLACK_SIZE):
            self._black = black_picture(size or BLACK_SIZE)
        return self._black

    def blend_over(self, picture: Picture, share: float, blender: Blender) -> Picture:
        """`picture` blended with `share` of the safe picture, in `blender`'s buffer."""
        if self._has_file:
            return blender.blend(picture, self.look.picture, share)
        return blender.darken(picture, share)
