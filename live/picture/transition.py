"""From one look to the next: a cut, or a dissolve in which both looks perform.

Runs on the picture engine's loop. While dissolving, both looks run if both fit into one frame's time; otherwise they
alternate and the newest picture of each is blended, so that the frame rate holds. Pictures of different sizes are
placed on a common canvas, as high as the higher and wide enough for both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

import cv2
import numpy as np

from live.process.stage_picture import FrameKind
from models.features.geometry import letterbox
from models.features.types import Picture

T = TypeVar("T")

BUDGET_SHARE = 0.8
"""The share of a frame's time that both looks together may take."""
MAX_CANVAS_HEIGHT_PX = 1080
MAX_CANVAS_WIDTH_PX = 1920
RAW_FIRST = (FrameKind.BYPASS, FrameKind.GENERATED, FrameKind.HELD, FrameKind.SAFE)
"""A blend of two kinds is of the one that comes first here: what holds something of the raw picture is raw."""


class Rendered(NamedTuple):
    """What a look shows in one frame, the kind of that picture, and the seconds that it took."""

    picture: Picture
    kind: FrameKind
    took_s: float


class Blender:
    """Blends two pictures of any sizes into buffers it keeps. A result is valid until the next call."""

    def __init__(self) -> None:
        self._canvases: dict[tuple[tuple[int, ...], tuple[int, ...]], tuple[Picture, Picture]] = {}
        self._out: dict[tuple[int, ...], Picture] = {}

    def blend(self, old: Picture, new: Picture, share: float) -> Picture:
        """`share` of `new` over `old`; neither is changed."""
        if share <= 0:
            return old
        if share >= 1:
            return new
        if old.shape != new.shape:
            old, new = self._on_common_canvas(old, new)
        out = self._buffer(old.shape)
        cv2.addWeighted(old, 1 - share, new, share, 0, dst=out)
        return out

    def darken(self, picture: Picture, share: float) -> Picture:
        """`picture`, `share` of the way to black."""
        if share <= 0:
            return picture
        out = self._buffer(picture.shape)
        cv2.convertScaleAbs(picture, dst=out, alpha=1 - share)
        return out

    def _buffer(self, shape: tuple[int, ...]) -> Picture:
        if shape not in self._out:
            self._out = {shape: np.empty(shape, np.uint8)}
        return self._out[shape]

    def _on_common_canvas(self, old: Picture, new: Picture) -> tuple[Picture, Picture]:
        key = old.shape, new.shape
        if key not in self._canvases:
            height = min(max(old.shape[0], new.shape[0]), MAX_CANVAS_HEIGHT_PX)
            width = max(round(p.shape[1] * height / p.shape[0]) for p in (old, new))
            width = min(width, MAX_CANVAS_WIDTH_PX)
            shape = (height, width, 3)
            self._canvases = {key: (np.zeros(shape, np.uint8), np.zeros(shape, np.uint8))}
        canvases = self._canvases[key]
        for picture, canvas in zip((old, new), canvases, strict=True):
            letterbox(picture, canvas)
        return canvases


class Transition(Generic[T]):
    """Decides which of two looks perform in a frame, and blends their pictures.

    `T` is the look. The callable passed to `perform` renders a look's picture; it is called at most once per look and
    frame.
    """

    def __init__(self) -> None:
        self._blender = Blender()
        self._old: T | None = None
        self._old_shown: Rendered | None = None
        self._new_shown: Rendered | None = None
        self._started_at_s = 0.0
        self._length_s = 0.0
        self._new_turn = False
        self._cost_s: dict[int, float] = {}

    @property
    def old(self) -> T | None:
        """The look that is fading out, if any."""
        return self._old

    def begin(self, old: T | None, length_s: float, t_s: float) -> None:
        """Fades `old` out within `length_s`; 0 cuts. A dissolve in progress is cut short."""
        self._old = old if length_s > 0 else None
        self._old_shown = self._new_shown if self._old is not None else None
        self._new_shown = None
        self._started_at_s, self._length_s, self._new_turn = t_s, length_s, False

    def share(self, t_s: float) -> float:
        """The share of the new look: 1 when nothing is dissolving."""
        if self._old is None:
            return 1.0
        return min(max((t_s - self._started_at_s) / self._length_s, 0.0), 1.0)

    def perform(
        self, new: T, render: Callable[[T], Rendered], t_s: float, frame_period_s: float
    ) -> tuple[Picture, FrameKind]:
        """The picture of this frame, and its kind. `frame_period_s` is the time available for a frame. Errors of
        `render` propagate."""
        share = self.share(t_s)
        old = self._old
        if old is not None and share >= 1:
            self._cost_s.pop(id(old), None)
            old = self._old = self._old_shown = None
        if old is None:
            self._new_shown = self._render(new, render)
            return self._new_shown.picture, self._new_shown.kind
        # A look that has not performed yet is assumed to cost as much as the other: measuring it may cost a frame.
        costs = [self._cost_s[id(look)] for look in (old, new) if id(look) in self._cost_s]
        both = 2 * max(costs, default=frame_period_s) <= BUDGET_SHARE * frame_period_s
        self._new_turn = not self._new_turn
        if both or self._new_shown is None or self._new_turn:
            self._new_shown = self._render(new, render)
            fresh_new = True
        else:
            fresh_new = False
        if self._old_shown is None or both or not fresh_new:
            self._old_shown = self._render(old, render)
        blend = self._blender.blend(self._old_shown.picture, self._new_shown.picture, share)
        return blend, _mixed(self._old_shown.kind, self._new_shown.kind, share)

    def _render(self, look: T, render: Callable[[T], Rendered]) -> Rendered:
        shown = render(look)
        before = self._cost_s.get(id(look), shown.took_s)
        self._cost_s[id(look)] = before + 0.2 * (shown.took_s - before)
        if len(self._cost_s) > 8:
            self._cost_s = {key: self._cost_s[key] for key in list(self._cost_s)[-4:]}
        return shown


def _mixed(old: FrameKind, new: FrameKind, share: float) -> FrameKind:
    """The kind of a blend with this share of the new picture."""
    return old if share <= 0 else min(old, new, key=RAW_FIRST.index)
