"""Calibrating on a movie: the verb, the profile it writes, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import guise
from calibration.measure.performer import shown_name
from live.show.profile import in_pixels, read_profile
from models.features.face_points import eye_distance


def test_a_movie_of_a_face_gives_a_profile(footage: Path, tmp_path: Path) -> None:
    out = tmp_path / "man.toml"
    camera = str(footage / "talkerF_man_glasses_8s.mp4")
    assert (
        guise.main(["calibrate", "performer", "--camera", camera, "--seconds", "3", "--headless", "--out", str(out)])
        == 0
    )
    profile = read_profile(out)
    assert profile.camera == "talkerF_man_glasses_8s.mp4"
    assert profile.faces >= 5
    neutral = in_pixels(profile.neutral, 480, 480)
    assert 40 < eye_distance(neutral) < 160
    assert ((neutral > -20) & (neutral < 500)).all()
    low, middle, high = profile.openings["mouth"]
    assert 0 <= low <= middle <= high < 1
    assert np.isfinite(profile.neutral).all()


def test_a_movie_without_a_face_gives_none(footage: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "nobody.toml"
    camera = str(footage / "derived_nearblack_6s.mp4")
    assert guise.main(["calibrate", "performer", "--camera", camera, "--seconds", "1", "--out", str(out)]) == 2
    assert "a face was seen in 0 of" in capsys.readouterr().err
    assert not out.exists()


def test_a_profile_names_the_camera_without_folder_or_password() -> None:
    assert shown_name("rtsp://admin:s3cret@cam.local/live?token=t") == "rtsp://cam.local/live"
    assert shown_name("/films/take.mp4") == "take.mp4"
    assert shown_name("0") == "0"
