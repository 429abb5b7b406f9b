"""How well a look paints the pairs that were held out from its training: the metrics of `guise evaluate face`, on
prepared pairs.

Drawings and pictures are those of the data, so there is no tracking and no retargeting: only the network is compared.
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
    """Medians over the pairs, against the real pictures. None: no face was found in any generated picture, or no two
    pictures are neighbours."""

    ssim: float
    l1: float
    expression: float | None
    """Distance of the points found to the points drawn, in eye distances."""
    sharpness: float
    """Relative to the real pictures: 1 is as sharp."""
    flicker: float | None
    """How much it changes from frame to frame, relative to the real pictures."""

    def as_dict(self) -> dict[str, float | None]:
        return {name: None if value is None else round(value, 4) for name, value in asdict(self).items()}


class HeldOutPairs:
    """The pairs held out from training, the first MAX_PAIRS of them, in order, because flicker needs neighbours."""

    def __init__(self, folder: Path, size: int, style: LineStyle) -> None:
        """Raises DataError, and models.features.face_points.LandmarkFileMissing."""
        data = FaceData(folder, size, style).held_out()
        self.digest = data.facts.digest
        """Of the whole data set, as training runs record it."""
        count = min(len(data), MAX_PAIRS)
        self._points: list[Points] = [data.points[i] for i in range(count)]
        self.lines: list[Picture] = [data.lines(points) for points in self._points]
        self._real: list[Picture] = [data.picture(i) for i in range(count)]
        numbers = [int("".join(filter(str.isdigit, name)) or -1) for name in data.names[:count]]
        self._neighbours = [i for i in range(1, count) if numbers[i] == numbers[i - 1] + 1]
        self._analyzer = FaceAnalyzer()

    def measure(self, pictures: Sequence[Picture]) -> HeldOutMetrics:
        """The metrics of the `pictures` that a look generated for `lines`, one each."""
        found = [self._analyzer.find_points(picture) for picture in pictures]
        expression_errors = [
            expression_error(p, asked) for p, asked in zip(found, self._points, strict=True) if p is not None
        ]
        pairs = list(zip(pictures, self._real, strict=True))
        return HeldOutMetrics(
            ssim=float(np.median([ssim(generated, real) for generated, real in pairs])),
            l1=float(np.median([l1(generated, real) for generated, real in pairs])),
            expression=float(np.median(expression_errors)) if expression_errors else None,
            sharpness=float(
                np.median([sharpness(generated) / max(sharpness(real), 1e-9) for generated, real in pairs])
            ),
            flicker=flicker(self._changes(pictures), self._changes(self._real)) if self._neighbours else None,
        )

    def _changes(self, pictures: Sequence[Picture]) -> list[float]:
        return [picture_change(pictures[i - 1], pictures[i]) for i in self._neighbours]
