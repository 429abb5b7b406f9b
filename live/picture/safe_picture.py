"""The show's safe picture, shown when there is nothing else to show; black by default.

Runs on the picture engine's loop. The file is read when the engine starts, and in a thread of its own when a show is
reloaded.
"""

from __future__ import annotations

from pathlib import Path
from threading import Thread

from live.picture.look import SafeLook
from live.picture.transition import Blender
from live.show.safe_picture import BLACK_SIZE, black_picture, open_safe_picture
from models.features.media.bad_media import BadMedia
from models.features.types import Picture


class SafePicture:
    """The safe picture, read once. `error` is one line, if the file could not be read and the picture is black
    instead."""

    def __init__(self, path: Path | None) -> None:
        self._has_file = path is not None
        self.error = ""
        self._black = black_picture()
        picture = black_picture()
        if path is not None:
            try:
                picture = open_safe_picture(path)
            except BadMedia as error:
                self.error = f"{error}: the safe picture is black"
        self.look = SafeLook(picture)

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


class SafePictureReader:
    """Reads safe pictures for the loop. `begin` and `take` belong to it and never wait."""

    def __init__(self) -> None:
        self._newest: _Reading | None = None

    def begin(self, path: Path | None) -> None:
        """Reads this file in a thread of its own; one begun before is forgotten, should it still wait for its disk."""
        reading = self._newest = _Reading(path)
        Thread(target=reading.read, name="safe picture", daemon=True).start()

    def take(self) -> SafePicture | None:
        """The picture that was begun last, once; None until it has been read."""
        if self._newest is None or self._newest.result is None:
            return None
        result, self._newest = self._newest.result, None
        return result


class _Reading:
    """One file on its way."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.result: SafePicture | None = None

    def read(self) -> None:
        self.result = SafePicture(self._path)
