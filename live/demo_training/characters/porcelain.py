"""Porcelain: a glazed white face mended with gold, black lacquer hair, a blue-black velvet background."""

from __future__ import annotations

import cv2
import numpy as np

from live.demo_training.characters.figure import Backdrop, Bust, Figure
from live.demo_training.characters.head import (
    HAIR,
    TEXELS_PER_UNIT,
    Array,
    FacePaint,
    Head,
    Proportions,
    Surface,
    brow_mask,
    bump,
    chart,
    ramp,
    texel_of,
)
from live.demo_training.characters.shading import Finish, Lamp, LightSet, Studio

PROPORTIONS = Proportions(nose_height=0.90, nose_width=0.92)

LIGHTS = LightSet(
    lamps=(
        Lamp((-0.72, 0.56, 0.56), (0.92, 0.86, 0.78), 0.17, 0.46, 6.5),
        Lamp((0.85, 0.05, 0.45), (0.055, 0.085, 0.15), 0.14, 0.60, 7.0),
        Lamp((0.88, 0.35, -0.55), (0.55, 0.80, 1.25), 0.35, 0.9, 1.5),
        Lamp((-0.92, 0.20, -0.50), (0.30, 0.42, 0.75), 0.35, 0.9, 1.3),
    ),
    sky=(0.050, 0.064, 0.098),
    ground=(0.036, 0.032, 0.042),
    finishes=(
        Finish(0.045, 0.20, 0.055, 0.55),
        Finish(0.16, 0.0, 0.14, 0.50),
        Finish(0.015, 0.35, 0.10, 0.30),
        Finish(0.10, 0.4, 0.10, 0.2),
        Finish(0.30, 0.0, 1.0, 0.1),
    ),
)

PAINT = FacePaint(
    lash=(0.006, 0.006, 0.010),
    lash_strength=0.96,
    lid=(0.42, 0.23, 0.21),
    lid_strength=0.85,
    lip=(0.52, 0.105, 0.100),
    lip_strength=0.86,
    sclera=(0.66, 0.68, 0.70),
    iris_inner=(0.16, 0.44, 0.36),
    iris_outer=(0.012, 0.13, 0.20),
    iris_glow=0.28,
    teeth=(0.62, 0.60, 0.56),
    cavity=(0.030, 0.006, 0.008),
)

GOLD = (1.35, 0.80, 0.24)


def _crack(
    random: np.random.Generator, start: tuple[float, float], heading: float, length: float, depth: int = 0
) -> list[tuple[list[tuple[float, float]], float]]:
    """A fracture: a random walk with sharp turns and branches. Polylines in head units, each with a width (units)."""
    points = [start]
    x, y = start
    strokes = []
    step = 0.022
    turn = heading
    for i in range(int(length / step)):
        turn += random.normal(0.0, 0.16)
        if random.random() < 0.14:
            turn += random.choice([-1.0, 1.0]) * random.uniform(0.35, 0.8)
        turn += 0.12 * (heading - turn)
        x, y = x + step * np.cos(turn), y + step * np.sin(turn)
        points.append((float(x), float(y)))
        if depth < 2 and i > 2 and random.random() < 0.13:
            side = random.choice([-1.0, 1.0]) * random.uniform(0.6, 1.1)
            strokes += _crack(random, (float(x), float(y)), turn + side, length * random.uniform(0.25, 0.5), depth + 1)
    strokes.append((points, (0.0115, 0.0080, 0.0060)[depth]))
    return strokes


def _gold_seams(x: Array) -> Array:
    """Where the gold seams are, 0..1, with soft edges."""
    random = np.random.default_rng(20)
    starts = (
        ((0.47, 0.62), -2.05, 0.62),
        ((0.62, -0.02), 3.5, 0.42),
        ((-0.60, -0.30), -0.75, 0.46),
        ((-0.30, 0.66), -1.2, 0.30),
        ((0.30, -1.02), 2.0, 0.26),
    )
    fine = 2
    seams = np.zeros((x.shape[0] * fine, x.shape[1] * fine), np.uint8)
    for start, heading, length in starts:
        for points, width in _crack(random, start, heading, length):
            texels = np.array([texel_of(*p) for p in points]) * fine * 16
            thickness = max(1, round(width * TEXELS_PER_UNIT * fine))
            cv2.polylines(seams, [texels.astype(np.int32)], False, 255, thickness, cv2.LINE_AA, 4)
    seams = cv2.GaussianBlur(seams, (0, 0), 0.8)
    return np.asarray(cv2.resize(seams, x.shape[::-1], interpolation=cv2.INTER_AREA), np.float32) / 255.0


def _skin(x: Array, y: Array, p: Proportions) -> Array:
    """Linear albedo of the glaze: white, celadon in the hollows, blush on the cheeks, brows in ink."""
    ax = np.abs(x)
    white = np.array([0.80, 0.785, 0.765], np.float32)
    colour = np.broadcast_to(white, (*x.shape, 3)).copy()

    def tint(mask: Array, rgb: tuple[float, float, float]) -> None:
        k = mask[..., None]
        colour[:] = colour * (1 - k) + np.asarray(rgb, np.float32) * k

    tint(0.42 * bump(ax, y, (0.40, -0.26), (0.15, 0.11), 0.5), (0.80, 0.33, 0.31))
    tint(0.16 * bump(x, y, (0.0, -0.36), (0.06, 0.06)), (0.80, 0.42, 0.40))
    tint(0.14 * bump(x, y, (0.0, -0.93), (0.10, 0.07)), (0.80, 0.42, 0.40))
    tint(0.34 * bump(ax, y, (0.30, 0.10), (0.15, 0.055)), (0.42, 0.60, 0.56))
    tint(0.25 * bump(ax, y, (0.60, -0.30), (0.08, 0.35)), (0.50, 0.66, 0.62))
    tint(0.20 * ramp(0.45, 0.80, y), (0.50, 0.64, 0.66))
    tint(0.55 * bump(ax, y, (0.052, p.nose_y - 0.088), (0.024, 0.011), 0.35), (0.05, 0.015, 0.015))
    tint(0.93 * brow_mask(p, x, y), (0.012, 0.010, 0.014))
    return colour


def _hair(x: Array, y: Array) -> Surface:
    """Lacquered hair, parted in the middle and combed back over the ears, in carved strands."""
    ax = np.abs(x)
    # Level 0: the hairline around the face. Level 1: the outer outline.
    top = y - 0.05
    inner = np.sqrt((ax / 0.628) ** 2 + (np.clip(top, 0, None) / 0.62) ** 2 + (np.clip(-top, 0, None) / 1.9) ** 2)
    inner -= 0.055 * np.exp(-((ax / 0.10) ** 2)) * (y > 0)
    above, below = np.clip(y - 0.10, 0, None), np.clip(0.10 - y, 0, None)
    outer = np.sqrt((ax / 0.905) ** 2 + (above / 1.07) ** 2 + below**2)
    level = (inner - 1.0) / np.maximum((inner - 1.0) + (1.0 - outer), 1e-3)
    q = np.clip(level, 0.0, 1.0)
    wave = 0.012 * np.sin(7.0 * y + 9.0 * q) + 0.010 * np.sin(15.0 * y + 2.0 * np.sign(x))
    phase = q + wave
    strands = 0.55 * np.sin(2 * np.pi * 3.5 * phase + 0.6 * np.sign(x) + 0.8 * np.sin(2.2 * y))
    strands += 0.30 * np.sin(2 * np.pi * 7.0 * phase + 1.5 * np.sin(4 * y))
    strands = strands * ramp(0.0, 0.07, ax)
    body = np.sqrt(np.clip(1.0 - np.clip(outer, 0, 1) ** 2.6, 0.0, 1.0))
    z = -0.10 + 0.80 * body + 0.030 * strands * ramp(0.0, 0.12, q) * ramp(1.0, 0.9, q)
    z += 0.035 * np.sin(np.pi * np.clip(q, 0, 1)) - 0.020 * np.exp(-((x / 0.022) ** 2)) * ramp(0.5, 0.7, y)
    z -= 0.30 * ramp(0.16, -0.03, level) ** 2
    z = np.where(outer > 1.0, -0.10 - 6.0 * (outer - 1.0), z)
    z = z - 4.0 * np.clip(-level, 0.0, None)
    colour = np.broadcast_to(np.array([0.010, 0.011, 0.017], np.float32), (*x.shape, 3)).copy()
    return Surface(
        height=z.astype(np.float32),
        albedo=colour,
        metal=np.zeros_like(x),
        material=np.full(x.shape, HAIR, np.uint8),
        gloss=(0.45 + 0.55 * np.clip(0.5 + strands, 0, 1)).astype(np.float32),
        glow=np.zeros((*x.shape, 3), np.float32),
    )


class Porcelain(Figure):
    """The first of the two: cool light, a calm oval face, white and gold."""

    name = "porcelain"

    def __init__(self) -> None:
        x, y = chart()
        seams = _gold_seams(x)
        albedo = _skin(x, y, PROPORTIONS)
        albedo = albedo * (1 - seams[..., None]) + np.asarray(GOLD, np.float32) * seams[..., None]
        head = Head(PROPORTIONS, PAINT, albedo.astype(np.float32), seams, 0.006 * seams, np.ones_like(x), _hair(x, y))
        bust = Bust(colour=(0.76, 0.75, 0.735), cloth=(0.012, 0.013, 0.020), material_gloss=1.0, shoulder=1.02)
        backdrop = Backdrop(
            dark=(0.0016, 0.0022, 0.0050), glow=(0.010, 0.019, 0.042), at=(0.64, 0.36), spread=0.36, seed=3
        )
        super().__init__(head, Studio(LIGHTS, shadow=0.5), bust, backdrop, exposure=0.92)
