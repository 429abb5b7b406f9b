"""The cost of dropout on stage: how much a look's picture changes from frame to frame with it and without.

face2face-demo froze its generators with dropout on. Here the generator of a trained run paints the frames of a movie
both ways, in torch, through the stage's tracker and retargeting.

    python -m tests.bench.dropout RUN MOVIE [--frames 200]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import nn

from calibration.evaluate.driven_look import track_clip
from export.metrics.face import aligned_crop, picture_change
from models.features.face_lines import draw_lines
from models.features.retarget import Retarget
from models.training.checkpoint import load_run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("movie", type=Path)
    parser.add_argument("--frames", type=int, default=200)
    arguments = parser.parse_args()
    loaded = load_run(arguments.run)
    plan = loaded.run.family.freeze(loaded.networks, loaded.run.options, loaded.run.facts)
    target, size = plan.manifest["target"], plan.manifest["size"]
    clip, retarget = track_clip(arguments.movie.stem, arguments.movie), Retarget(target)
    wanted = np.array(target["neutral"], np.float32)

    changes: dict[str, list[float]] = {"off": [], "on": [], "filmed": []}
    last: dict[str, np.ndarray] = {}
    for number, (_, frame, points) in enumerate(clip.frames()):
        if number == arguments.frames:
            break
        lines = torch.from_numpy(draw_lines(retarget(points, clip.neutral), size))[None]
        shown = {"filmed": aligned_crop(frame.picture, clip.neutral, wanted, size)}
        for name, on in (("off", False), ("on", True)):
            for module in plan.module.modules():
                if isinstance(module, nn.Dropout):
                    module.train(on)
            with torch.no_grad():
                shown[name] = plan.module(lines)[0].numpy()
        for name, picture in shown.items():
            if name in last:
                changes[name].append(picture_change(last[name], picture))
        last = shown
    filmed = float(np.mean(changes["filmed"]))
    for name in ("off", "on"):
        changed = float(np.mean(changes[name]))
        print(
            f"dropout {name}: a pixel changes by {changed:.2f} of 255 a frame, {changed / filmed:.2f} x what was filmed"
        )


if __name__ == "__main__":
    main()
