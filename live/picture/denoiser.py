"""Averages a picture in time where nothing moves: camera noise goes, and what moves is as new as the camera's.

dlib's points jump with the noise of the pixels that they are predicted from; a filter behind them can only choose
between trembling and delay. Runs in the thread that tracks.
"""

from __future__ import annotations

from collections import deque
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from models.features.face_points import Box
from models.features.types import Picture

_Pixel = TypeVar("_Pixel", np.uint8, np.float32)
_INTENSITY = np.array([[1 / 3, 1 / 3, 1 / 3, -1 / 3]], np.float32)
"""The intensity that dlib predicts points from: a third of red, green and blue, rounded down."""
STEADY_SHARE = 1 / 10
"""The share of the new picture where nothing moves: noise falls to a quarter, its change from frame to frame to a
tenth."""
WINDOW_PX = 9
"""Motion is what moves a window of this many pixels squared by more than noise does."""
CLEAN_INTERVAL = 3
"""While there is no noise to speak of, every so many frames it is measured whether that has changed."""
STILL_UP_TO, MOVES_FROM = 3.0, 6.0
"""In standard deviations of a window's mean by noise alone: below nothing moves, above all of the new picture is
taken."""
NOISE_MEMORY = 60
"""Frames: noise is the least change of so many, as something nearly always moves."""
LEAST_NOISE = 1.0
"""Of 255: dlib's points do not tremble with less; the picture is taken as it is."""
MARGIN = 0.5
"""Around the face, in widths of it: as far as points and detector look."""


class Denoiser:
    """Steady grey pictures of a face's surroundings. One camera, one thread at a time."""

    def __init__(self) -> None:
        self._region: Box | None = None
        self._average: NDArray[np.float32] | None = None
        self._before: Picture = np.zeros((0, 0), np.uint8)
        self._noise: deque[float] = deque(maxlen=NOISE_MEMORY)
        self._unmeasured = 0

    def forget(self) -> None:
        """The next picture is another scene's."""
        self._region = None

    def steady(self, picture: Picture, box: Box) -> Picture:
        """`picture` itself where it has no noise to speak of; else as dlib's intensity, uint8 (height, width), steady
        around `box`."""
        if self._average is None and 0 < self._unmeasured < CLEAN_INTERVAL:
            self._unmeasured += 1
            return picture
        self._unmeasured = 0
        region = _around(box, picture)
        if region.width <= 0 or region.height <= 0:
            return picture
        new = _intensity(_part(picture, region))
        before = new.copy()
        if self._region is not None:
            _copy_common(self._before, self._region, before, region)
            self._noise.append(_noise_of(new, before))
        noise = min(self._noise, default=0.0)
        average = None if noise < LEAST_NOISE else self._averaged(new, before, region, noise)
        self._region, self._average, self._before = region, average, new
        if average is None:
            self._unmeasured = 1 if self._noise else 0
            return picture
        grey = _intensity(picture)
        np.rint(average, out=_part(grey, region), casting="unsafe")
        return grey

    def _averaged(self, new: Picture, before: Picture, region: Box, noise: float) -> NDArray[np.float32]:
        average = before.astype(np.float32)
        if self._average is not None and self._region is not None:
            _copy_common(self._average, self._region, average, region)
        _blend(average, new.astype(np.float32), noise)
        return average


def _around(box: Box, picture: Picture) -> Box:
    margin = int(MARGIN * box.width)
    height, width = picture.shape[:2]
    right, bottom = min(box.right + margin, width - 1), min(box.bottom + margin, height - 1)
    return Box(max(box.left - margin, 0), max(box.top - margin, 0), right, bottom)


def _part(picture: NDArray[_Pixel], region: Box) -> NDArray[_Pixel]:
    return picture[region.top : region.bottom + 1, region.left : region.right + 1]


def _intensity(picture: Picture) -> Picture:
    return np.asarray(cv2.transform(np.ascontiguousarray(picture), _INTENSITY), np.uint8)


def _copy_common(source: NDArray[_Pixel], source_at: Box, target: NDArray[_Pixel], target_at: Box) -> None:
    """Copies into `target` what `source` has of its region."""
    left, top = max(source_at.left, target_at.left), max(source_at.top, target_at.top)
    right, bottom = min(source_at.right, target_at.right), min(source_at.bottom, target_at.bottom)
    if left > right or top > bottom:
        return
    common = Box(left, top, right, bottom)
    _part(target, _moved(common, target_at))[:] = _part(source, _moved(common, source_at))


def _moved(box: Box, origin: Box) -> Box:
    return Box(box.left - origin.left, box.top - origin.top, box.right - origin.left, box.bottom - origin.top)


def _noise_of(new: Picture, before: Picture) -> float:
    """The standard deviation of the noise of one picture, from two.

    What moves changes neighbouring pixels alike, so their difference tells noise from it: four pixels' noise. Of
    Gaussian noise the median size is 0.67 standard deviations.
    """
    change = new[::6].astype(np.int16) - before[::6]
    return float(np.median(np.abs(np.diff(change, axis=1)[:, ::2]))) / (0.67 * 2)


def _blend(average: NDArray[np.float32], new: NDArray[np.float32], noise: float) -> None:
    """Moves `average` towards `new`: at once where more than noise differs."""
    change = cv2.subtract(new, average)
    moved = np.abs(cv2.blur(change, (WINDOW_PX, WINDOW_PX)))
    low, high = (k * noise / WINDOW_PX for k in (STILL_UP_TO, MOVES_FROM))
    share = np.clip((moved - low) * ((1 - STEADY_SHARE) / (high - low)) + STEADY_SHARE, STEADY_SHARE, 1)
    average += share * change
