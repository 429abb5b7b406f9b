"""Profiles: live reads what calibrate writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calibration.bench.unet import plain_face
from live.show.profile import BadProfile, Profile, in_pixels, read_profile

MIDDLE = np.array([80, 0], np.float32)
OPENINGS = {"mouth": (0.0, 0.1, 0.4), "left_eye": (0.1, 0.2, 0.25), "right_eye": (0.1, 0.2, 0.25)}


@pytest.fixture
def profile() -> Profile:
    return Profile.of_frame(
        plain_face(480) + MIDDLE, 640, 480, OPENINGS, camera='the "front" one\\', faces=291, measured="today"
    )


def test_a_profile_read_again_is_the_same(profile: Profile, tmp_path: Path) -> None:
    path = tmp_path / "anna.toml"
    path.write_text(profile.to_toml(), "utf-8")
    read = read_profile(path)
    assert np.abs(read.neutral - profile.neutral).max() < 1e-4
    assert (read.openings, read.camera, read.faces, read.measured) == (
        profile.openings,
        profile.camera,
        profile.faces,
        profile.measured,
    )


def test_the_neutral_scales_with_the_frame_and_stays_in_its_middle(profile: Profile) -> None:
    same = in_pixels(profile.neutral, 640, 480)
    assert np.abs(same - (plain_face(480) + MIDDLE)).max() < 0.01
    double = in_pixels(profile.neutral, 1280, 960)
    assert np.abs((double + 0.5) / 2 - (same + 0.5)).max() < 0.01
    wide = in_pixels(profile.neutral, 854, 480)
    assert np.abs(wide - same - [107, 0]).max() < 0.01


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda text: "", "has no [performer]"),
        (lambda text: text + "oops = 1\n", "unknown key 'oops'"),
        (lambda text: text.replace("neutral =", "neutrel ="), "did you mean neutral?"),
        (lambda text: text.replace("mouth = [0.0000,", "mouth = [0.9000,"), "mouth must be three numbers"),
        (lambda text: text.replace("neutral = [\n", "neutral = [[0.1, 0.1],\n"), "must be 68 pairs"),
        (lambda text: text.replace("faces = 291", "faces = -1"), "faces must be a whole number"),
        (lambda text: text + "[", "not TOML"),
    ],
)
def test_a_bad_profile_is_refused_in_one_line(profile: Profile, tmp_path: Path, change, complaint: str) -> None:
    path = tmp_path / "anna.toml"
    path.write_text(change(profile.to_toml()), "utf-8")
    with pytest.raises(BadProfile) as refused:
        read_profile(path)
    assert complaint in str(refused.value)
    assert "anna.toml" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_refusal_of_a_missing_profile_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(BadProfile, match="guise calibrate performer"):
        read_profile(tmp_path / "nobody.toml")
