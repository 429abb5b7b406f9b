"""A picture file as an array, and an array as a picture file. Runs in the calling thread and waits for the disk.

OpenCV is loaded by the functions: the operator's process imports this before its window is there.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.features.media.bad_media import BadMedia
from models.features.media.picture_size import check_picture_file
from models.features.types import Picture


def read_picture_file(path: Path) -> Picture:
    """RGB, uint8 (h, w, 3), from PNG, JPEG, WebP or BMP; upright. Raises BadMedia, also for a picture that would take
    seconds and gigabytes."""
    import cv2

    check_picture_file(path)
    try:
        raw: NDArray[np.uint8] = np.fromfile(path, np.uint8)
        picture = cv2.imdecode(raw, cv2.IMREAD_COLOR_RGB) if raw.size else None
    except (OSError, cv2.error) as error:
        raise BadMedia(f"{path} cannot be read as a picture") from error
    if picture is None:
        raise BadMedia(f"{path} cannot be read as a picture")
    return np.asarray(picture, np.uint8)


def write_picture_file(path: Path, picture: Picture) -> None:
    """Writes RGB, uint8 (h, w, 3), in the format that the name ends with. Raises OSError, also for a full disk."""
    path.write_bytes(encode_picture(picture, path.suffix))  # not imwrite, which does not report a full disk


def encode_picture(picture: Picture, suffix: str) -> bytes:
    """RGB, uint8 (h, w, 3), as the file whose name would end with `suffix`. Raises OSError."""
    import cv2

    done, data = cv2.imencode(suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    if not done:
        raise OSError(f"the picture could not be encoded as {suffix}")
    return data.tobytes()
