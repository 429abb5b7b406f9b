"""Verdigris: an ancient bronze, polished on its ridges, green in its hollows, with laurel and amber eyes."""

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
    bare_face,
    brow_mask,
    bump,
    chart,
    ramp,
)
from live.demo_training.characters.shading import Finish, Lamp, LightSet, Studio

PROPORTIONS = Proportions(
    half_widths=(
        (-1.42, 0.30),
        (-1.12, 0.35),
        (-1.04, 0.38),
        (-0.95, 0.425),
        (-0.85, 0.478),
        (-0.70, 0.555),
        (-0.50, 0.640),
        (-0.25, 0.680),
        (0.0, 0.700),
        (0.30, 0.705),
        (0.60, 0.68),
        (0.90, 0.55),
        (1.10, 0.32),
        (1.30, 0.2),
    ),
    eye_x=0.290,
    eye_half_width=0.152,
    eye_upper=0.094,
    eye_lower=0.046,
    eye_tilt=0.010,
    iris=0.074,
    brow_y=0.205,
    brow_arch=0.022,
    brow_thickness=0.036,
    brow_ridge=0.048,
    nose_width=0.98,
    nose_height=0.86,
    cheekbone=0.062,
    mouth_half_width=0.250,
    lip_upper=0.062,
    lip_lower=0.088,
    chin=0.075,
)

LIGHTS = LightSet(
    lamps=(
        Lamp((0.45, 0.55, 0.80), (1.75, 1.28, 0.82), 0.24, 0.42, 2.4),
        Lamp((-0.80, 0.15, 0.50), (0.40, 0.42, 0.40), 0.24, 0.70, 3.0),
        Lamp((-0.85, 0.30, -0.52), (0.60, 0.27, 0.09), 0.40, 0.9, 1.6),
        Lamp((0.10, 0.95, 0.20), (0.35, 0.27, 0.18), 0.50, 0.25, 2.5),
    ),
    sky=(0.115, 0.100, 0.080),
    ground=(0.22, 0.13, 0.075),
    finishes=(
        Finish(0.30, 0.12, 0.10, 0.25),
        Finish(0.26, 0.05, 0.12, 0.30),
        Finish(0.020, 0.35, 0.10, 0.30),
        Finish(0.15, 0.3, 0.08, 0.2),
        Finish(0.30, 0.0, 1.00, 0.1),
    ),
)

PAINT = FacePaint(
    lash=(0.006, 0.006, 0.005),
    lash_strength=0.97,
    lid=(0.012, 0.020, 0.017),
    lid_strength=0.90,
    lip=(0.30, 0.085, 0.050),
    lip_strength=0.90,
    sclera=(0.16, 0.13, 0.09),
    iris_inner=(1.00, 0.50, 0.06),
    iris_outer=(0.42, 0.13, 0.01),
    iris_glow=0.60,
    teeth=(0.45, 0.38, 0.28),
    cavity=(0.020, 0.007, 0.003),
)

BRONZE = (0.52, 0.265, 0.112)
PATINA = (0.085, 0.205, 0.165)
DEEP_PATINA = (0.030, 0.085, 0.075)


def _noise(shape: tuple[int, int], sizes: tuple[tuple[float, float], ...], seed: int) -> Array:
    """Smooth noise about 0, standard deviation near 1: (blur in texels, weight) for every octave."""
    random = np.random.default_rng(seed)
    total = np.zeros(shape, np.float32)
    for sigma, weight in sizes:
        octave = cv2.GaussianBlur(random.normal(size=shape).astype(np.float32), (0, 0), sigma)
        total += weight * octave / float(octave.std())
    return total / float(np.sqrt(sum(w * w for _, w in sizes)))


def _hollows(height: Array) -> Array:
    """How sheltered each point is: 1 in the hollows, 0 on the ridges."""
    safe = np.maximum(height, -0.1)
    fine = cv2.GaussianBlur(safe, (0, 0), 5.0) - safe
    wide = cv2.GaussianBlur(safe, (0, 0), 17.0) - safe
    return np.asarray(np.clip(0.42 + 22.0 * fine + 4.5 * wide, 0.0, 1.0), np.float32)


def _aged(height: Array, noise: Array, fine: Array, polish: Array) -> tuple[Array, Array, Array]:
    """Colour, bareness of the metal and gloss of weathered bronze."""
    green = ramp(0.30, 0.66, _hollows(height) + 0.17 * noise + 0.06 * fine - 0.30 * polish)
    deep = ramp(0.70, 1.10, _hollows(height) + 0.12 * noise)
    bronze = np.asarray(BRONZE, np.float32) * (1.0 + 0.10 * fine + 0.10 * noise)[..., None]
    patina = np.asarray(PATINA, np.float32) * (1.0 + 0.22 * fine)[..., None]
    patina = patina * (1 - 0.75 * deep[..., None]) + np.asarray(DEEP_PATINA, np.float32) * 0.75 * deep[..., None]
    albedo = bronze * (1 - green[..., None]) + patina * green[..., None]
    metal = 0.80 * (1.0 - green)
    gloss = 0.25 + 0.5 * (1.0 - green)
    return np.clip(albedo, 0, 2).astype(np.float32), metal.astype(np.float32), gloss.astype(np.float32)


def _leaf(
    x: Array, y: Array, z: Array, at: tuple[float, float], turn: float, length: float, lift: float, leaves: Array
) -> None:
    """Adds one laurel leaf to z, its stem at `at`, its point `length` away in direction `turn`; marks it in
    `leaves`."""
    c, s = np.cos(turn), np.sin(turn)
    u = ((x - at[0]) * c + (y - at[1]) * s) / length
    v = ((y - at[1]) * c - (x - at[0]) * s) / (0.30 * length)
    t = np.clip(u, 0.0, 1.0)
    half = np.sin(np.pi * t**0.80) ** 0.85
    across = np.abs(v) / np.maximum(half, 1e-3)
    on = (u > 0.01) & (u < 0.99) & (across < 1.0)
    leaves[on] = 1.0
    shape = lift + 0.030 * np.sqrt(np.clip(1 - across**2, 0, 1)) + 0.055 * t * (1 - 0.5 * t)
    shape = shape - 0.016 * np.exp(-((v / 0.10) ** 2)) + 0.004 * np.cos(26 * (u - 0.6 * np.abs(v))) * (across < 0.9)
    z[on] = np.maximum(z[on], shape[on])


def _wreathed(x: Array, y: Array) -> Surface:
    """Short locks combed from the crown, and two rows of laurel that meet over the brow."""
    ax = np.abs(x)
    top = y - 0.02
    inner = np.sqrt((ax / 0.665) ** 2 + (np.clip(top, 0, None) / 0.715) ** 2 + (np.clip(-top, 0, None) / 1.25) ** 2)
    above, below = np.clip(y - 0.12, 0, None), np.clip(0.12 - y, 0, None)
    outer = np.sqrt((ax / 0.86) ** 2 + (above / 1.02) ** 2 + (below / 0.56) ** 2)
    angle = np.arctan2(ax, y - 0.15)
    fringe = 0.040 * np.abs(np.sin(angle * 9.0 + 1.2 * np.sign(x))) - 0.015
    level = (inner + fringe - 1.0) / np.maximum((inner - 1.0) + (1.0 - outer), 0.03)
    q = np.clip(level, 0.0, 1.0)
    curl = np.sin(angle * 18.0 + 2.4 * np.sign(x) + 7.0 * q + 1.3 * np.sin(9.0 * q + 3 * x))
    strand = np.sin(angle * 54.0 + 14.0 * q + 2.0 * np.sin(11 * q))
    body = np.sqrt(np.clip(1.0 - np.clip(outer, 0, 1) ** 2.5, 0.0, 1.0))
    base = -0.08 + 0.74 * body + 0.025 * np.sin(np.pi * q)
    z = base + (0.024 * curl + 0.009 * strand) * ramp(1.0, 0.85, q)
    z = np.where(outer > 1.0, -0.08 - 6.0 * (outer - 1.0), z) - 0.25 * ramp(0.12, -0.04, level) ** 2
    z = np.where(level < -0.04, -3.0, z).astype(np.float32)
    random, leaves = np.random.default_rng(5), np.zeros_like(x)
    for side in (-1.0, 1.0):
        for i in range(9):
            along = 0.10 + i * 0.155
            px, py = side * 0.765 * np.sin(along), 0.04 + 0.815 * np.cos(along)
            column = int(np.clip((px - x[0, 0]) * TEXELS_PER_UNIT, 0, x.shape[1] - 1))
            row = int(np.clip((y[0, 0] - py) * TEXELS_PER_UNIT, 0, x.shape[0] - 1))
            ground = float(max(base[row, column], 0.0))
            tangent = np.arctan2(np.sin(along), side * -np.cos(along))
            for spread in (0.58, -0.50, 0.05):
                heading = float(tangent + side * spread + random.normal(0, 0.06))
                length = float(random.uniform(0.29, 0.36))
                _leaf(x, y, z, (float(px), float(py)), heading, length, ground + 0.035, leaves)
    noise = _noise(x.shape, ((22, 1.0), (9, 0.7)), 31)
    fine = _noise(x.shape, ((2.0, 1.0), (1.0, 0.5)), 32)
    albedo, metal, gloss = _aged(z, noise, fine, 0.75 * cv2.GaussianBlur(leaves, (0, 0), 1.0) - 0.80)
    back = ramp(0.90, 1.0, outer)[..., None] * (z < 0.25)[..., None]
    albedo = albedo * (1 - 0.75 * back)
    metal = metal * (1 - back[..., 0])
    return Surface(
        height=z,
        albedo=albedo * 0.85,
        metal=metal,
        material=np.full(x.shape, HAIR, np.uint8),
        gloss=gloss,
        glow=np.zeros((*x.shape, 3), np.float32),
    )


def _skin(x: Array, y: Array, p: Proportions) -> tuple[Array, Array, Array, Array]:
    """Colour, bareness of the metal, gloss and relief of the face."""
    ax = np.abs(x)
    noise = 0.75 * _noise(x.shape, ((26, 1.0), (11, 0.7), (5, 0.4)), 41)
    fine = _noise(x.shape, ((2.2, 1.0), (1.1, 0.6)), 42)
    polish = 0.9 * bump(x, y, (0.0, p.nose_y + 0.08), (0.08, 0.24))
    polish += 0.8 * bump(ax, y, (0.40, -0.16), (0.17, 0.12), 0.4)
    polish += 0.6 * bump(x, y, (0.0, 0.42), (0.32, 0.15)) + 0.7 * bump(x, y, (0.0, -0.90), (0.16, 0.08))
    polish += 0.45 * bump(x, y, (0.0, p.mouth_y), (0.30, 0.12)) + 0.3 * bump(ax, y, (0.29, 0.22), (0.16, 0.05))
    height = bare_face(p, x, y)
    polish += 0.75 * bump(ax, y, (0.105, -0.08), (0.055, 0.20))
    weathered = 1.45 * ramp(0.36, 0.66, ax + 0.05 * noise) + 1.0 * ramp(0.38, 0.64, y)
    polish = np.clip(polish, 0, 1)
    albedo, metal, gloss = _aged(height, noise, fine, polish - weathered * (1 - polish))
    streaks = _noise(x.shape, ((3.0, 1.0),), 43)
    stretched = cv2.GaussianBlur(streaks, (0, 0), sigmaX=2.0, sigmaY=26.0)
    run = np.clip(stretched / float(stretched.std()) - 0.7, 0, 1.2) * ramp(0.35, -0.15, y) * ramp(0.16, 0.36, ax)
    run = 0.35 * run[..., None]
    albedo = albedo * (1 - run) + np.asarray((0.11, 0.30, 0.24), np.float32) * run
    metal = metal * (1 - run[..., 0])
    brows = 0.96 * brow_mask(p, x, y)
    hairs = 0.88 + 0.12 * np.sin(150.0 * (ax - 0.55 * y))
    brows = (brows * hairs)[..., None]
    albedo = albedo * (1 - brows) + np.asarray((0.016, 0.020, 0.016), np.float32) * brows
    under = bump(x, y, (0.0, p.nose_y - 0.085), (0.085, 0.030))[..., None]
    albedo = albedo * (1 - 0.8 * under) + 0.8 * under * np.asarray((0.20, 0.36, 0.28), np.float32)
    metal = metal * (1 - under[..., 0])
    nostril = 0.45 * bump(ax, y, (0.058, p.nose_y - 0.088), (0.024, 0.011), 0.35)[..., None]
    albedo = albedo * (1 - nostril)
    metal = metal * (1 - 0.9 * brows[..., 0])
    relief = 0.0016 * noise + 0.0006 * fine
    return albedo.astype(np.float32), metal.astype(np.float32), gloss, relief.astype(np.float32)


class Verdigris(Figure):
    """The second of the two: warm light from the other side, a broad strong face, bronze and green."""

    name = "verdigris"

    def __init__(self) -> None:
        x, y = chart()
        albedo, metal, gloss, relief = _skin(x, y, PROPORTIONS)
        head = Head(PROPORTIONS, PAINT, albedo, metal, relief, gloss, _wreathed(x, y))
        bust = Bust(
            colour=(0.25, 0.19, 0.11),
            cloth=(0.040, 0.055, 0.045),
            material_gloss=0.6,
            shoulder=1.15,
            neck=0.46,
            metal=0.6,
        )
        backdrop = Backdrop(
            dark=(0.0034, 0.0022, 0.0016), glow=(0.034, 0.0150, 0.0060), at=(0.36, 0.40), spread=0.30, seed=9
        )
        super().__init__(head, Studio(LIGHTS, shadow=0.6), bust, backdrop, exposure=1.0)
