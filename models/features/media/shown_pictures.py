"""A decoded frame as it is to be seen: RGB of BT.709 in full range, upright, with square pixels, all of one size.

Belongs to the thread that decodes.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from models.features.media.bad_media import BadMedia
from models.features.media.colour import WideColour, fill_missing_tags, wide_colour
from models.features.media.containers import check_size
from models.features.media.frame_filters import WIDE_FORMAT, ColourTable
from models.features.media.orientation import UPRIGHT, Orientation, orientation_of, oriented
from models.features.types import Picture

Size = tuple[int, int]
"""Width and height in pixels."""
SANE_ASPECT = 4
"""A pixel longer than this times its other side is an error of the file, and taken for square."""


_EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


def as_decoded(size: Size) -> Size:
    """Pictures in the size in which the file shows them."""
    return size


class ShownPictures:
    """Makes pictures of one stream's frames."""

    def __init__(self, name: object, pixel_aspect: Fraction | None, fit: Callable[[Size], Size] = as_decoded) -> None:
        """`pixel_aspect`: width by height of a stored pixel. `fit` gives the size for a shown picture's own size."""
        self._name = name
        sane = pixel_aspect is not None and Fraction(1, SANE_ASPECT) <= pixel_aspect <= SANE_ASPECT
        self._pixel_aspect = pixel_aspect if sane and pixel_aspect is not None else Fraction(1)
        self._interpolation = _EXACT if self._pixel_aspect != 1 else Interpolation.BILINEAR
        self._fit = fit
        self._size: Size | None = None
        self._table: tuple[Size, WideColour, ColourTable] | None = None
        self._orientation: tuple[tuple[int, int, int], Orientation] = (0, 0, 0), UPRIGHT
        # Of the stream's: a frame would make a converter of its own, with threads, and end it with itself.
        self._to_rgb, self._to_wide = VideoReformatter(), VideoReformatter()

    def picture(self, frame: VideoFrame) -> Picture:
        """The frame as it is to be seen; one of another size than the first is fitted into the first's, on black.

        Raises BadMedia for a frame that cannot be converted.
        """
        check_size(frame.width, frame.height, self._name)
        orientation = self._orientation_of(frame)
        width, height = self._square(frame.width, frame.height)
        own = self._fit((height, width) if orientation.transposed else (width, height))
        size = own if self._size is None else _fitted(own, self._size)
        try:
            stored = self._rgb(frame, size[::-1] if orientation.transposed else size)
        except (av.FFmpegError, ValueError, OSError) as error:
            raise BadMedia(f"{self._name}: pictures in {frame.format.name} cannot be converted") from error
        picture = oriented(stored, orientation)
        self._size = self._size or size
        return picture if size == self._size else _on_black(picture, self._size)

    def _orientation_of(self, frame: VideoFrame) -> Orientation:
        """Its display matrix is looked at only where another is likely: a frame whose side data were asked for refers
        to itself, and stays until the garbage is collected."""
        kind = frame.width, frame.height, frame.rotation
        if self._orientation[0] != kind:
            self._orientation = kind, orientation_of(frame)
        return self._orientation[1]

    def _square(self, width: int, height: int) -> Size:
        """The size with square pixels: the side that is too short is stretched, as players do."""
        aspect = self._pixel_aspect
        return (round(width * aspect), height) if aspect >= 1 else (width, round(height / aspect))

    def _rgb(self, frame: VideoFrame, size: Size) -> Picture:
        """(height, width, 3) of the frame as it is stored, at `size`."""
        fill_missing_tags(frame)
        wide = wide_colour(frame)
        if wide is not None:
            frame = self._colour_table(size, wide).apply(self._to_wide.reformat(frame, *size, WIDE_FORMAT, threads=1))
            return np.asarray(self._to_rgb.reformat(frame, format="rgb24", threads=1).to_ndarray(), np.uint8)
        if _has_alpha(frame.format.name):
            frame = self._to_rgb.reformat(frame, *size, "rgba", threads=1)
            return _over_black(np.asarray(frame.to_ndarray(), np.uint8))
        if size != (frame.width, frame.height) or frame.format.name != "rgb24":
            frame = self._to_rgb.reformat(frame, *size, "rgb24", interpolation=self._interpolation, threads=1)
        return np.asarray(frame.to_ndarray(), np.uint8)

    def _colour_table(self, size: Size, wide: WideColour) -> ColourTable:
        if self._table is None or self._table[:2] != (size, wide):
            self._table = size, wide, ColourTable(size, wide)
        return self._table[2]


@lru_cache(maxsize=64)
def _has_alpha(pixel_format: str) -> bool:
    form = av.VideoFormat(pixel_format)
    return form.has_palette or any(component.is_alpha for component in form.components)


def _over_black(rgba: Picture) -> Picture:
    """(h, w, 4) -> (h, w, 3)."""
    rgb, alpha = rgba[..., :3], rgba[..., 3:]
    if alpha.min() == 255:
        return np.ascontiguousarray(rgb)
    return np.asarray(cv2.multiply(rgb, np.repeat(alpha, 3, 2), scale=1 / 255), np.uint8)


def _fitted(own: Size, into: Size) -> Size:
    scale = min(into[0] / own[0], into[1] / own[1])
    return max(round(own[0] * scale), 1), max(round(own[1] * scale), 1)


def _on_black(picture: Picture, size: Size) -> Picture:
    (width, height), (own_height, own_width) = size, picture.shape[:2]
    left, top = (width - own_width) // 2, (height - own_height) // 2
    whole = np.zeros((height, width, 3), np.uint8)
    whole[top : top + own_height, left : left + own_width] = picture
    return whole
