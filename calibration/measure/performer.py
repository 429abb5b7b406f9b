"""`guise calibrate performer`: some seconds in front of the camera -> the performer's face at rest, and how far it
opens.

Opens the camera as the picture engine does, tracks the face with the same tracker, and keeps no picture. Runs in the
calling thread; the camera has its own.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from calibration.measure.estimate import opening_ranges
from live.demo import stand_in_performer
from live.picture.sources.registry import open_source
from live.picture.sources.source import Source, SourceOptions
from live.picture.sources.url import UrlSource, public_url
from live.picture.tracker import Tracker
from live.process.frames import Frame, now
from live.show.profile import Profile
from models.features.face_points import FacePoints
from models.features.retarget import neutral_of
from models.features.types import Points

MIN_FACES = 30
"""With less than a second's worth of faces a median says nothing."""
MIN_FACE_SHARE = 0.5
"""The share of pictures that must show a face; with less, the light or the place is wrong."""
NO_PICTURE_S, NO_PICTURE_OF_URL_S = 8.0, 30.0
"""After so long without a picture the measurement is given up: a network camera may take its time, and is tried again
with more patience."""

PerformerProgress = Callable[[float, int], None]
"""(seconds measured, faces found)"""


class NotCalibrated(Exception):
    """No profile could be measured; the message is one line that says what to change."""


def measure_performer(camera: str, seconds: float, progress: PerformerProgress | None = None) -> Profile:
    """Records for `seconds` and returns the profile.

    Raises NotCalibrated, live.picture.sources.movie_frames.BadSource, models.features.face_points.LandmarkFileMissing.
    """
    source = open_source(camera, SourceOptions(performer=stand_in_performer))
    source.start()
    try:
        points, frames, size = _track(source, seconds, progress)
    finally:
        source.close()
    if len(points) < min(MIN_FACES, max(frames, 1)) or len(points) < MIN_FACE_SHARE * frames:
        raise NotCalibrated(
            f"a face was seen in {len(points)} of {frames} pictures of {source.name}: "
            "sit alone before the camera, in even light, and look at it"
        )
    all_points = np.array(points, np.float32)
    return Profile.of_frame(
        neutral_of(all_points),
        *size,
        opening_ranges(all_points),
        camera=shown_name(camera),
        faces=len(points),
        measured=datetime.date.today().isoformat(),
    )


def _track(
    source: Source, seconds: float, progress: PerformerProgress | None
) -> tuple[list[Points], int, tuple[int, int]]:
    """The points of every face found, the number of frames, and their width and height. Raises NotCalibrated."""
    tracker = Tracker(FacePoints())
    points: list[Points] = []
    frames, size = 0, (0, 0)
    for frame, first_at in _frames(source, seconds):
        shape = frame.picture.shape[1], frame.picture.shape[0]
        if size != (0, 0) and shape != size:
            raise NotCalibrated(f"the size of {source.name}'s picture changed while measuring: try again")
        size = shape
        frames += 1
        tracked = tracker.update(frame)
        if tracked is not None:
            points.append(tracked.points)
        if progress is not None:
            progress(now() - first_at, len(points))
    return points, frames, size


def _frames(source: Source, seconds: float) -> Iterator[tuple[Frame, float]]:
    """Every frame for `seconds` from the first one on, and when the first one came. Raises NotCalibrated."""
    newest_at = now()
    first_at: float | None = None
    while first_at is None or now() - first_at < seconds:
        frame = source.mailbox.take(0.1)
        if frame is None:
            source.watch()
            if now() - newest_at > (NO_PICTURE_OF_URL_S if isinstance(source, UrlSource) else NO_PICTURE_S):
                raise NotCalibrated(f"no picture from {source.name}: {source.error or 'it does not answer'}")
            continue
        newest_at = now()
        if first_at is None:
            first_at = newest_at
        yield frame, first_at


def shown_name(camera: str) -> str:
    """As the profile names it: no folder, and nothing secret."""
    if "://" in camera:
        return public_url(camera)
    return Path(camera).name if "/" in camera else camera
