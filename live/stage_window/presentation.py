"""How the stage shows a picture: mirrored, rotated, fitted. Without Qt; for both processes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

ROTATIONS = (0, 90, 180, 270)


class Fit(StrEnum):
    """How a picture fills an area of another shape."""

    CONTAIN = "contain"
    COVER = "cover"
    STRETCH = "stretch"


@dataclass(frozen=True, slots=True)
class Presentation:
    """How the stage shows a picture: mirrored first, then rotated clockwise by `rotation` degrees, then fitted."""

    mirror: bool = False
    rotation: int = 0
    fit: Fit = Fit.CONTAIN

    def rotated(self) -> Presentation:
        """The same, rotated by 90° more."""
        return replace(self, rotation=(self.rotation + 90) % 360)

    def with_next_fit(self) -> Presentation:
        """The same with the next Fit."""
        fits = list(Fit)
        return replace(self, fit=fits[(fits.index(self.fit) + 1) % len(fits)])
