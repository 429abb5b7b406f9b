"""A picture on its way to the audience or to the operator's preview, with its kind and times. Used in every process."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from models.features.types import Picture, Points


class FrameKind(IntEnum):
    """What kind of picture it is."""

    GENERATED = 0
    HELD = 1
    """The face is lost: the last generated picture, repeated."""
    SAFE = 2
    BYPASS = 3
    PREVIEW = 4

    @property
    def is_new(self) -> bool:
        """Newly made for the audience; a held or a safe picture is not."""
        return self in (FrameKind.GENERATED, FrameKind.BYPASS)


@dataclass(frozen=True, slots=True)
class StagePicture:
    """RGB uint8 (height, width, 3); times by now().

    index: of the frame it was made from. points: the performer's, (68, 2) in pixels of the picture, in a preview.
    """

    picture: Picture
    kind: FrameKind
    captured_at: float
    ready_at: float
    index: int
    points: Points | None = None
