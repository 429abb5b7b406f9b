"""How well a look paints what was kept from its training: the measures of `guise evaluate face`, on prepared pairs.

Drawings and pictures are the data's own, so nobody is tracked and nothing retargeted: what differs is the network.
Offline; the data is read through torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from export.metrics.face import FaceAnalyzer, expression_error, flicker, l1, picture_change, sharpness, ssim
from models.datasets.face_data import FaceData
from models.features.face_lines import LineStyle
from models.features.types import Picture, Points

MAX_PAIRS = 80


@dataclass(frozen=True)
class HeldOutMetrics:
    """Medians over the pairs, against film; None: no face was found again, or no two pictures were neighbours."""

    ssim: float
    l1: float
    expression: float | None
    """Of the points found again to those asked for, in eye distances."""
    sharpness: float
    """Of film's: 1 is as sharp."""
    flicker: float | None
    """How much it changes from frame to frame, of what film does."""

    def as_dict(self) -> dict[str, float | None]:
        return {name: None if value is None else round(value, 4) for name, value in asdict(self).items()}


class HeldOutPairs:
    """The pairs kept from training, the first MAX_PAIRS of them; in their order, as flicker needs neighbours."""

    def __init__(self, folder: Path, size: int, style: LineStyle) -> None:
        """Raises DataError, and models.features.face_points.LandmarkFileMissing."""
        data = FaceData(folder, size, style).held_out()
        self.digest = data.facts.get("digest")
        """Of the whole data, as runs know it."""
        count = min(len(data), MAX_PAIRS)
        self._points: list[Points] = [data.points[i] for i in range(count)]
        self.lines: list[Picture] = [data.lines(points) for points in self._points]
        self._film: list[Picture] = [data.picture(i) for i in range(count)]
        numbers = [int("".join(filter(str.isdigit, name)) or -1) for name in data.names[:count]]
        self._neighbours = [i for i in range(1, count) if numbers[i] == numbers[i - 1] + 1]
        self._analyzer = FaceAnalyzer()

    def measure(self, painted: Sequence[Picture]) -> HeldOutMetrics:
        """Of what a look painted for `lines`, one picture each."""
        found = [self._analyzer.find_points(picture) for picture in painted]
        missed = [expression_error(p, asked) for p, asked in zip(found, self._points, strict=True) if p is not None]
        pairs = list(zip(painted, self._film, strict=True))
        return HeldOutMetrics(
            ssim=float(np.median([ssim(made, real) for made, real in pairs])),
            l1=float(np.median([l1(made, real) for made, real in pairs])),
            expression=float(np.median(missed)) if missed else None,
            sharpness=float(np.median([sharpness(made) / max(sharpness(real), 1e-9) for made, real in pairs])),
            flicker=flicker(self._changes(painted), self._changes(self._film)) if self._neighbours else None,
        )

    def _changes(self, pictures: Sequence[Picture]) -> list[float]:
        return [picture_change(pictures[i - 1], pictures[i]) for i in self._neighbours]
