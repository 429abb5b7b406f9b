"""Copies of one clip without loss, in all the ways in which footage is stored: rendered, they look like the plain one.

Slow: pytest -m slow tests/live/movie/test_copies.py -s   prints the figures. Needs ffmpeg with zscale.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from live.movie.render import render
from live.picture.sources.movie_frames import FileFrames
from models.features.types import Picture
from tests.models.features.media.films import set_display_matrix

SECONDS = "1"
H264 = ("-c:v", "libx264", "-qp", "0", "-preset", "ultrafast")
HDR = "zscale=matrix=2020_ncl:primaries=2020:transfer={}:npl=203,format=yuv420p10le"
H265 = "lossless=1:log-level=error:colorprim=bt2020:colormatrix=bt2020nc:transfer={}"
COPIES: dict[str, tuple[str, Sequence[str]]] = {
    "anamorphic, 4:3": ("scale=iw*3/4:ih,setsar=4/3", H264),
    "anamorphic, 3:4": ("scale=iw:ih*3/4,setsar=3/4", H264),
    "BT.601": ("zscale=matrix=170m,setparams=colorspace=smpte170m", H264),
    "full range": ("zscale=range=full,setparams=range=pc", H264),
    "RGB": ("format=gbrp", ("-c:v", "ffv1")),
    "4:4:4, 10 bits": ("format=yuv444p10", H264),
    "HLG": (
        HDR.format("arib-std-b67"),
        ("-c:v", "libx265", "-x265-params", H265.format("arib-std-b67")),
    ),
    "PQ": (HDR.format("smpte2084"), ("-c:v", "libx265", "-x265-params", H265.format("smpte2084"))),
}
TURNED = {
    "turned by 90": ("transpose=2", (0, 1, -1, 0)),
    "turned by 180": ("hflip,vflip", (-1, 0, 0, -1)),
    "turned by 270": ("transpose=1", (0, -1, 1, 0)),
    "mirrored": ("hflip", (-1, 0, 0, 1)),
    "upside down": ("vflip", (1, 0, 0, -1)),
}


@pytest.mark.slow
@pytest.mark.parametrize("clip", ["talkerH_woman_720p_9s.mp4", "talkerF_man_glasses_8s.mp4"])
def test_copies_render_like_the_plain_one(footage: Path, tmp_path: Path, clip: str) -> None:
    if shutil.which("ffmpeg") is None:
        pytest.skip("needs ffmpeg")
    tags = "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv"
    plain = _copy(footage / clip, tmp_path / "plain.mp4", f"scale=out_color_matrix=bt709:out_range=tv,{tags}", H264)
    expected = _rendered(plain)
    errors = {}
    for name, (chain, coding) in COPIES.items():
        errors[name] = _difference(expected, _rendered(_copy(plain, tmp_path / "copy.mkv", chain, coding)))
    for name, (chain, matrix) in TURNED.items():
        copy = set_display_matrix(_copy(plain, tmp_path / "copy.mp4", chain, H264), *matrix)
        errors[name] = _difference(expected, _rendered(copy))
    for name, (mean, shift) in errors.items():
        print(f"{clip[:7]} {name}: {mean:.2f} of 255, {shift:.2f} px")
    for name, (mean, shift) in errors.items():
        assert mean < (8 if name in ("HLG", "PQ") else 2), name
        assert shift < 1, name


def _copy(source: Path, path: Path, chain: str, coding: Sequence[str]) -> Path:
    command = ["ffmpeg", "-v", "error", "-y", "-i", source, "-t", SECONDS, "-an", "-vf", chain, *coding, path]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return path


def _rendered(video: Path) -> list[Picture]:
    out = video.with_name("rendered.mp4")
    render(video, out)
    return [frame.picture for frame in FileFrames(out) if frame.index % 3 == 0]


def _difference(expected: list[Picture], pictures: list[Picture]) -> tuple[float, float]:
    """Mean of 255, and how far the picture lies elsewhere in pixels."""
    assert [each.shape for each in pictures] == [each.shape for each in expected]
    mean = np.mean([np.abs(a.astype(int) - b).mean() for a, b in zip(expected, pictures, strict=True)])
    greys = [cv2.cvtColor(each[0], cv2.COLOR_RGB2GRAY).astype(np.float64) for each in (expected, pictures)]
    return float(mean), float(np.linalg.norm(cv2.phaseCorrelate(*greys)[0]))
