"""A prepared face without footage: drawn pictures, enough for the loop."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from models.features.retarget import neutral_of, target_facts


def write_face(folder: Path, size: int = 64, pictures: int = 10, held_out: int = 2) -> Path:
    """A disc of another colour at each picture's points."""
    rng = np.random.default_rng(0)
    points = (rng.uniform(12, 52, (68, 2)) + rng.normal(0, 2, (pictures + held_out, 1, 2))) * size / 64
    for part, count in (("train", pictures), ("held_out", held_out)):
        (folder / part).mkdir(parents=True)
        names = [f"{i:06d}.png" for i in range(count)]
        for i, name in enumerate(names):
            picture = np.full((size, size, 3), 60 + 10 * (i % 12), np.uint8)
            cv2.circle(picture, tuple(int(v) for v in points[i].mean(0)), size // 4, (200, 120, 90), -1)
            cv2.imwrite(str(folder / part / name), picture)
        np.savez(folder / part / "points.npz", names=np.array(names), points=points[:count].astype(np.float32))
    seen = points[:pictures].astype(np.float32)
    target = target_facts(seen, neutral_of(seen))
    facts = {"kind": "face", "name": "drawn", "size": size, "target": target, "digest": "0"}
    (folder / "dataset.json").write_text(json.dumps(facts))
    return folder
