"""A figure: head, bust and background combined into one picture.

Only the head is rendered anew for every frame. The bust is lit once and follows by an affine warp, its top with the
head, its shoulders half as far; the background never moves. A picture is a function of pose and expression alone, so
that a network which is given only landmarks can learn all of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from live.demo_training.characters.head import SKIN, Array, Expression, Head, bump, ramp
from live.demo_training.characters.shading import METAL, TILE, HeadPose, Studio, bloom, develop, occlusion, project

UNIT = 0.336
"""One head unit in picture widths at scale 1: the face is then 47 % as wide as the picture."""

SUPERSAMPLING = 1.5

OCCLUSION = 0.3
"""How much hollows darken. More looks richer, but a landmark predictor takes dark sockets for open eyes."""


@dataclass(frozen=True)
class Backdrop:
    """Velvet: `dark` everywhere, `glow` around `at` (picture fractions); linear light."""

    dark: tuple[float, float, float]
    glow: tuple[float, float, float]
    at: tuple[float, float]
    spread: float
    seed: int

    def light(self, edge: int) -> Array:
        """Linear RGB [edge, edge, 3]."""
        axis = (np.arange(edge, dtype=np.float32) + 0.5) / edge
        x, y = np.meshgrid(axis, axis)
        r = np.sqrt((x - self.at[0]) ** 2 + (y - self.at[1]) ** 2) / self.spread
        halo = np.exp(-0.5 * r**2) + 0.35 * np.exp(-0.5 * (r / 2.0) ** 2)
        random = np.random.default_rng(self.seed)
        folds = np.zeros((edge, edge), np.float32)
        for octave, gain in ((5, 0.5), (11, 0.28), (23, 0.15)):
            noise = random.normal(size=(max(2, octave // 3), octave)).astype(np.float32)
            folds += gain * cv2.resize(noise, (edge, edge), interpolation=cv2.INTER_CUBIC)
        cloth = np.clip(1.0 + 0.35 * folds, 0.3, 2.0)
        light = np.asarray(self.dark, np.float32) + (halo * cloth)[..., None] * np.asarray(self.glow, np.float32)
        return np.asarray(light, np.float32)


@dataclass(frozen=True)
class Bust:
    """Neck and shoulders: `colour` of the neck, `cloth` over the shoulders; `shoulder` half width, head units."""

    colour: tuple[float, float, float]
    cloth: tuple[float, float, float]
    material_gloss: float
    shoulder: float
    neck: float = 0.40
    collar: float = -1.62
    metal: float = 0.0

    def lit(self, studio: Studio, edge: int, unit_px: float) -> tuple[Array, Array]:
        """Linear RGB and coverage at rest, [edge, edge]; lit once for the whole performance."""
        axis = (np.arange(edge, dtype=np.float32) + 0.5 - edge * 0.5) / unit_px
        x, y = np.meshgrid(axis, -axis)
        ax = np.abs(x)
        fall = np.clip(-1.16 - y, 0.0, None)
        half = self.neck + 0.05 * ramp(-1.0, -0.75, y) + 0.55 * fall**1.5 + 0.9 * ramp(-1.35, -1.75, y) * self.shoulder
        inside = np.clip(1.0 - (ax / half) ** 2, 0.0, 1.0)
        z = half * 0.8 * np.sqrt(inside)
        muscle = np.exp(-(((ax - 0.34 + 0.55 * (-0.75 - y) * 0.42) / 0.055) ** 2)) * ramp(-1.7, -1.3, y)
        z = z + 0.030 * muscle + 0.03 * bump(ax, y, (0.33, -1.58), (0.25, 0.035), -0.18)
        z = z - 0.06 * bump(x, y, (0.0, -1.56), (0.07, 0.05))
        k = 0.5 * unit_px
        sx = cv2.filter2D(z.astype(np.float32), cv2.CV_32F, np.array([[-k, 0, k]], np.float32))
        sy = cv2.filter2D(z.astype(np.float32), cv2.CV_32F, np.array([[k], [0], [-k]], np.float32))
        n = 1.0 / np.sqrt(1 + sx * sx + sy * sy)
        u = ((-sx * n) * 0.5 + 0.5) * (TILE - 1) + SKIN * TILE
        v = (0.5 + sy * n * 0.5) * (TILE - 1)
        diffuse = cv2.remap(studio.diffuse, u, v, cv2.INTER_LINEAR)
        mirrored = cv2.remap(studio.mirrored, u, v, cv2.INTER_LINEAR)
        garment = ramp(0.02, -0.02, y - self.collar - 0.28 * ax**1.5)[..., None]
        albedo = np.asarray(self.colour, np.float32) * (1 - garment) + np.asarray(self.cloth, np.float32) * garment
        bare = self.metal * (1 - garment)
        light = albedo * diffuse * (1 - 0.85 * bare)
        light = light + mirrored * (self.material_gloss * (1 - garment) + 0.05 * garment) * (1 - bare)
        if self.metal:
            metallic = cv2.remap(studio.mirrored, u + (METAL - SKIN) * TILE, v, cv2.INTER_LINEAR)
            light = light + metallic * albedo * bare
        # The room is lit from above; towards the lower edge the picture fades to dark.
        light = light * (0.10 + 0.90 * ramp(-2.05, -1.15, y))[..., None]
        cover = cv2.GaussianBlur((ax < half).astype(np.float32) * (y < -0.5), (0, 0), 0.8)
        return light.astype(np.float32), cover


class Figure:
    """A character. `picture` is a pure function of pose, expression and size."""

    name = ""

    def __init__(self, head: Head, studio: Studio, bust: Bust, backdrop: Backdrop, exposure: float) -> None:
        """Combines the parts; what depends on the size is computed at the first picture of that size."""
        self.head, self.studio, self.bust, self.backdrop, self.exposure = head, studio, bust, backdrop, exposure
        self._still: dict[int, tuple[Array, Array, Array, NDArray[np.int16]]] = {}

    def picture(self, pose: HeadPose, expression: Expression, size: int) -> NDArray[np.uint8]:
        """One frame, uint8 RGB [size, size, 3]."""
        edge = int(size * SUPERSAMPLING)
        unit_px = UNIT * edge
        surface = self.head.surface(expression)
        surface.occlusion = occlusion(surface.height, OCCLUSION)
        light, cover = self.studio.shoot(surface, pose, edge, unit_px)
        behind, bust, bust_cover, grain = self._stills(size)
        full = self._behind(pose, light, cover, behind, bust, bust_cover, unit_px)
        seen = np.asarray(cv2.resize(full, (size, size), interpolation=cv2.INTER_AREA), np.float32)
        shown = develop(bloom(seen, 0.75, 0.22), self.exposure)
        return np.asarray(np.clip(shown.astype(np.int16) + grain, 0, 255), np.uint8)

    def _stills(self, size: int) -> tuple[Array, Array, Array, NDArray[np.int16]]:
        if size not in self._still:
            edge = int(size * SUPERSAMPLING)
            bust, cover = self.bust.lit(self.studio, edge * 2, UNIT * edge)
            random = np.random.default_rng(7)
            grain = np.round(random.normal(0.0, 0.9, (size, size, 1))).astype(np.int16)
            self._still[size] = (self.backdrop.light(edge), bust, cover, grain)
        return self._still[size]

    def _behind(
        self, pose: HeadPose, light: Array, cover: Array, behind: Array, bust: Array, bust_cover: Array, unit_px: float
    ) -> Array:
        """Composites the head over the bust, with the chin's shadow on it, over the background."""
        edge = light.shape[0]
        c, s = np.cos(pose.roll * 0.35), np.sin(pose.roll * 0.35)
        scale = pose.scale
        nape_x, nape_y = project(0.0, -0.80, -0.10, pose, edge, unit_px)
        # The nape moves with the head; the shoulders, one unit below, move half as far from their rest position.
        rest_x, rest_y = edge * 0.5, edge * 0.5 + 0.80 * unit_px
        lean = (rest_x - nape_x) * 0.55 / unit_px
        source = (edge, edge + 0.80 * unit_px)
        m = np.array([[c * scale, -s * scale + lean], [s * scale, c * scale]])
        shift = np.array([nape_x, nape_y * 0.55 + rest_y * 0.45]) - m @ np.array(source)
        matrix = np.hstack([m, shift[:, None]]).astype(np.float32)
        low = int(edge * 0.45)
        matrix[1, 2] -= low
        size = (edge, edge - low)
        body = cv2.warpAffine(bust, matrix, size)
        body_cover = cv2.warpAffine(bust_cover, matrix, size)
        small = cv2.resize(cover, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
        q = unit_px * 0.25
        drop = np.array([[1, 0, 0.07 * q], [0, 1, 0.16 * q]], np.float32)
        shade = cv2.GaussianBlur(cv2.warpAffine(small, drop, small.shape[::-1]), (0, 0), 0.10 * q)
        shade = cv2.resize(shade, (edge, edge), interpolation=cv2.INTER_LINEAR)[low:]
        body = body * (1.0 - 0.93 * np.clip(shade * 1.25, 0, 1))[..., None]
        full = behind.copy()
        full[low:] = full[low:] * (1 - body_cover[..., None]) + body * body_cover[..., None]
        soft = cv2.GaussianBlur(cover, (3, 3), 0)
        return np.asarray(full * (1 - soft[..., None]) + light * soft[..., None], np.float32)
