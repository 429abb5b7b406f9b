"""A prepared face: the folder `guise prepare face` writes and training reads.

dataset.json            what it is: counts, sources, digest, the target's neutral and ranges (see `target_facts`)
train/000012_0.png      pictures, RGB; _0 is the frame as filmed, _1.. its copies at other scales and places
train/points.npz        names and their points, float32 (n, 68, 2) in the pictures' pixels; `held_out/` likewise
contact_sheet.jpg       a look at what was kept
report.txt              what was left out and why
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from models.features.face_lines import LineStyle, draw_face2face_lines, draw_lines
from models.features.face_points import MIRROR, Picture, Points
from models.prepare.data_error import DataError


class FaceData(Dataset[dict[str, Tensor]]):
    """Pairs of float (3, size, size) in -1..1: `lines` and `picture`. `held_out` reads the part kept from training."""

    def __init__(
        self, folder: Path, size: int, style: LineStyle, *, flip: bool = False, held_out: bool = False
    ) -> None:
        self.facts = read_facts(folder)
        self.size = size
        self.style: LineStyle = style
        self.flip = flip
        self._folder = folder / ("held_out" if held_out else "train")
        try:
            with np.load(self._folder / "points.npz", allow_pickle=False) as stored:
                self.names: list[str] = [str(name) for name in stored["names"]]
                self.points: Points = stored["points"].astype(np.float32) * np.float32(size / self.facts["size"])
        except (OSError, KeyError, ValueError) as error:
            raise DataError(
                f"{self._folder / 'points.npz'} cannot be read ({error}): prepare the data again"
            ) from error

    def __len__(self) -> int:
        return len(self.names)

    def held_out(self) -> FaceData:
        """The part of the same data that training does not see."""
        return FaceData(self._folder.parent, self.size, self.style, held_out=True)

    def picture(self, index: int) -> Picture:
        """uint8 (size, size, 3) RGB."""
        path = self._folder / self.names[index]
        stored = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if stored is None:
            raise DataError(f"{path} cannot be read: prepare the data again")
        picture = cv2.cvtColor(stored, cv2.COLOR_BGR2RGB)
        if picture.shape[0] != self.size:
            shrinks = picture.shape[0] > self.size
            picture = cv2.resize(
                picture, (self.size, self.size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
            )
        return np.asarray(picture, np.uint8)

    def lines(self, points: Points) -> Picture:
        """The drawing of points in picture pixels, in this data's style."""
        if self.style == "face2face":
            return draw_face2face_lines(points, (self.size, self.size), self.size)
        return draw_lines(points, self.size)

    def __getitem__(self, sample: int) -> dict[str, Tensor]:
        """Pair number `sample`, counted on through the epochs, so chance differs between them and repeats exactly."""
        index = sample % len(self)
        picture, points = self.picture(index), self.points[index]
        if self.flip and np.random.default_rng(sample).random() < 0.5:
            picture = np.ascontiguousarray(picture[:, ::-1])
            points = (points * [-1, 1] + [self.size - 1, 0])[MIRROR].astype(np.float32)
        return {"lines": _to_tensor(self.lines(points)), "picture": _to_tensor(picture)}


def read_facts(folder: Path) -> dict[str, Any]:
    """dataset.json of a prepared face; raises DataError with what to do."""
    path = folder / "dataset.json"
    try:
        facts = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise DataError(
            f"{folder} is not a prepared data set: make it with `guise prepare face VIDEO --out DIR`"
        ) from error
    except ValueError as error:
        raise DataError(f"{path} is damaged ({error}): prepare the data again") from error
    if not isinstance(facts, dict) or facts.get("kind") != "face":
        raise DataError(f"{path} is not a prepared face: pix2pix learns from `guise prepare face`")
    return facts


def _to_tensor(picture: Picture) -> Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1).float().mul_(2 / 255).sub_(1)
