"""The performer's profile: what `guise calibrate performer` measured and `guise live --profile` reads.

    [performer]
    measured = "2025-01-31"                 # the day; for people
    camera = "0"
    faces = 291                             # the number of pictures that the medians are of
    neutral = [[-0.121, 0.043], ...]        # 68 points x, y from the picture's middle, in heights of the picture
    [performer.openings]                    # 5th, 50th, 95th percentile, in distances of the eyes
    mouth = [0.01, 0.02, 0.31]
    left_eye = [0.08, 0.11, 0.13]
    right_eye = [0.08, 0.11, 0.13]

Heights from the middle, because both stay the same when a camera is set to another size, or to 16:9 instead of 4:3.
May be called from any thread.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from live.show.toml_file import BadTomlFile, quoted, read_toml_file
from models.features.face_points import MIRROR, POINTS
from models.features.types import Points

MAX_BYTES = 100_000
OPENINGS = ("mouth", "left_eye", "right_eye")
_KEYS = ("measured", "camera", "faces", "neutral", "openings")


class BadProfile(Exception):
    """The profile cannot be used; the message is one line: the file, what is wrong, what was expected."""


@dataclass(frozen=True)
class Profile:
    """A measured performer.

    neutral: float32 (68, 2), from the picture's middle, in heights of the picture, as in PictureSettings.neutral.
    openings: 5th, 50th and 95th percentile by the names of OPENINGS, in distances of the eyes.
    """

    neutral: Points
    openings: dict[str, tuple[float, float, float]]
    camera: str = ""
    faces: int = 0
    measured: str = ""

    @staticmethod
    def of_frame(
        neutral: Points,
        width: int,
        height: int,
        openings: dict[str, tuple[float, float, float]],
        *,
        camera: str = "",
        faces: int = 0,
        measured: str = "",
    ) -> Profile:
        """A profile from neutral points measured in the pixels of a frame, (68, 2)."""
        return Profile(in_heights(neutral, width, height), openings, camera, faces, measured)

    def to_toml(self) -> str:
        """The file's text; `read_profile` returns the same profile, to a ten-thousandth of the height."""
        points = ",\n    ".join(f"[{x:.5f}, {y:.5f}]" for x, y in self.neutral.tolist())
        ranges = "\n".join(f"{name} = [{', '.join(f'{v:.4f}' for v in self.openings[name])}]" for name in OPENINGS)
        return (
            "# Made by `guise calibrate performer`; `guise live --profile FILE` reads it.\n"
            "[performer]\n"
            f"measured = {quoted(self.measured)}\n"
            f"camera = {quoted(self.camera)}\n"
            f"faces = {self.faces}\n"
            "# 68 points x, y of the face at rest, from the picture's middle, in heights of the picture.\n"
            f"neutral = [\n    {points},\n]\n\n"
            "# How far mouth and eyes open: 5th, 50th, 95th percentile, in distances of the eyes.\n"
            f"[performer.openings]\n{ranges}\n"
        )


def in_pixels(neutral: Points, width: int, height: int) -> Points:
    """A profile's neutral, as in PictureSettings, in the pixels of a frame of this size, float32 (68, 2)."""
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    return np.asarray(neutral * height + middle, np.float32)


def in_heights(points: Points, width: int, height: int) -> Points:
    """Points in the pixels of a frame of this size, as in a profile, float32 (68, 2); the inverse of `in_pixels`."""
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    return np.asarray((points - middle) / height, np.float32)


def mirrored(neutral: Points) -> Points:
    """A profile's neutral mirrored, as a camera whose picture is mirrored would have measured it, float32 (68, 2)."""
    return np.asarray((neutral * np.array([-1, 1]))[MIRROR], np.float32)


def read_profile(path: str | Path) -> Profile:
    """Read and check a profile. Raises BadProfile."""
    file = Path(path)
    try:
        document, _ = read_toml_file(file, "profile", MAX_BYTES, "; make one with `guise calibrate performer`")
    except BadTomlFile as error:
        raise BadProfile(str(error)) from None
    try:
        return _profile(document)
    except (ValueError, OverflowError) as error:  # OverflowError: a whole number that no float can hold
        raise BadProfile(f"{file}: {error}") from None


def _profile(document: dict[str, object]) -> Profile:
    _check_keys(document, ("performer",), "")
    performer = document.get("performer")
    if not isinstance(performer, dict):
        raise ValueError("has no [performer]; make it again with `guise calibrate performer`")
    _check_keys(performer, _KEYS, "[performer] ")
    for key in ("neutral", "openings"):
        if key not in performer:
            raise ValueError(f"[performer] has no {key}; make it again with `guise calibrate performer`")
    neutral = performer["neutral"]
    if not (isinstance(neutral, list) and len(neutral) == POINTS and all(_are_numbers(point, 2) for point in neutral)):
        raise ValueError(f"neutral must be {POINTS} pairs of numbers")
    points = np.array(neutral, np.float32)
    if np.abs(points).max() > 10 or float(np.ptp(points, axis=0).min()) < 1e-3:
        raise ValueError(
            "neutral is no face: its points must lie about the picture's middle, in heights of the picture"
        )
    openings = performer["openings"]
    if not isinstance(openings, dict):
        raise ValueError("openings must be a table [performer.openings]")
    _check_keys(openings, OPENINGS, "[performer.openings] ")
    ranges = {}
    for name in OPENINGS:
        given = openings.get(name)
        if not isinstance(given, list) or not _are_numbers(given, 3) or sorted(given) != given:
            raise ValueError(f"openings: {name} must be three numbers that do not decrease")
        ranges[name] = (float(given[0]), float(given[1]), float(given[2]))
    faces, camera, measured = (
        performer.get(key, default) for key, default in (("faces", 0), ("camera", ""), ("measured", ""))
    )
    if not isinstance(faces, int) or isinstance(faces, bool) or faces < 0:
        raise ValueError("faces must be a whole number")
    if not isinstance(camera, str) or not isinstance(measured, str):
        raise ValueError("camera and measured must be texts")
    return Profile(points, ranges, camera, faces, measured)


def _check_keys(table: dict[str, object], keys: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in keys:
            near = difflib.get_close_matches(key, keys, 1)
            hint = f"did you mean {near[0]}?" if near else f"expected {', '.join(keys)}"
            raise ValueError(f"{where}has an unknown key {key!r}: {hint}")


def _are_numbers(value: object, count: int) -> bool:
    return (
        isinstance(value, list)
        and len(value) == count
        and all(isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v) for v in value)
    )
