"""Light: from a head's height field to a picture.

The head turns, the lamps do not. A lamp set is baked once into an atlas: the light that a surface of each material
sends to the viewer for every direction of its normal. A frame then costs one ray cast against the height field (relief
mapping: Policarpo, Oliveira & Comba 2005, with a coarse pass that bounds the fine one), one shadow pass and a few
look-ups. All light is linear until `develop`. Pictures are RGB.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from live.demo_training.characters.head import HAIR, LEFT, TEXELS_PER_UNIT, TOP, Array, Surface, ramp, texel_of

TILE = 192
"""Edge of one material's square in the atlas, texels."""

METAL = 4
"""The atlas column of bare metal, after the four materials of head.py."""

VIEW_DISTANCE = 6.5
"""From the camera to the head, head units: a portrait lens."""

FRONT, BACK = 1.12, -0.62
"""The range of z in which the head is searched, head units, in its own frame."""

SKIN_BACK = -0.13
"""Behind this z there is no face: a height field has walls where a head has a nape."""

PIVOT = np.array([0.0, -0.30, 0.05], np.float32)
"""The point that does not move when the head turns."""


@dataclass(frozen=True)
class Lamp:
    """A softbox. `towards` points to it; `half_width`, `half_height` in radians as seen from the head."""

    towards: tuple[float, float, float]
    colour: tuple[float, float, float]
    half_width: float
    half_height: float
    mirror: float = 1.0


@dataclass(frozen=True)
class Finish:
    """How one material reflects light. `roughness` blurs the softboxes, radians; `wrap` lets light extend past the
    terminator (glaze, skin); `base` is the reflection seen straight on, `edge` what is added at grazing angles."""

    roughness: float
    wrap: float
    base: float
    edge: float


@dataclass(frozen=True)
class LightSet:
    """The lamps, and the ambient light: `sky` from above, `ground` from below."""

    lamps: tuple[Lamp, ...]
    sky: tuple[float, float, float]
    ground: tuple[float, float, float]
    finishes: tuple[Finish, Finish, Finish, Finish, Finish]


@dataclass(frozen=True)
class HeadPose:
    """The head's pose: radians; offsets in picture widths (right, down positive); scale 1 is neutral.

    yaw > 0 turns the nose to the right of the picture, pitch > 0 lifts it, roll > 0 tilts the head clockwise as seen.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    right: float = 0.0
    down: float = 0.0
    scale: float = 1.0

    def rotation(self) -> Array:
        """3 x 3, head frame to view frame."""
        cy, sy = np.cos(self.yaw), np.sin(self.yaw)
        cp, sp = np.cos(self.pitch), np.sin(self.pitch)
        cr, sr = np.cos(-self.roll), np.sin(-self.roll)
        yaw = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        pitch = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
        roll = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
        return np.asarray(roll @ pitch @ yaw, np.float32)


def unit(v: tuple[float, float, float]) -> Array:
    """The unit vector along v."""
    a = np.asarray(v, np.float32)
    return np.asarray(a / np.linalg.norm(a), np.float32)


def _sphere() -> tuple[Array, Array, Array]:
    axis = np.linspace(-1.0, 1.0, TILE, dtype=np.float32)
    x, y = np.meshgrid(axis, -axis)
    outside = np.maximum(np.sqrt(x * x + y * y), 1e-6)
    shrink = np.minimum(1.0, 0.999 / outside)
    x, y = x * shrink, y * shrink
    return x, y, np.sqrt(np.clip(1.0 - x * x - y * y, 0.0, 1.0))


def _softbox(lamp: Lamp, reflected: tuple[Array, Array, Array], roughness: float) -> Array:
    """The share of a softbox that a ray leaving along `reflected` meets, 0..1."""
    towards = unit(lamp.towards)
    side = np.cross(np.array([0.0, 1.0, 0.0]), towards)
    side /= np.linalg.norm(side)
    up = np.cross(towards, side)
    rx, ry, rz = reflected
    ahead = rx * towards[0] + ry * towards[1] + rz * towards[2]
    across = np.arctan2(rx * side[0] + ry * side[1] + rz * side[2], ahead)
    above = np.arctan2(rx * up[0] + ry * up[1] + rz * up[2], ahead)
    soft = roughness + 0.02
    box = ramp(lamp.half_width + soft, lamp.half_width - soft, np.abs(across))
    box = box * ramp(lamp.half_height + soft, lamp.half_height - soft, np.abs(above))
    return np.asarray(box * (ahead > 0), np.float32)


def bake(lights: LightSet) -> tuple[Array, Array]:
    """The atlas: diffuse and mirrored light, each [TILE, 5 * TILE, 3], by normal (x to the right, y up)."""
    nx, ny, nz = _sphere()
    reflected = (2 * nz * nx, 2 * nz * ny, 2 * nz * nz - 1.0)
    sky, ground = np.asarray(lights.sky, np.float32), np.asarray(lights.ground, np.float32)
    diffuse, mirrored = [], []
    for finish in lights.finishes:
        up = (0.5 + 0.5 * ny)[..., None]
        d = sky * up + ground * (1.0 - up)
        above = np.clip(0.5 + 0.5 * reflected[1], 0, 1)[..., None]
        m = 0.55 * (sky * above**2 + ground * (1.0 - above))
        for lamp in lights.lamps:
            towards, colour = unit(lamp.towards), np.asarray(lamp.colour, np.float32)
            facing = nx * towards[0] + ny * towards[1] + nz * towards[2]
            facing = np.clip((facing + finish.wrap) / (1.0 + finish.wrap), 0.0, 1.0) ** (1.0 + finish.wrap)
            d = d + facing[..., None] * colour
            spread = 1.0 / (1.0 + 3.0 * finish.roughness)
            m = m + (_softbox(lamp, reflected, finish.roughness) * lamp.mirror * spread)[..., None] * colour
        fresnel = finish.base + finish.edge * (1.0 - nz) ** 4
        diffuse.append(d)
        mirrored.append(m * fresnel[..., None])
    return (np.ascontiguousarray(np.hstack(diffuse), np.float32), np.ascontiguousarray(np.hstack(mirrored), np.float32))


def slopes(height: Array) -> tuple[Array, Array]:
    """dz/dx and dz/dy of a height field on the chart."""
    k = 0.5 * TEXELS_PER_UNIT
    dx = cv2.filter2D(height, cv2.CV_32F, np.array([[-k, 0, k]], np.float32))
    dy = cv2.filter2D(height, cv2.CV_32F, np.array([[k], [0], [-k]], np.float32))
    return np.asarray(dx, np.float32), np.asarray(dy, np.float32)


def occlusion(height: Array, strength: float = 1.0) -> Array:
    """How open every point is, 0..1: the deeper below its surroundings, at three scales, the darker."""
    small = cv2.resize(np.maximum(height, -0.25), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    open_ = np.ones_like(small)
    for sigma, gain in ((2.5, 9.0), (7.0, 4.5), (20.0, 2.0)):
        around = cv2.GaussianBlur(small, (0, 0), sigma)
        open_ *= 1.0 / (1.0 + strength * gain * np.clip(around - small - 0.001, 0.0, 0.25))
    return np.asarray(cv2.resize(open_, height.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def cast_shadow(height: Array, towards: Array, softness: float = 0.55) -> Array:
    """How much of the key light reaches every point, 0..1; `towards` points to the lamp, in the head's frame."""
    third = cv2.resize(np.maximum(height, -0.3), None, fx=1 / 3, fy=1 / 3, interpolation=cv2.INTER_AREA)
    per_unit = TEXELS_PER_UNIT / 3
    worst = np.zeros_like(third)
    for step in (0.03, 0.05, 0.08, 0.12, 0.17, 0.23, 0.30, 0.38):
        shift = np.array([[1, 0, -towards[0] * step * per_unit], [0, 1, towards[1] * step * per_unit]], np.float32)
        towards_lamp = cv2.warpAffine(third, shift, third.shape[::-1], borderMode=cv2.BORDER_CONSTANT, borderValue=-1.0)
        rise = (towards_lamp - third - max(float(towards[2]), 0.1) * step - 0.006) / (softness * step)
        np.maximum(worst, rise, out=worst)
    lit = 1.0 - np.clip(worst, 0.0, 1.0)
    soft = cv2.GaussianBlur(lit, (0, 0), 1.6)
    return np.asarray(cv2.resize(soft, height.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def _rays(pose: HeadPose, edge: int, unit_px: float, step: int) -> tuple[Array, Array, Array, Array]:
    """For each pixel of a square picture: where its ray crosses z = 0 of the head, and its drift per unit of z."""
    axis = np.arange(0, edge, step, dtype=np.float32) + 0.5 * step
    px, py = np.meshgrid(axis, axis)
    scale = unit_px * pose.scale
    vx = (px - edge * (0.5 + pose.right)) / scale - PIVOT[0]
    vy = -(py - edge * (0.5 + pose.down)) / scale - PIVOT[1]
    r = pose.rotation().T
    eye = r @ np.array([0, 0, VIEW_DISTANCE], np.float32)
    dx = r[0, 0] * vx + r[0, 1] * vy - eye[0]
    dy = r[1, 0] * vx + r[1, 1] * vy - eye[1]
    dz = r[2, 0] * vx + r[2, 1] * vy - eye[2]
    ax, ay = dx / dz, dy / dz
    z0 = eye[2] + PIVOT[2]
    return eye[0] + PIVOT[0] - ax * z0, eye[1] + PIVOT[1] - ay * z0, ax, ay


def _sample(height: Array, x: Array, y: Array) -> Array:
    u = (x - LEFT) * TEXELS_PER_UNIT - 0.5
    v = (TOP - y) * TEXELS_PER_UNIT - 0.5
    return np.asarray(cv2.remap(height, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)


def _settle_outlines(height: Array, rays: tuple[Array, Array, Array, Array], high: Array, low: Array) -> None:
    """Where the coarse bounds are far apart (outlines, few pixels), steps down finely; writes high and low."""
    wide = np.flatnonzero(high - low > 0.28)
    if not len(wide):
        return
    padded = np.resize(wide, ((len(wide) + 255) // 256, 256))
    x0, y0, ax, ay = (r.ravel()[padded] for r in rays)
    top, bottom = high.ravel()[padded], low.ravel()[padded]
    steps = 16
    stride = (top - bottom) / steps
    z, going = top.copy(), np.ones(top.shape, np.float32)
    for _ in range(steps - 1):
        trial = z - stride
        going *= _sample(height, x0 + ax * trial, y0 + ay * trial) < trial
        z -= stride * going
    high.ravel()[padded.ravel()] = z.ravel()
    low.ravel()[padded.ravel()] = (z - stride).ravel()


def find_surface(height: Array, pose: HeadPose, edge: int, unit_px: float) -> tuple[Array, Array, Array]:
    """Where each pixel's ray meets the head: chart columns and rows [edge, edge], and its z (BACK: nowhere)."""
    coarse = 3
    x0, y0, ax, ay = _rays(pose, edge, unit_px, coarse)
    levels = np.linspace(FRONT, BACK, 24, dtype=np.float32)
    above = np.full(x0.shape, FRONT, np.float32)
    below = np.full(x0.shape, BACK - 0.1, np.float32)
    searching = np.ones(x0.shape, bool)
    for z_before, z in pairwise(levels):
        hit = searching & (_sample(height, x0 + ax * z, y0 + ay * z) >= z)
        above[hit], below[hit] = z_before, z
        searching &= ~hit
    above[searching] = BACK + 0.1
    square = np.ones((3, 3), np.uint8)
    full, nearest = (edge, edge), cv2.INTER_NEAREST
    high: Array = np.array(cv2.resize(cv2.dilate(above, square), full, interpolation=nearest), np.float32)
    low: Array = np.array(cv2.resize(cv2.erode(below, square), full, interpolation=nearest), np.float32)

    x0, y0, ax, ay = _rays(pose, edge, unit_px, 1)
    _settle_outlines(height, (x0, y0, ax, ay), high, low)
    stride: Array = np.asarray(high - low, np.float32)
    z = high
    for _ in range(8):
        stride *= 0.5
        trial = z - stride
        z -= stride * (_sample(height, x0 + ax * trial, y0 + ay * trial) < trial)
    u = (x0 + ax * z - LEFT) * TEXELS_PER_UNIT - 0.5
    v = (TOP - (y0 + ay * z)) * TEXELS_PER_UNIT - 0.5
    return u, v, z


def _look_up(atlas: Array, nx: Array, ny: Array, tile: Array) -> Array:
    u = (nx * 0.5 + 0.5) * (TILE - 1) + tile * TILE
    v = (0.5 - ny * 0.5) * (TILE - 1)
    return np.asarray(cv2.remap(atlas, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)


class Studio:
    """Lamps and a camera. Baked once; `shoot` renders linear light and coverage for a head in a pose."""

    def __init__(self, lights: LightSet, key: int = 0, shadow: float = 0.75) -> None:
        """`key` is the lamp that casts the shadow, `shadow` how dark it is."""
        self.lights = lights
        self.diffuse, self.mirrored = bake(lights)
        self.key = unit(lights.lamps[key].towards)
        self.shadow = shadow

    def shoot(self, s: Surface, pose: HeadPose, edge: int, unit_px: float) -> tuple[Array, Array]:
        """Linear RGB [edge, edge, 3], and coverage [edge, edge], of a head without background."""
        turn = pose.rotation()
        open_ = s.occlusion
        lit = 1.0 - self.shadow * (1.0 - cast_shadow(s.height, turn.T @ self.key))
        dx, dy = slopes(s.height)
        u, v, z = find_surface(s.height, pose, edge, unit_px)
        tile = cv2.remap(s.material, u, v, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
        # Hair ends lower down the further forward it is: the line of a nape.
        nape = BACK + 0.01 + np.clip((v - texel_of(0.0, -0.05)[1]) * (1.1 / TEXELS_PER_UNIT), 0.0, None)
        found = ((z > SKIN_BACK) | ((tile == HAIR) & (z > nape))).astype(np.float32)
        rows = np.flatnonzero(found.any(axis=1))
        columns = np.flatnonzero(found.any(axis=0))
        light = np.zeros((edge, edge, 3), np.float32)
        if not len(rows):
            return light, found
        at = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        light[at] = self._lit_pixels(s, (dx, dy, open_ * lit, open_), turn, u[at], v[at])
        light *= found[..., None]
        return light, found

    def _lit_pixels(
        self, s: Surface, maps: tuple[Array, Array, Array, Array], turn: Array, u: Array, v: Array
    ) -> Array:
        def take(image: NDArray[Any], how: int = cv2.INTER_LINEAR) -> Array:
            return np.asarray(cv2.remap(image, u, v, how, borderMode=cv2.BORDER_REPLICATE))

        shape = take(cv2.merge(maps))
        sx, sy, reach, open_ = (shape[..., i] for i in range(4))
        length = 1.0 / np.sqrt(1.0 + sx * sx + sy * sy)
        lx, ly = -sx * length, -sy * length
        nx = turn[0, 0] * lx + turn[0, 1] * ly + turn[0, 2] * length
        ny = turn[1, 0] * lx + turn[1, 1] * ly + turn[1, 2] * length
        paint = take(cv2.merge([s.albedo, s.metal]))
        albedo, metal = paint[..., :3], paint[..., 3:4]
        extra = take(cv2.merge([s.glow, s.gloss]))
        glow, gloss = extra[..., :3], extra[..., 3:4]
        tile = take(s.material, cv2.INTER_NEAREST).astype(np.float32)
        diffuse = _look_up(self.diffuse, nx, ny, tile)
        mirrored = _look_up(self.mirrored, nx, ny, tile)
        metallic = _look_up(self.mirrored, nx, ny, np.full_like(tile, METAL))
        seen = (0.25 + 0.75 * reach)[..., None] * open_[..., None]
        light = albedo * diffuse * reach[..., None] * (1.0 - 0.85 * metal) + mirrored * gloss * seen * (1.0 - metal)
        light += metallic * albedo * metal * seen
        return np.asarray(light + glow, np.float32)


def develop(light: Array, exposure: float = 1.0) -> NDArray[np.uint8]:
    """Linear light to a picture: a film curve (Narkowicz's fit of ACES) and sRGB's gamma, by table."""
    steps = np.linspace(0.0, 1.0, 4096, dtype=np.float64) ** 2 * 8.0
    curve = steps * (2.51 * steps + 0.03) / (steps * (2.43 * steps + 0.59) + 0.14)
    table = (np.clip(curve, 0, 1) ** (1 / 2.2) * 255.0 + 0.5).astype(np.uint8)
    index = np.sqrt(np.clip(light * (exposure / 8.0), 0.0, 1.0)) * 4095.0
    return np.asarray(table[index.astype(np.uint16)])


def bloom(light: Array, threshold: float, amount: float) -> Array:
    """A lens's bloom: the brightest light spread softly over its surroundings."""
    small = cv2.resize(light, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    bright = np.clip(small - threshold, 0.0, 2.0)
    near, far = (cv2.GaussianBlur(bright, (0, 0), small.shape[0] * share) for share in (0.012, 0.045))
    back = cv2.resize(near + far, light.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(light + amount * back, np.float32)


def project(x: float, y: float, z: float, pose: HeadPose, edge: int, unit_px: float) -> tuple[float, float]:
    """Picture column and row of a point of the head."""
    p = pose.rotation() @ (np.array([x, y, z], np.float32) - PIVOT)
    k = VIEW_DISTANCE / (VIEW_DISTANCE - p[2])
    scale = unit_px * pose.scale
    return (
        float((p[0] * k + PIVOT[0]) * scale + edge * (0.5 + pose.right)),
        float(-(p[1] * k + PIVOT[1]) * scale + edge * (0.5 + pose.down)),
    )
