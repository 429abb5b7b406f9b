"""What picture engines share from birth: imported in the fork server, before it has a session or a thread.

The landmark file (95 MB of regression trees) is read once here, and the children see the same memory.
Importing must start no thread: a fork copies only the thread that forks, and a lock held by another stays
locked for ever.
"""

from __future__ import annotations

import os
from pathlib import Path

# BLAS would start a thread per core with numpy; nothing on the stage multiplies large matrices.
for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import av  # noqa: E402, F401
import cv2  # noqa: E402

import export.runtime.session  # noqa: E402, F401
import models.features.retarget  # noqa: E402, F401
from models.features.face_points import FacePoints, LandmarkFileMissing, landmark_file  # noqa: E402

cv2.setNumThreads(1)

_preloaded: dict[Path, FacePoints] = {}


def _preload() -> None:
    try:
        path = landmark_file()
        _preloaded[path] = FacePoints(path)
    except LandmarkFileMissing:
        return  # The engine says so, where somebody hears it.


def take_face_points(landmarks: Path | None = None) -> FacePoints:
    """The detector and predictor loaded at birth, for one user; a second one, or another file, is loaded now.

    Raises LandmarkFileMissing.
    """
    path = landmarks or landmark_file()
    return _preloaded.pop(path, None) or FacePoints(path)


_preload()
