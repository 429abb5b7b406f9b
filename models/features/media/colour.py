"""What a frame's colours mean, and the table that brings wide gamuts and high dynamic range to BT.709.

The matrix and the range are left to FFmpeg's scaler, which obeys the frame's tags; here a missing tag is filled in, and
what needs more than a matrix is told apart. Any thread.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorTrc
from numpy.typing import NDArray

Colours = NDArray[np.float64]
"""(n, 3): red, green, blue; 1 is white."""

BT709, UNSPECIFIED, RESERVED, BT601, BT2020, BT2020_CONSTANT = 1, 2, 3, 5, 9, 10
"""FFmpeg's AVColorSpace."""
_UNTOLD = (UNSPECIFIED, RESERVED)
HD_LONG_SIDE, SD_SHORT_SIDE = 1280, 576
"""Players take a picture without a tag for BT.709 from this width on, or when it has more lines than television had;
turned or not."""

WHITE_NITS, PEAK_NITS = 203.0, 1000.0
"""ITU-R BT.2408: the white of graphics and skin-tone charts, and the display that HLG is made for."""
SDR_GAMMA = 2.4
"""ITU-R BT.1886: what a display does to a coded value."""
KNEE = 0.9
"""Coded values below it are what SDR would have had; above it highlights up to PEAK_NITS are compressed."""
CUBE_SIDE = 33

_TO_BT709 = {
    int(ColorPrimaries.BT2020): (
        (1.660491, -0.587641, -0.072850),
        (-0.124550, 1.132900, -0.008349),
        (-0.018151, -0.100579, 1.118730),
    ),
    int(ColorPrimaries.SMPTE432): (
        (1.224940, -0.224940, 0.0),
        (-0.042057, 1.042057, 0.0),
        (-0.019638, -0.078636, 1.098274),
    ),
}
"""From linear light in these primaries to linear light in those of BT.709."""


class WideColour(NamedTuple):
    """Colours that need more than a matrix: FFmpeg's numbers of their transfer and primaries."""

    transfer: int
    primaries: int


def fill_missing_tags(frame: VideoFrame) -> None:
    """Tags the frame with the matrix that players assume where the file names none."""
    if frame.colorspace in _UNTOLD:
        sides = frame.width, frame.height
        is_hd = max(sides) >= HD_LONG_SIDE or min(sides) > SD_SHORT_SIDE
        frame.colorspace = BT709 if is_hd else BT601
    elif frame.colorspace == BT2020_CONSTANT:
        frame.colorspace = BT2020


def wide_colour(frame: VideoFrame) -> WideColour | None:
    """None for an ordinary frame."""
    transfer, primaries = int(frame.color_trc), int(frame.color_primaries)
    if transfer in _HDR and primaries not in _TO_BT709:
        primaries = int(ColorPrimaries.BT2020) if primaries in _UNTOLD else primaries
    return WideColour(transfer, primaries) if transfer in _HDR or primaries in _TO_BT709 else None


def to_bt709(colours: Colours, wide: WideColour) -> Colours:
    """Coded colours -> coded colours of BT.709, within 0 to 1."""
    matrix = np.array(_TO_BT709.get(wide.primaries, np.eye(3)))
    light = _HDR.get(wide.transfer, _sdr_light)(np.clip(colours, 0, 1)) @ matrix.T
    coded = np.maximum(light, 0) ** (1 / SDR_GAMMA)
    return _compressed(coded) if wide.transfer in _HDR else np.minimum(coded, 1)


@lru_cache(maxsize=4)
def cube_text(wide: WideColour) -> str:
    """`to_bt709` as a table in the form .cube, red fastest."""
    steps = np.linspace(0, 1, CUBE_SIDE)
    grid = np.meshgrid(steps, steps, steps, indexing="ij")
    rows = to_bt709(np.stack([axis.ravel() for axis in reversed(grid)], 1), wide)
    return (
        f"LUT_3D_SIZE {CUBE_SIDE}\n"
        + "\n".join(f"{red:.6f} {green:.6f} {blue:.6f}" for red, green, blue in rows.tolist())
        + "\n"
    )


def _compressed(coded: Colours) -> Colours:
    """Extended Reinhard above the knee: slope 1 at the knee, and the peak becomes 1."""
    peak = ((PEAK_NITS / WHITE_NITS) ** (1 / SDR_GAMMA) - KNEE) / (1 - KNEE)
    above = np.clip((coded - KNEE) / (1 - KNEE), 0, peak)
    return np.where(coded < KNEE, coded, KNEE + (1 - KNEE) * above * (1 + above / peak**2) / (1 + above))


def _sdr_light(coded: Colours) -> Colours:
    return np.asarray(coded**SDR_GAMMA)


def _hlg_light(coded: Colours) -> Colours:
    """ITU-R BT.2100 on a display of PEAK_NITS: 1 is WHITE_NITS."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(coded <= 0.5, coded**2 / 3, (np.exp((coded - c) / a) + b) / 12)
    luminance = scene @ np.array([0.2627, 0.6780, 0.0593])
    return np.asarray(scene * luminance[:, None] ** 0.2 * (PEAK_NITS / WHITE_NITS))


def _pq_light(coded: Colours) -> Colours:
    """SMPTE ST 2084: 1 is WHITE_NITS."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    root = coded ** (1 / m2)
    nits = 10_000 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)
    return np.asarray(nits / WHITE_NITS)


_HDR: dict[int, Callable[[Colours], Colours]] = {
    int(ColorTrc.ARIB_STD_B67): _hlg_light,
    int(ColorTrc.SMPTE2084): _pq_light,
}
