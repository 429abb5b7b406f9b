"""One little scene, written in all the ways in which cameras and editors write pictures."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame

from models.features.types import Picture

WIDTH, HEIGHT, FRAMES = 240, 160, 4
_ONE = 1 << 16


def scene(number: int = 0) -> Picture:
    """Smooth colours from dark to bright, none of them beyond 235, and a patch that moves and tells the sides apart."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] / [[[HEIGHT]], [[WIDTH]]]
    picture = np.stack([30 + 200 * x, 40 + 180 * y, 60 + 120 * (x + y) / 2], 2)
    cv2.rectangle(picture, (20 + 4 * number, 12), (70 + 4 * number, 50), (200, 60, 40), -1)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 3), np.uint8)


def write_film(
    path: Path,
    pictures: list[Picture],
    pixel_format: str = "yuv444p",
    *,
    codec: str = "ffv1",
    matrix: int = 1,
    full_range: bool = False,
    transfer: int = 1,
    primaries: int = 1,
    aspect: Fraction = Fraction(1),
    stamps_s: list[float] | None = None,
    untagged: bool = False,
) -> Path:
    """Without loss. `matrix`, `transfer` and `primaries` are FFmpeg's numbers; the pictures are coded in them
    already."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=25, options={"qp": "0"} if codec == "libx264" else {})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt, context = pixel_format, stream.codec_context
        context.sample_aspect_ratio = aspect
        if codec != "mpeg2video":
            context.time_base = Fraction(1, 1000)
        if not untagged:
            context.colorspace, context.color_range = matrix, 2 if full_range else 1
            context.color_trc, context.color_primaries = transfer, primaries
        for number, picture in enumerate(pictures):
            frame = _coded(picture, pixel_format, matrix, full_range)
            if not untagged:
                frame.color_trc, frame.color_primaries = transfer, primaries
            stamp_s = number / 25 if stamps_s is None else stamps_s[number]
            frame.pts, frame.time_base = round(stamp_s * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _coded(picture: np.ndarray[Any, Any], pixel_format: str, matrix: int, full_range: bool) -> VideoFrame:
    frame = VideoFrame.from_ndarray(picture, format="rgb48le" if picture.dtype == np.uint16 else "rgb24")
    return frame.reformat(format=pixel_format, dst_colorspace=matrix, dst_color_range=2 if full_range else 1)


def set_display_matrix(path: Path, a: int, b: int, c: int, d: int) -> Path:
    """Writes the matrix x' = a x + c y, y' = b x + d y into an MP4's track, as telephones do."""
    entry = {number: (number * _ONE).to_bytes(4, "big", signed=True) for number in (-1, 0, 1)}
    end = (1 << 30).to_bytes(4, "big")
    plain = entry[1] + bytes(12) + entry[1] + bytes(12) + end
    turned = entry[a] + entry[b] + bytes(4) + entry[c] + entry[d] + bytes(12) + end
    raw = path.read_bytes()
    at = raw.index(plain, raw.index(b"tkhd"))
    path.write_bytes(raw[:at] + turned + raw[at + len(plain) :])
    return path


def as_hdr(picture: Picture, pq: bool) -> np.ndarray[Any, Any]:
    """A picture of BT.709 as a display of 203 nits shows it, coded for HLG or PQ in BT.2020: (h, w, 3), 16 bits."""
    to_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
    nits = 203 * (picture / 255) ** 2.4 @ to_2020.T
    if pq:
        root = (nits / 10_000) ** (2610 / 16384)
        coded = ((3424 / 4096 + 2413 / 128 * root) / (1 + 2392 / 128 * root)) ** (2523 / 32)
    else:
        display = nits / 1000
        luminance = display @ np.array([0.2627, 0.6780, 0.0593])
        scene_light = display * luminance[..., None] ** (1 / 1.2 - 1)
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        coded = np.where(
            scene_light <= 1 / 12,
            np.sqrt(3 * scene_light),
            a * np.log(np.maximum(12 * scene_light - b, 1e-6)) + c,
        )
    return np.round(65535 * coded).astype(np.uint16)
