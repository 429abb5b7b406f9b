"""A head as a height field: its proportions, and how an expression changes it.

The head is seen from the front as z = height(x, y) over a chart. Units: chin at y = -1, crown of the skull at y = +1,
eyes at y = 0; x to the right of the picture, y up, z towards the viewer. Everything that can move without changing
topology (brows, cheeks, jaw, painted cracks) is moved by warping the resting maps; lids and lips, which open, are built
anew for every expression in two small patches. Pure numpy and OpenCV, no state between frames.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
"""Maps are float32; numpy's stubs cannot follow that through arithmetic, so the type states only what can be
checked."""

TEXELS_PER_UNIT = 220
LEFT, RIGHT, BOTTOM, TOP = -1.15, 1.15, -1.42, 1.30

SKIN, HAIR, EYE, MOUTH = 0, 1, 2, 3
"""Materials, as stored in Surface.material; each has one column of the light atlas."""


@dataclass(frozen=True)
class Expression:
    """The facial expression. All 0 is the resting face; 1 is the limit.

    `rounded` draws the corners of the mouth together (o, u), `smile` pulls them out and up; `gaze_x`, `gaze_y` are
    radians in the head's own frame, right and up positive. `blink_left` is the eye on the left of the picture.
    """

    jaw: float = 0.0
    smile: float = 0.0
    rounded: float = 0.0
    brow_raise: float = 0.0
    brow_frown: float = 0.0
    blink_left: float = 0.0
    blink_right: float = 0.0
    gaze_x: float = 0.0
    gaze_y: float = 0.0


@dataclass(frozen=True)
class Proportions:
    """What makes one head differ from another. Lengths in head units (chin to crown is 2)."""

    half_widths: tuple[tuple[float, float], ...] = (
        (-1.42, 0.30),
        (-1.12, 0.34),
        (-1.04, 0.37),
        (-0.95, 0.41),
        (-0.85, 0.465),
        (-0.70, 0.545),
        (-0.50, 0.620),
        (-0.25, 0.670),
        (0.0, 0.690),
        (0.30, 0.700),
        (0.60, 0.68),
        (0.90, 0.55),
        (1.10, 0.32),
        (1.30, 0.2),
    )
    profile: tuple[tuple[float, float], ...] = (
        (-1.42, -1.6),
        (-1.20, -0.75),
        (-1.10, -0.12),
        (-1.05, 0.20),
        (-1.01, 0.40),
        (-0.96, 0.54),
        (-0.90, 0.60),
        (-0.75, 0.625),
        (-0.60, 0.655),
        (-0.40, 0.66),
        (-0.15, 0.655),
        (0.05, 0.65),
        (0.22, 0.69),
        (0.45, 0.68),
        (0.70, 0.57),
        (0.90, 0.38),
        (1.05, 0.05),
        (1.15, -0.5),
        (1.30, -1.2),
    )
    eye_x: float = 0.285
    eye_half_width: float = 0.152
    eye_upper: float = 0.088
    eye_lower: float = 0.048
    eye_tilt: float = 0.022
    iris: float = 0.072
    brow_y: float = 0.215
    brow_arch: float = 0.045
    brow_thickness: float = 0.026
    brow_ridge: float = 0.045
    nose_y: float = -0.335
    nose_width: float = 1.0
    nose_height: float = 1.0
    cheekbone: float = 0.055
    mouth_y: float = -0.635
    mouth_half_width: float = 0.235
    lip_upper: float = 0.068
    lip_lower: float = 0.092
    chin: float = 0.065


@dataclass
class Surface:
    """One expression of one head on the chart; every map is [rows, columns] or [rows, columns, 3], float32.

    `albedo` is linear light. `metal` is 1 where the surface is bare metal (gold seams, polished bronze). `gloss` scales
    the mirror reflection. `glow` is emitted light.
    """

    height: Array
    albedo: Array
    metal: Array
    material: NDArray[np.uint8]
    gloss: Array
    glow: Array
    occlusion: Array = field(default_factory=lambda: np.ones((1, 1), np.float32))


@dataclass(frozen=True)
class FacePaint:
    """The colours of the moving parts (lids, lashes, lips, eyes, mouth); linear light."""

    lash: tuple[float, float, float]
    lash_strength: float
    lid: tuple[float, float, float]
    lid_strength: float
    lip: tuple[float, float, float]
    lip_strength: float
    sclera: tuple[float, float, float]
    iris_inner: tuple[float, float, float]
    iris_outer: tuple[float, float, float]
    iris_glow: float
    teeth: tuple[float, float, float]
    cavity: tuple[float, float, float]


def chart() -> tuple[Array, Array]:
    """x and y of every texel, [rows, columns] each; row 0 is the top of the head."""
    columns = round((RIGHT - LEFT) * TEXELS_PER_UNIT)
    rows = round((TOP - BOTTOM) * TEXELS_PER_UNIT)
    x = LEFT + (np.arange(columns, dtype=np.float32) + 0.5) / TEXELS_PER_UNIT
    y = TOP - (np.arange(rows, dtype=np.float32) + 0.5) / TEXELS_PER_UNIT
    grid_x, grid_y = np.meshgrid(x, y)
    return grid_x.astype(np.float32), grid_y.astype(np.float32)


def texel_of(x: float, y: float) -> tuple[float, float]:
    """Column and row (fractional) of a point of the head."""
    return (x - LEFT) * TEXELS_PER_UNIT - 0.5, (TOP - y) * TEXELS_PER_UNIT - 0.5


def ramp(edge0: float, edge1: float, value: Array) -> Array:
    """Hermite step from 0 at edge0 to 1 at edge1 (edge0 may be the larger)."""
    t = np.clip((value - edge0) / (edge1 - edge0), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t), np.float32)


def bump(x: Array, y: Array, at: tuple[float, float], spread: tuple[float, float], turn: float = 0.0) -> Array:
    """A Gaussian hill of height 1; `turn` in radians, anticlockwise."""
    dx, dy = x - at[0], y - at[1]
    c, s = float(np.cos(turn)), float(np.sin(turn))
    u, v = (c * dx + s * dy) / spread[0], (c * dy - s * dx) / spread[1]
    return np.asarray(np.exp(-0.5 * (u * u + v * v)), np.float32)


def curve_of(points: tuple[tuple[float, float], ...], y: Array, blur: float = 0.03) -> Array:
    """A smooth curve near `points` (y, value), evaluated at y; `blur` in head units rounds its corners."""
    fine = np.linspace(-1.8, 1.8, 1801)
    known = np.asarray(points)
    values = np.interp(fine, known[:, 0], known[:, 1])
    kernel = np.exp(-0.5 * ((np.arange(-150, 151) * 0.002) / blur) ** 2)
    smooth = np.convolve(np.pad(values, 150, mode="edge"), kernel / kernel.sum(), mode="valid")
    return np.interp(y, fine, smooth).astype(np.float32)


def smooth_max(a: Array, b: Array, k: float) -> Array:
    """The larger of two heights, with the seam rounded over `k` units."""
    h = np.clip(0.5 + 0.5 * (a - b) / k, 0.0, 1.0)
    return np.asarray(b + (a - b) * h + k * h * (1.0 - h), np.float32)


def eye_shape(t: Array) -> tuple[Array, Array]:
    """Arches of upper and lower lid over t = -1 (inner corner) .. 1 (outer corner); 1 at their highest."""
    inside = np.clip(1.0 - t * t, 0.0, 1.0)
    upper = inside**0.72 * (1.0 - 0.16 * t)
    lower = inside**0.85 * (1.0 + 0.22 * t)
    return np.asarray(upper, np.float32), np.asarray(lower, np.float32)


def bare_face(p: Proportions, x: Array, y: Array) -> Array:
    """The resting face without lips and lids: skull, brow, nose, cheeks, chin."""
    ax = np.abs(x)
    width = curve_of(p.half_widths, y)
    # The jaw rises towards the ears: the profile at the chin is repeated higher up at the sides.
    depth = curve_of(p.profile, y - 0.42 * ax**2 * ramp(-0.3, -0.9, y), 0.03)
    side = np.minimum(-0.08, depth)
    inside = np.clip(1.0 - (ax / width) ** 2.25, 0.0, 1.0)
    z = side + (depth - side) * inside**0.52 - 7.0 * np.clip(ax - width, 0.0, None)
    z = z - 0.085 * bump(ax, y, (p.eye_x + 0.01, 0.02), (0.155, 0.088))
    z += -0.045 * bump(ax, y, (0.125, 0.05), (0.055, 0.08))
    z += p.brow_ridge * bump(ax, y, (0.29, p.brow_y - 0.01), (0.17, 0.052), -0.12)
    z += 0.020 * bump(x, y, (0.0, 0.21), (0.10, 0.08))
    z += 0.015 * bump(ax, y, (0.27, 0.50), (0.17, 0.14))
    z += p.cheekbone * bump(ax, y, (0.44, -0.17), (0.15, 0.115), 0.45)
    z -= 0.035 * bump(ax, y, (0.50, -0.55), (0.11, 0.19), -0.3)
    z += 0.035 * bump(ax, y, (0.30, -0.36), (0.13, 0.12))
    z += 0.055 * bump(x, y, (0.0, p.mouth_y), (0.20, 0.13))
    z += p.chin * bump(x, y, (0.0, -0.915), (0.125, 0.075))
    z -= 0.040 * bump(x, y, (0.0, p.mouth_y - 0.145), (0.15, 0.030))
    z += nose(p, x, y)
    z -= 0.020 * bump(x, y, (0.0, -0.500), (0.020, 0.050))
    z += 0.010 * bump(ax, y, (0.040, -0.510), (0.016, 0.050))
    return np.asarray(z, np.float32)


def nose(p: Proportions, x: Array, y: Array) -> Array:
    """The nose alone, as a height to add: bridge, tip, wings, nostrils."""
    ax = np.abs(x)
    t = p.nose_y
    ridge = curve_of(
        (
            (-1.2, 0.0),
            (t - 0.125, 0.0),
            (t - 0.095, 0.055),
            (t - 0.06, 0.165),
            (t - 0.01, 0.245),
            (t + 0.05, 0.240),
            (t + 0.18, 0.185),
            (t + 0.30, 0.135),
            (t + 0.40, 0.085),
            (t + 0.52, 0.030),
            (t + 0.62, 0.0),
            (1.3, 0.0),
        ),
        y,
        0.022,
    )
    half = (
        curve_of(
            (
                (-1.2, 0.10),
                (t - 0.05, 0.098),
                (t, 0.088),
                (t + 0.12, 0.062),
                (t + 0.30, 0.052),
                (t + 0.45, 0.062),
                (t + 0.6, 0.10),
                (1.3, 0.1),
            ),
            y,
        )
        * p.nose_width
    )
    z = p.nose_height * ridge * np.exp(-((ax / half) ** 1.9))
    z += 0.042 * bump(x, y, (0.0, t + 0.005), (0.060 * p.nose_width, 0.050))
    wing = (0.108 * p.nose_width, t - 0.030)
    z += 0.105 * bump(ax, y, wing, (0.040, 0.046), 0.25)
    z -= 0.022 * bump(ax, y, (wing[0] + 0.062, wing[1] + 0.005), (0.018, 0.05), 0.2)
    z -= 0.055 * bump(ax, y, (0.058 * p.nose_width, t - 0.085), (0.030, 0.014), 0.35)
    return np.asarray(z, np.float32)


def brow_mask(p: Proportions, x: Array, y: Array) -> Array:
    """Where the painted brows are, 0..1: thick and soft at the inner end, tapering to a point."""
    ax = np.abs(x)
    t = (ax - 0.105) / (p.eye_x + p.eye_half_width + 0.055 - 0.105)
    inside = np.clip(t, 0.0, 1.0)
    middle = p.brow_y - 0.012 + p.brow_arch * np.sin(np.pi * inside**1.25 * 0.92) - 0.028 * inside**3
    thick = p.brow_thickness * (1.0 - 0.80 * inside**1.6) * ramp(-0.06, 0.16, t)
    away = np.abs(y - middle) / np.maximum(thick, 1e-3)
    ends = ramp(-0.05, 0.08, t) * ramp(1.05, 0.97, t)
    return np.asarray(ramp(1.25, 0.55, away) * ends, np.float32)


def warps(p: Proportions, x: Array, y: Array) -> dict[str, tuple[Array, Array]]:
    """For each muscle the displacement (x, y) of the skin at full strength, head units.

    Maps are read backwards, so these are defined where the skin arrives.
    """
    ax, sign = np.abs(x), np.sign(x)
    zero = np.zeros_like(x)
    jaw = ramp(p.mouth_y + 0.23, p.mouth_y - 0.29, y + 0.10 * ramp(0.25, 0.62, ax))
    fall = -0.225 * jaw
    narrow = -0.035 * sign * jaw * ramp(0.1, 0.5, ax)
    corner = bump(ax, y, (p.mouth_half_width + 0.05, p.mouth_y + 0.02), (0.12, 0.13))
    brow = bump(ax, y, (0.30, p.brow_y + 0.02), (0.26, 0.095))
    inner = bump(ax, y, (0.11, p.brow_y - 0.01), (0.085, 0.08))
    return {
        "jaw": (narrow, fall),
        "smile": (0.040 * sign * corner, 0.050 * corner),
        "rounded": (-0.055 * sign * corner, zero),
        "brow_raise": (zero, 0.075 * brow),
        "brow_frown": (-0.022 * sign * inner, -0.050 * inner - 0.012 * brow),
    }


class Head:
    """The moving head. Construct it once per character; `surface` is called for each frame and takes a few
    milliseconds."""

    def __init__(
        self,
        proportions: Proportions,
        paint: FacePaint,
        albedo: Array,
        metal: Array,
        relief: Array,
        gloss: Array,
        hair: Surface | None,
    ) -> None:
        """Maps cover the whole chart. `relief` is added to the bare face (seams, hammering); `hair` lies over it."""
        self.proportions, self.paint, self.hair = proportions, paint, hair
        self.x, self.y = chart()
        self.resting_height = bare_face(proportions, self.x, self.y) + relief
        brows = brow_mask(proportions, self.x, self.y)
        self.resting = np.dstack([self.resting_height + 0.010 * brows, metal, gloss]).astype(np.float32)
        self.resting_albedo = albedo
        self.warps = warps(proportions, self.x, self.y)
        columns, rows = np.meshgrid(np.arange(self.x.shape[1]), np.arange(self.x.shape[0]))
        self.columns, self.rows = columns.astype(np.float32), rows.astype(np.float32)
        self.smile_fold = self._smile_fold()

    def _smile_fold(self) -> Array:
        """What a smile adds to the height: swollen cheeks, and a fold from the wing of the nose past the mouth."""
        ax, p = np.abs(self.x), self.proportions
        cheek = 0.055 * bump(ax, self.y, (0.37, -0.33), (0.11, 0.09), 0.4)
        fold = -0.030 * bump(ax, self.y, (p.mouth_half_width + 0.055, p.mouth_y + 0.10), (0.020, 0.10), 0.45)
        return np.asarray(cheek + fold, np.float32)

    def surface(self, e: Expression) -> Surface:
        """The head with this expression, as a new Surface; nothing of it is kept."""
        map_x, map_y = self.columns.copy(), self.rows.copy()
        for name, (dx, dy) in self.warps.items():
            amount = float(getattr(e, name)) * TEXELS_PER_UNIT
            if amount:
                map_x -= amount * dx
                map_y += amount * dy
        stack = cv2.remap(self.resting, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        albedo = cv2.remap(self.resting_albedo, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        height: Array = np.asarray(stack[..., 0] + e.smile * self.smile_fold, np.float32)
        surface = Surface(
            height=height,
            albedo=np.asarray(albedo, np.float32),
            metal=np.array(stack[..., 1], np.float32),
            material=np.zeros(height.shape, np.uint8),
            gloss=np.array(stack[..., 2], np.float32),
            glow=np.zeros((*height.shape, 3), np.float32),
            occlusion=np.ones(height.shape, np.float32),
        )
        self._eye(surface, e, -1)
        self._eye(surface, e, 1)
        self._mouth(surface, e)
        self._cover(surface)
        return surface

    def _patch(self, x0: float, x1: float, y0: float, y1: float) -> tuple[slice, slice]:
        c0, r1 = texel_of(x0, y0)
        c1, r0 = texel_of(x1, y1)
        return slice(int(r0), int(r1)), slice(int(c0), int(c1))

    def _eye(self, s: Surface, e: Expression, side: int) -> None:
        """Eyeball, iris, lids and lashes of one eye (side -1: left of the picture)."""
        p, paint = self.proportions, self.paint
        cx = side * p.eye_x
        at = self._patch(cx - 0.27, cx + 0.27, -0.20, 0.24)
        x, y = self.x[at], self.y[at]
        opened = 1.0 - float(e.blink_left if side < 0 else e.blink_right)
        t = np.asarray((x - cx) * side / p.eye_half_width, np.float32)
        tilt = p.eye_tilt * np.clip(t, -1.3, 1.3)
        upper, lower = eye_shape(t)
        squint = 0.25 * e.smile
        up = p.eye_upper * (1.0 + 0.10 * e.brow_raise - 0.10 * e.brow_frown - 0.35 * squint + 0.16 * e.gaze_y)
        low = p.eye_lower * (1.0 - 0.8 * squint)
        shut = tilt - 0.030 * lower
        y_up = shut + (tilt + up * upper - shut) * opened
        y_low = shut + (tilt - low * lower - shut) * (0.15 + 0.85 * opened) * min(1.0, opened * 8.0)
        inside = np.where(np.abs(t) < 1.0, np.minimum(y_up - y, y - y_low), -0.02)
        hole = ramp(-0.0035, 0.0035, inside)

        skin = s.height[at]
        front = float(self.resting_height[int(texel_of(cx, 0)[1]), int(texel_of(cx, 0)[0])]) + 0.052
        radius = 0.205
        reach = np.clip(1.0 - ((x - cx) ** 2 + (y - 0.005) ** 2) / radius**2, 0.0, None)
        ball = front - radius + radius * np.sqrt(reach)
        lid_radius = radius + 0.024
        lid_reach = np.clip(1.0 - ((x - cx) ** 2 + (y - 0.01) ** 2) / lid_radius**2, 0.0, None)
        lid = front - radius + lid_radius * np.sqrt(lid_reach) + 0.004
        # A closed lid is flatter than the ball it covers, so that it is not taken for the white of an eye.
        lid = lid - 0.018 * (1.0 - opened)
        near = np.exp(-((np.clip(np.abs(t) - 0.75, 0, None) / 0.28) ** 2) - ((y - 0.01) / 0.14) ** 4)
        covered = skin + (smooth_max(skin, lid, 0.05) - skin) * near
        crease = tilt + (up * 0.50 + 0.068 + 0.030 * e.brow_raise) * upper**0.8 + 0.012 - 0.018 * (1.0 - opened)
        fold = np.exp(-(((y - crease) / 0.011) ** 2)) * ramp(1.12, 0.75, np.abs(t))
        covered = covered - 0.020 * fold * (0.10 + 0.90 * opened)
        covered += 0.007 * np.exp(-(((y - y_up - 0.010) / 0.010) ** 2)) * ramp(1.1, 0.8, np.abs(t))
        covered += 0.006 * np.exp(-(((y - y_low + 0.012) / 0.010) ** 2)) * ramp(1.1, 0.8, np.abs(t))
        s.height[at] = covered + (ball - covered) * hole

        closed = 1.0 - opened
        lash_up = np.exp(-(((y - y_up - 0.006 + 0.008 * closed) / (0.0165 + 0.020 * closed)) ** 2))
        lash_up = lash_up * ramp(1.24, 0.95, t) * ramp(-1.10, -0.85, t)
        wing = np.exp(-(((y - tilt - 0.05 * (t - 1.0) - 0.012) / 0.010) ** 2)) * ramp(0.9, 1.0, t) * ramp(1.26, 1.05, t)
        lash_low = 0.7 * np.exp(-(((y - y_low + 0.004) / 0.0075) ** 2)) * ramp(1.02, 0.6, np.abs(t))
        lash = np.clip(np.maximum(np.maximum(lash_up, 0.8 * wing), lash_low), 0.0, 1.0) * paint.lash_strength
        lash = lash[..., None]
        shadow = 0.30 * fold * paint.lash_strength * opened
        # Colour on the lid, deepest at the lashes; it also distinguishes a closed eye from an open one.
        reach_up = ramp(-0.020, 0.055, y - crease)
        lid_paint = paint.lid_strength * (1.0 - reach_up) * ramp(-0.004, 0.004, y - y_up) * ramp(1.22, 0.8, np.abs(t))
        lid_paint = lid_paint[..., None]
        albedo = s.albedo[at] * (1.0 - lid_paint) + lid_paint * np.asarray(paint.lid, np.float32)
        albedo = albedo * (1.0 - lash) + lash * np.asarray(paint.lash, np.float32)
        albedo = albedo * (1.0 - shadow[..., None])
        ball_albedo, glow = self._iris(x, y, cx, e)
        ceiling = ramp(-0.004, 0.055, y_up - y) * ramp(-0.01, 0.03, y - y_low) * ramp(1.02, 0.55, np.abs(t))
        ball_shade = (0.30 + 0.70 * ceiling)[..., None]
        k = hole[..., None]
        s.albedo[at] = albedo * (1.0 - k) + ball_albedo * ball_shade * k
        s.glow[at] = glow * k * ball_shade
        s.metal[at] *= (1.0 - hole) * (1.0 - lash[..., 0]) * (1.0 - lid_paint[..., 0])
        s.gloss[at] *= 1.0 - 0.75 * near * (y > y_up)
        s.gloss[at] = s.gloss[at] * (1.0 - hole) * (1.0 - 0.7 * lash[..., 0]) + hole * (0.35 + 0.65 * ceiling)
        s.material[at][hole > 0.5] = EYE

    def _iris(self, x: Array, y: Array, cx: float, e: Expression) -> tuple[Array, Array]:
        """Colour of the eyeball and the light the iris emits, over a patch."""
        p, paint = self.proportions, self.paint
        dx = (x - cx - 0.205 * np.sin(e.gaze_x)) / max(float(np.cos(e.gaze_x)), 0.6)
        dy = y - 0.012 - 0.205 * np.sin(e.gaze_y)
        r = np.sqrt(dx * dx + dy * dy) / p.iris
        angle = np.arctan2(dy, dx)
        fibres = 0.5 + 0.28 * np.sin(angle * 23 + 3 * np.sin(r * 9)) + 0.22 * np.sin(angle * 41 + 5 * r)
        inner, outer = np.asarray(paint.iris_inner, np.float32), np.asarray(paint.iris_outer, np.float32)
        mix = ramp(0.42, 0.98, r)[..., None]
        colour = (inner * (1 - mix) + outer * mix) * (0.62 + 0.62 * fibres[..., None])
        # Light enters the cornea at the top and lights the far side of the iris: the crescent that makes eyes look wet.
        crescent = ramp(0.2, 1.0, r) * np.clip(0.35 - dy / p.iris * 0.9, 0.1, 1.3)
        colour = colour * (0.55 + 0.95 * crescent[..., None])
        limbus = (ramp(0.80, 1.0, r) * 0.85)[..., None]
        pupil = ramp(0.46, 0.36, r)[..., None]
        iris = ramp(1.06, 0.96, r)[..., None]
        colour = colour * (1.0 - limbus) * (1.0 - pupil) + 0.002
        sclera = np.asarray(paint.sclera, np.float32) * (1.0 - 0.25 * ramp(1.4, 1.0, r)[..., None])
        albedo = sclera * (1.0 - iris) + colour * iris
        glow = colour * iris * paint.iris_glow
        return np.asarray(albedo, np.float32), np.asarray(glow, np.float32)

    def _mouth(self, s: Surface, e: Expression) -> None:
        """Lips, teeth and the dark between them, at this opening."""
        p, paint = self.proportions, self.paint
        at = self._patch(-0.42, 0.42, -1.12, -0.36)
        x, y = self.x[at], self.y[at]
        half = p.mouth_half_width * (1.0 + 0.20 * e.smile - 0.36 * e.rounded - 0.05 * e.jaw)
        drop = 0.225 * e.jaw
        t = np.asarray(x / half, np.float32)
        a = np.clip(np.abs(t), 0.0, 1.0)
        arch = np.clip(1.0 - a * a, 0.0, 1.0)
        corner_y = p.mouth_y - 0.38 * drop + 0.068 * e.smile
        centre_y = p.mouth_y + 0.012 * e.smile
        # Resting line between the lips: a shallow bow, with the tubercle of the upper lip dipping in the middle.
        rest = corner_y + (centre_y - corner_y) * arch**0.9 - 0.010 * np.exp(-((t / 0.22) ** 2))
        purse = e.rounded * 0.055
        gap_up = (0.012 * e.jaw + purse * 0.22) * arch**0.6 + (0.38 * drop) * (arch**0.6 - arch**0.9)
        inner_up = rest + gap_up
        inner_low = rest - (drop + purse * 0.42) * arch**0.62
        full_up = p.lip_upper * (1.0 + 0.18 * e.rounded - 0.16 * e.smile - 0.08 * e.jaw)
        full_low = p.lip_lower * (1.0 + 0.16 * e.rounded - 0.12 * e.smile - 0.10 * e.jaw)
        bow = 1.0 - 0.20 * np.exp(-((t / 0.13) ** 2)) + 0.10 * np.exp(-(((a - 0.24) / 0.15) ** 2))
        outer_up = inner_up + full_up * bow * np.clip(1.0 - a**1.7, 0, 1) ** 0.85 + 0.002
        outer_low = inner_low - full_low * np.clip(1.0 - a**2.2, 0, 1) ** 0.75 - 0.002

        within = ramp(1.03, 0.985, np.abs(t))
        hole = ramp(-0.0035, 0.0035, np.minimum(inner_up - y, y - inner_low)) * within
        v_up = (y - inner_up) / np.maximum(outer_up - inner_up, 4e-3)
        v_low = (inner_low - y) / np.maximum(inner_low - outer_low, 4e-3)
        on_up = ramp(-0.02, 0.04, v_up) * ramp(1.10, 0.94, v_up) * within
        on_low = ramp(-0.02, 0.04, v_low) * ramp(1.14, 0.92, v_low) * within
        tint = np.clip(on_up + on_low, 0.0, 1.0) * (1.0 - hole)

        pout = 0.030 * e.rounded * arch
        roll_up = np.clip(1.0 - (np.clip(v_up, 0.0, 1.3) / 1.3) ** 1.8, 0.0, 1.0) * (v_up > -0.2)
        swell_low = np.sqrt(np.clip(1.0 - ((np.clip(v_low, -0.2, 1.2) - 0.40) / 0.72) ** 2, 0.0, 1.0)) * (v_low > -0.2)
        lift_up = (0.045 * roll_up + pout) * arch**0.5 * ramp(1.35, 0.9, v_up)
        lift_low = 0.058 * swell_low * (1.0 - 0.10 * np.exp(-((t / 0.1) ** 2))) + pout
        lift_low = lift_low * arch**0.5 * ramp(1.4, 0.8, v_low)
        upper_half = y > 0.5 * (inner_up + inner_low)
        lift = np.where(upper_half, lift_up, lift_low) * within
        outside = np.clip(np.abs(y - 0.5 * (inner_up + inner_low)) - 0.5 * (inner_up - inner_low), 0, None)
        seam = np.exp(-((outside / 0.011) ** 2))
        seam = seam * ramp(1.12, 0.92, np.abs(t))
        ridge = 0.006 * np.exp(-(((v_up - 1.08) / 0.13) ** 2)) * within * arch
        dimple = -0.022 * np.exp(-(((np.abs(t) - 1.06) / 0.10) ** 2) - (((y - corner_y) / 0.030) ** 2))
        height = s.height[at] + lift + ridge + dimple - 0.030 * seam * (1 - hole)
        depth, inside_albedo, inside_gloss = self._cavity(x, y, half, inner_up, inner_low, e)
        column, row = texel_of(0.0, p.mouth_y)
        inside_height = float(self.resting_height[int(row), int(column)]) - depth
        s.height[at] = height + (inside_height - height) * hole

        lip = np.asarray(paint.lip, np.float32) * (1.0 - 0.12 * on_up[..., None])
        k = (tint * paint.lip_strength)[..., None]
        dark = (seam * 0.85 * (1.0 - hole))[..., None]
        albedo = (s.albedo[at] * (1.0 - k) + lip * k) * (1.0 - dark)
        h = hole[..., None]
        s.albedo[at] = albedo * (1.0 - h) + inside_albedo * h
        s.gloss[at] = (s.gloss[at] * (1 - tint) + 1.1 * tint) * (1.0 - hole) * (1 - dark[..., 0]) + hole * inside_gloss
        s.metal[at] *= (1.0 - hole) * (1.0 - dark[..., 0])
        s.material[at][hole > 0.5] = MOUTH

    def _cavity(
        self, x: Array, y: Array, half: float, top: Array, low: Array, e: Expression
    ) -> tuple[Array, Array, Array]:
        """What is visible between the lips: depth behind the skin, colour, gloss."""
        paint = self.paint
        bow = np.clip(1.0 - (x / 0.26) ** 2, 0.0, 1.0)
        # Little of the teeth, and dim: a landmark predictor takes a bright row's lower edge for the lip.
        edge = self.proportions.mouth_y + 0.004 - 0.023 * bow**0.4 + 0.010 * e.smile
        upper = ramp(edge - 0.004, edge + 0.004, y) * ramp(0.25, 0.19, np.abs(x))
        gaps = 0.55 + 0.45 * ramp(0.0, 0.010, np.mod(np.abs(x), 0.056))
        floor = np.min(low) + 0.060
        tongue = bump(x, y, (0.0, float(floor) - 0.03), (0.11, 0.045)) * min(1.0, e.jaw * 1.6)
        depth = 0.20 - 0.10 * upper * bow - 0.07 * tongue
        near_lip = ramp(-0.002, 0.035, top - y)
        teeth = np.asarray(paint.teeth, np.float32) * (gaps * (0.05 + 0.60 * near_lip) * (0.35 + 0.65 * bow))[..., None]
        dark = np.asarray(paint.cavity, np.float32) * (0.3 + 2.6 * tongue[..., None])
        u = upper[..., None]
        gloss = 0.5 * upper * bow + 0.25 * tongue
        return depth.astype(np.float32), (dark * (1 - u) + teeth * u).astype(np.float32), gloss.astype(np.float32)

    def _cover(self, s: Surface) -> None:
        """Puts hair (or a wreath, a hood) over the face wherever it is higher."""
        if self.hair is None:
            return
        over = np.clip((self.hair.height - s.height) * 60.0 + 0.5, 0.0, 1.0)
        np.maximum(s.height, self.hair.height, out=s.height)
        s.material[over > 0.5] = HAIR
        s.albedo += (self.hair.albedo - s.albedo) * over[..., None]
        s.metal += (self.hair.metal - s.metal) * over
        s.gloss += (self.hair.gloss - s.gloss) * over
