"""How far a look's points move from frame to frame when a still face is filmed in noise.

`python -P -m tests.bench.steadiness [TALKER ...]`: the picture at 2 s of each talker (C F H I S K unless named), looped
for 4 s with ffmpeg's noise, also dimmed to 40 %; the points that the demo's first look is given, in pixels of 256.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.bench.table import Row, print_table
from export.artifact.model_file import read_manifest
from live.picture.sources.movie_frames import FileFrames
from live.picture.tracker import Tracker
from models.features.face_points import FacePoints
from models.features.retarget import Retarget, RunningNeutral
from tests.conftest import DATA

LOOK = Path("live/demo/looks/porcelain.onnx")
DIMMED = "colorlevels=romax=0.4:gomax=0.4:bomax=0.4,"
LIMITS = {(12, False): (0.2, 0.6), (12, True): (0.4, 1.2), (25, False): (0.5, None), (25, True): (0.5, None)}
"""By ffmpeg's `alls` and whether it is dimmed: the mean and the 95th percentile allowed, px of 256."""


def run(talkers: str) -> None:
    finder = FacePoints()
    rows = []
    for talker in talkers:
        video = next((DATA / "video").glob(f"talker{talker}_*.mp4"))
        for (noise, dimmed), (mean_limit, p95_limit) in LIMITS.items():
            moved, lost = moved_in_noise(finder, video, noise, dimmed)
            title = f"{talker}, alls={noise}{', dimmed' if dimmed else ''}"
            if not moved.size:
                rows.append(Row(title, f"no face in {lost} frames", "or no face", True))
                continue
            mean, p95 = float(moved.mean()), float(np.percentile(moved, 95))
            limit = f"<= {mean_limit}" + (f", {p95_limit}" if p95_limit else "")
            held = mean <= mean_limit and (p95_limit is None or p95 <= p95_limit)
            rows.append(Row(title, f"{mean:.2f}, p95 {p95:.2f}, lost {lost}", limit, held))
    print_table("steadiness: px of 256 from frame to frame, 4 s", rows)


def moved_in_noise(finder: FacePoints, video: Path, noise: int, dimmed: bool) -> tuple[NDArray[np.float32], int]:
    """How far each point moved from frame to frame, px of 256, and the frames without a face."""
    manifest = read_manifest(LOOK)
    assert manifest.target is not None
    retarget, neutral, tracker = Retarget(manifest.target.model_dump()), RunningNeutral(), Tracker(finder)
    shown = []
    with tempfile.TemporaryDirectory() as folder:
        for frame in FileFrames(_noisy(video, Path(folder), noise, dimmed)):
            found = tracker.update(frame)
            if found is None:
                shown.append(np.full((68, 2), np.nan))
            else:
                shown.append(retarget(found.points, neutral.update(found.points, frame.captured_at)))
    moved = np.linalg.norm(np.diff(np.array(shown), axis=0), axis=2)
    return moved[~np.isnan(moved)], tracker.lost_frames


def _noisy(video: Path, folder: Path, noise: int, dimmed: bool) -> Path:
    still, movie = folder / "still.png", folder / "noisy.mp4"
    ffmpeg = ["ffmpeg", "-v", "error", "-y"]
    subprocess.run([*ffmpeg, "-ss", "2", "-i", str(video), "-frames:v", "1", str(still)], check=True)
    looped = ["-loop", "1", "-framerate", "30", "-t", "4", "-i", str(still)]
    filtered = ["-vf", f"{DIMMED if dimmed else ''}format=yuv420p,noise=alls={noise}:allf=t", "-qp", "8"]
    subprocess.run([*ffmpeg, *looped, *filtered, "-preset", "ultrafast", str(movie)], check=True)
    return movie


if __name__ == "__main__":
    run("".join(sys.argv[1:]) or "CFHISK")
