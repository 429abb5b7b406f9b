"""A prepared face: the folder `guise prepare face` writes and training reads.

dataset.json            facts: counts, sources, digest, the target's neutral and ranges (see `target_facts`)
train/000012.png        pictures, RGB: the square to learn, and `margin` pixels more on every side of it
train/points.npz        names and their points, float32 (n, 68, 2) in the square's pixels; `held_out/` likewise
contact_sheet.jpg       a sample of the kept pictures
report.txt              what was left out and why
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.datasets.face_moves import MoveOptions, draw_move
from models.features.face_lines import LineStyle, draw_face2face_lines, draw_lines
from models.features.face_points import LEFT_EYE, MIRROR, RIGHT_EYE, eye_distance, openings
from models.features.media.bad_media import BadMedia
from models.features.media.picture_files import read_picture_file
from models.features.retarget import neutral_of, target_facts
from models.features.types import Picture, Points
from models.prepare.arrays import read_arrays
from models.prepare.data_error import DataError
from models.prepare.face_facts import FaceFacts, read_face_facts
from models.training.family import TrainingData

TARGET_COPIES = 1500
"""Copies by which the augmented ranges of the target are measured."""


class FaceData(TrainingData[FaceFacts]):
    """Pairs of float (3, size, size) in -1..1, `lines` and `picture`, augmented by `moves`; with `details` also
    `weight`, (1, size, size), the weight of each pixel in the loss.

    `rare`: a frame with a rare opening of mouth or eyes is repeated up to so many times. `held_out` reads the part kept
    from training, without augmentation.
    """

    def __init__(
        self,
        folder: Path,
        size: int,
        style: LineStyle,
        *,
        moves: MoveOptions | None = None,
        details: float = 0.0,
        rare: int = 1,
        flip: bool = False,
        held_out: bool = False,
    ) -> None:
        self.facts = read_face_facts(folder)
        self.size = size
        self.style: LineStyle = style
        self.moves = moves or MoveOptions()
        self.details = details
        self.flip = flip
        self.margin = float(self.facts.margin) * size / self.facts.size
        self._folder = folder / ("held_out" if held_out else "train")
        names, points = read_arrays(self._folder / "points.npz", "names", "points")
        self.names = [str(name) for name in names]
        self.points: Points = points.astype(np.float32) * np.float32(size / self.facts.size)
        if not self.moves.still and len(self.names):
            self.facts = self.facts.model_copy(update={"target": self._reachable_target()})
        self._order = np.repeat(np.arange(len(self.names)), repetitions(self.points, rare))

    def __len__(self) -> int:
        return len(self._order)

    def _reachable_target(self) -> dict[str, object]:
        """The target's ranges including the augmentation, which the stage may use after training. In the pixels of the
        prepared pictures."""
        rng = np.random.default_rng(0)
        chosen = np.linspace(0, len(self.points) - 1, TARGET_COPIES).round().astype(int)
        copies = [draw_move(self.points[i], self.size, self.moves, rng).points(self.points[i]) for i in chosen]
        zoom = np.float32(self.facts.size / self.size)
        facts = target_facts(np.array(copies) * zoom, neutral_of(self.points * zoom))
        # The largest openings of eyes and mouth stay those that were filmed.
        return {**facts, "openings": self.facts.target["openings"]}

    def held_out(self) -> FaceData:
        """The held-out part of the same data."""
        return FaceData(self._folder.parent, self.size, self.style, details=self.details, held_out=True)

    def stored(self, index: int) -> Picture:
        """uint8 RGB, the square and its margin, at this data's size."""
        path = self._folder / self.names[index]
        try:
            picture = read_picture_file(path)
        except BadMedia as error:
            raise DataError(f"{path} cannot be read: prepare the data again") from error
        side = round(self.size + 2 * self.margin)
        if picture.shape[0] != side:
            shrinks = picture.shape[0] > side
            way = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
            picture = np.asarray(cv2.resize(picture, (side, side), interpolation=way), np.uint8)
        return picture

    def picture(self, index: int) -> Picture:
        """uint8 (size, size, 3) RGB: the square as filmed."""
        edge = round(self.margin)
        return np.ascontiguousarray(self.stored(index)[edge : edge + self.size, edge : edge + self.size])

    def lines(self, points: Points) -> Picture:
        """The drawing of points in picture pixels, in this data's style."""
        if self.style == "face2face":
            return draw_face2face_lines(points, (self.size, self.size), self.size)
        return draw_lines(points, self.size)

    def copy(self, sample: int) -> tuple[Picture, Points]:
        """Picture and points of pair `sample`, augmented; `sample` counts on through the epochs, so the augmentation
        differs between them and is reproducible."""
        index = int(self._order[sample % len(self)])
        points = self.points[index]
        if self.moves.still:
            picture = self.picture(index)
        else:
            move = draw_move(points, self.size, self.moves, np.random.default_rng([sample, 1]))
            picture, points = move.picture(self.stored(index), self.margin, self.size), move.points(points)
        if self.flip and np.random.default_rng(sample).random() < 0.5:
            picture = np.ascontiguousarray(picture[:, ::-1])
            points = (points * [-1, 1] + [self.size - 1, 0])[MIRROR].astype(np.float32)
        return picture, points

    def __getitem__(self, sample: int) -> dict[str, Tensor]:
        picture, points = self.copy(sample)
        pair = {"lines": _to_tensor(self.lines(points)), "picture": _to_tensor(picture)}
        if self.details:
            pair["weight"] = torch.from_numpy(detail_weight(points, self.size, self.details))[None]
        return pair


def repetitions(points: NDArray[np.float32], most: int) -> NDArray[np.int64]:
    """How often each of the frames, (n, 68, 2), appears in an epoch: once, or up to `most` times for rare openings of
    mouth or eyes. As flat as that allows over eight bins of each opening."""
    times = np.ones(len(points), np.int64)
    if most <= 1 or len(points) < 2:
        return times
    opened = np.array([openings(p) for p in points])
    for value in (opened[:, 0], opened[:, 1:].mean(1)):
        low, high = np.percentile(value, [1, 99])
        edges = np.linspace(low, high, 9)
        bins = np.clip(np.digitize(value, edges[1:-1]), 0, 7)
        count = np.bincount(bins, minlength=8)
        factor = len(points) / 8 / np.maximum(count, 1)
        times = np.maximum(times, np.clip(np.rint(factor[bins]), 1, most).astype(np.int64))
    return times


def detail_weight(points: Points, size: int, details: float) -> NDArray[np.float32]:
    """(size, size), 1 on average: eyes and mouth weigh `details` times more than the rest, with a soft border."""
    mask = np.zeros((size, size), np.float32)
    for part in (LEFT_EYE, RIGHT_EYE, slice(48, 60)):
        hull = cv2.convexHull(np.rint(points[part]).astype(np.int32))
        cv2.fillConvexPoly(mask, hull, 1.0)
    grown = max(1, round(0.12 * eye_distance(points)))
    grey = cv2.blur(cv2.dilate(mask, np.ones((2 * grown + 1, 2 * grown + 1), np.uint8)), (grown, grown))
    weight = 1 + details * np.asarray(grey, np.float32)
    return np.asarray(weight / weight.mean(), np.float32)


def _to_tensor(picture: Picture) -> Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1).float().mul_(2 / 255).sub_(1)
