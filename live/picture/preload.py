"""What picture engines share from the start: imported in the fork server, before it has a session or a thread.

The landmark file (95 MB of regression trees) is read once here, and the children share its memory. Importing this
module must start no thread: a fork copies only the forking thread, and a lock held by another thread would stay locked
for ever.
"""

from __future__ import annotations

import os
from pathlib import Path

# With numpy BLAS would start a thread per core; nothing in live multiplies large matrices.
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
        return  # The engine reports it to the operator.


def take_face_points(landmarks: Path | None = None) -> FacePoints:
    """The detector and predictor loaded by the fork server, for one user; a second user, or another file, loads its
    own.

    Raises LandmarkFileMissing.
    """
    path = landmarks or landmark_file()
    return _preloaded.pop(path, None) or FacePoints(path)


_preload()
