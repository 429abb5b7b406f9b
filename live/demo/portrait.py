"""The stand-in performer's portrait: a photograph with a depth map, a movable jaw and lids.

Eileen Collins, NASA Great Images (public domain), as included in scikit-image. The photograph is warped in two steps of
different kinds: the *expression* (mouth, lids, brows, gaze) is painted in the photograph's own frame, where lips and
lids are fixed curves and what is behind them can be masked exactly; the *pose* (a head with depth that turns on a neck,
a body that leans) is one smooth field, inverted on a coarse grid and applied in a single cv2.remap.

All lengths are photograph pixels, x to the right and y down, measured from the photograph's upper left edge, unless a
name says otherwise. Runs in the caller's thread; it keeps scratch pictures, so a StandInPortrait belongs to one thread.
"""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from models.features.media.bad_media import BadMedia
from models.features.media.picture_files import read_picture_file
from models.features.types import Picture

Floats = NDArray[np.float32]

# dlib's 68 points (face_recognition_models' predictor), averaged over the photograph as it is, enlarged 2 and
# 3 times (they agree within 1.3 px); dlib means pixel centres, so 0.5 is added where they are used.
LANDMARKS: Final = np.array([
    (179.5, 104.4), (179.7, 116.1), (180.7, 127.2), (181.8, 138.8), (185.1, 150.3), (191.2, 160.2),
    (200.1, 168.7), (209.1, 175.8), (220.6, 178.4), (232.0, 177.1), (242.8, 171.4), (252.8, 164.0),
    (260.1, 154.3), (265.0, 143.8), (268.0, 132.1), (270.3, 120.4), (272.0, 108.3), (186.3, 94.3),
    (192.1, 88.4), (200.4, 87.3), (208.7, 89.0), (216.5, 92.4), (236.2, 93.7), (244.2, 91.0), (252.3, 90.9),
    (260.3, 92.6), (265.3, 98.8), (225.7, 102.7), (225.5, 111.0), (225.4, 119.0), (225.1, 127.4),
    (214.3, 131.3), (219.3, 132.7), (224.4, 134.4), (229.5, 133.3), (234.4, 132.1), (195.3, 101.3),
    (200.4, 98.0), (207.0, 98.6), (212.4, 104.1), (206.3, 104.4), (199.7, 104.0), (237.9, 105.4),
    (243.7, 100.7), (250.0, 100.9), (255.3, 104.3), (250.3, 106.7), (244.0, 106.3), (200.7, 139.4),
    (209.1, 139.3), (218.0, 139.4), (223.4, 141.0), (229.5, 140.1), (237.4, 140.4), (245.7, 141.1),
    (237.4, 151.1), (229.1, 155.1), (222.3, 155.8), (216.1, 154.8), (207.8, 149.8), (203.6, 140.7),
    (217.4, 143.0), (223.3, 144.3), (229.4, 143.4), (242.9, 142.1), (229.1, 150.0), (223.0, 150.4),
    (217.0, 149.7),
], np.float32)  # fmt: skip

# Placed by hand on the photograph enlarged 14 times: the exact edges of lips and lids, which the 68 points
# give to a pixel only.
UPPER_LIP_OUTER: Final = (
    (203.5, 138.9), (207, 139.1), (212, 139.2), (217, 139.3), (225, 140.6), (231, 139.8), (238, 139.9),
    (244.8, 140.4),
)  # fmt: skip
UPPER_LIP_INNER: Final = (
    (203.5, 139.4), (207, 140.6), (211, 141.6), (216, 142.8), (222, 143.6), (226, 143.9), (230, 143.3),
    (235, 142.2), (240, 141.2), (244.8, 141.0),
)  # fmt: skip
LOWER_LIP_INNER: Final = (
    (203.5, 139.4), (206, 143.3), (210, 147.0), (214, 149.4), (218, 150.6), (223, 150.9), (228, 150.5),
    (232, 149.4), (236, 147.4), (240, 144.7), (244.8, 141.0),
)  # fmt: skip
LOWER_LIP_OUTER: Final = (
    (203.5, 141.5), (209, 148.8), (214, 153.7), (219, 156.2), (224, 157.0), (230, 156.2), (236, 152.7),
    (241, 147.3), (244.8, 143.0),
)  # fmt: skip
UPPER_LIDS: Final = (
    (192.5, 101.3), (196, 100.0), (200, 98.9), (204, 98.4), (208, 99.1), (211, 101.1), (214, 104.3),
    (236.5, 105.2), (240, 102.3), (244, 100.4), (248, 99.9), (252, 100.8), (255, 102.6), (258.3, 104.3),
)  # fmt: skip
LOWER_LIDS: Final = (
    (192.5, 101.3), (196, 103.0), (200, 104.4), (204, 105.1), (208, 105.0), (211, 104.7), (214, 104.3),
    (236.5, 105.2), (240, 106.1), (244, 107.1), (248, 107.2), (252, 106.4), (255, 105.4), (258.3, 104.3),
)  # fmt: skip
IRISES: Final = ((203.7, 101.5), (246.8, 103.7))
# The outline of hair, ears, jaw and neck: what turns with the head.
HEAD: Final = (
    (153, 70), (157, 52), (169, 40), (190, 32), (208, 22), (234, 16), (260, 21), (281, 33), (296, 55),
    (301, 84), (299, 104), (289, 122), (276, 134), (267, 138), (262, 151), (255, 172), (234, 186), (205, 182),
    (187, 172), (185, 151), (179, 132), (170, 122), (158, 101),
)  # fmt: skip
# The suit: it leans, but does not turn.
BODY: Final = (
    (40, 280), (70, 230), (112, 205), (118, 180), (140, 158), (180, 150), (262, 170), (300, 220), (340, 255),
    (360, 280),
)  # fmt: skip

VISIBLE_HEIGHT: Final = (
    204.0  # of the photograph, in the picture's height: the face box is 43 % of it, as before a webcam
)
VISIBLE_CENTRE_X: Final = 225.0
VISIBLE_TOP: Final = -4.0
MARGIN: Final = 32  # kept around what is visible, as the pose may pull it in
BACKDROP_ABOVE_HAIR: Final = 13  # rows that show only backdrop: mirrored upward they extend it

MOUTH_CENTRE_X: Final = 224.15
MOUTH_HALF_WIDTH: Final = 20.65
MOUTH_Y: Final = 145.0
JAW_DROP: Final = 12.5  # how far the lower lip drops at jaw 1
NECK_REACH: Final = 24.0  # below the jaw line, where its drop has faded to 0

HEAD_CENTRE: Final = (226.0, 106.0)
NECK: Final = (224.0, 178.0)
LEAN_CENTRE: Final = (225.0, 132.0)


@dataclass(frozen=True, slots=True)
class PortraitExpression:
    """The facial expression; all 0 is mouth closed, eyes open, no smile."""

    jaw: float = 0.0  # 0 lips together, 1 wide open
    smile: float = 0.0  # 0 relaxed, 1 the photograph's own smile
    round: float = 0.0  # 0 as wide as the smile makes it, 1 pursed as for "oo"
    lids: float = 0.0  # 0 open as in the photograph, 1 closed
    brows: float = 0.0  # -1 drawn down, 0 as in the photograph, 1 raised
    gaze_x: float = 0.0  # -1..1, about 1.7 px of the photograph to either side
    gaze_y: float = 0.0


@dataclass(frozen=True, slots=True)
class PortraitPose:
    """The head's pose, relative to the photograph."""

    yaw_deg: float = 0.0  # positive turns to the picture's right
    pitch_deg: float = 0.0  # positive looks up
    roll_deg: float = 0.0  # positive tilts to the picture's right
    nearer: float = 0.0  # 0.08 is 8 % larger
    x: float = 0.0  # sideways
    y: float = 0.0


def photograph() -> Picture:
    """The photograph, RGB (512, 512, 3). Located without importing scikit-image, which takes a second.

    Raises FileNotFoundError.
    """
    found = importlib.util.find_spec("skimage")
    if found is None or found.origin is None:
        raise FileNotFoundError(
            "the demo performer needs scikit-image, which brings the portrait: pip install scikit-image"
        )
    path = Path(found.origin).parent / "data" / "astronaut.png"
    try:
        return read_picture_file(path)
    except BadMedia as error:
        raise FileNotFoundError(f"the demo performer's portrait cannot be read: {path}") from error


def _curve(points: tuple[tuple[float, float], ...], x: Floats, smooth_px: float) -> Floats:
    """y of a curve through `points` at the evenly spaced `x`, with rounded corners; level beyond its ends."""
    xs, ys = zip(*points, strict=True)
    y = np.interp(x, xs, ys).astype(np.float32)
    sigma = smooth_px / float(x[1] - x[0])
    return np.asarray(cv2.GaussianBlur(y[None], (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)[0], np.float32)


def _ramp(y: Floats, start: Floats, end: Floats) -> Floats:
    """0 above `start`, 1 below `end`, linear between."""
    return np.asarray(np.clip((y - start) / np.maximum(end - start, 0.05), 0.0, 1.0), np.float32)


def _smoothstep(v: Floats) -> Floats:
    v = np.clip(v, 0.0, 1.0)
    return np.asarray(v * v * (3.0 - 2.0 * v), np.float32)


def _fetched(picture: NDArray[Any], at: Floats, out: NDArray[Any] | None = None) -> NDArray[Any]:
    """`picture` sampled at the (x, y) of `at`, (rows, columns, 2), bilinearly; beyond its edge, the edge.

    Not mirrored at the edge: cv2.remap never returns from mirroring a coordinate that is not a number.
    """
    # OpenCV takes None for the second map where the first has both coordinates; its stubs do not know.
    return cv2.remap(picture, at, None, cv2.INTER_LINEAR, out, cv2.BORDER_REPLICATE)  # type: ignore[call-overload, no-any-return]


def _bump(x: Floats, y: Floats, cx: float, cy: float, rx: float, ry: float, power: int = 2) -> Floats:
    return np.asarray(np.exp(-(np.abs((x - cx) / rx) ** power) - np.abs((y - cy) / ry) ** power), np.float32)


class Region:
    """A rectangle of the texture that an expression repaints completely, with its own map.

    Displacements are computed on a grid as fine as the photograph and enlarged, which keeps them smooth; what has to be
    sharp (lip and lid edges) is masked at the texture's resolution.
    """

    def __init__(self, texture: "Texture", left: float, top: float, right: float, bottom: float) -> None:
        x0, y0 = np.round(texture.to_texture(np.array((left, top))) + 0.5).astype(int)
        x1, y1 = np.round(texture.to_texture(np.array((right, bottom))) + 0.5).astype(int)
        self.window = (slice(y0, y1), slice(x0, x1))
        self.size = (int(x1 - x0), int(y1 - y0))
        self.grid_size = (int(right - left), int(bottom - top))
        self._texture, self.scale = texture, texture.scale
        tx, ty = np.arange(x0, x1, dtype=np.float32), np.arange(y0, y1, dtype=np.float32)
        self._base_x, self._base_y = np.meshgrid(tx, ty)
        photo = texture.to_photograph(np.stack((self._base_x, self._base_y), -1))
        self.x, self.y = photo[..., 0].copy(), photo[..., 1].copy()  # of every texture pixel
        columns, rows = (
            self._nodes(self.size[0], self.grid_size[0]),
            self._nodes(self.size[1], self.grid_size[1]),
        )
        self.grid_x: Floats = np.interp(columns, np.arange(x1 - x0), self.x[0]).astype(np.float32)
        self.grid_y: Floats = np.interp(rows, np.arange(y1 - y0), self.y[:, 0]).astype(np.float32)[:, None]

    @staticmethod
    def _nodes(pixels: int, nodes: int) -> NDArray[np.float64]:
        """Pixel coordinates of the nodes that cv2.resize enlarges to `pixels`."""
        return np.asarray((np.arange(nodes) + 0.5) * (pixels / nodes) - 0.5, np.float64)

    def enlarge(self, values: Floats) -> Floats:
        return np.asarray(cv2.resize(values, self.size, interpolation=cv2.INTER_LINEAR), np.float32)

    def columns(self, values: Floats) -> Floats:
        """A value for each grid column -> for each texture column."""
        return self.enlarge(values[None])[:1]

    def bent(self, dx: Floats | None, dy: Floats, rows: slice = slice(None)) -> Picture:
        """`rows` of the region, RGBA, each pixel sampled (dx, dy) photograph pixels away."""
        scale = np.float32(self.scale)
        from_x = self._base_x[rows] if dx is None else self._base_x[rows] + dx * scale
        from_y = self._base_y[rows] + dy * scale
        return np.asarray(cv2.remap(self._texture.still, from_x, from_y, cv2.INTER_LINEAR), np.uint8)


class Texture:
    """The visible part of the photograph with a margin, enlarged to the picture's resolution."""

    def __init__(self, photo: Picture, width: int, height: int) -> None:
        self.scale = height / VISIBLE_HEIGHT
        half = width / self.scale / 2
        self.left, self.top = int(np.floor(VISIBLE_CENTRE_X - half)) - MARGIN, int(VISIBLE_TOP) - MARGIN
        right = int(np.ceil(VISIBLE_CENTRE_X + half)) + MARGIN
        bottom = int(np.ceil(VISIBLE_TOP + VISIBLE_HEIGHT)) + MARGIN
        strip = photo[:BACKDROP_ABOVE_HAIR]
        repeats = -(-max(0, -self.top) // BACKDROP_ABOVE_HAIR)
        rows = [strip[::-1] if i % 2 == 0 else strip for i in range(repeats)][::-1]
        tall = np.vstack([*rows, photo])
        up = repeats * BACKDROP_ABOVE_HAIR
        beyond = max(0, -self.left, right - photo.shape[1])
        wide = cv2.copyMakeBorder(tall, 0, 0, beyond, beyond, cv2.BORDER_REFLECT)
        crop = wide[self.top + up : bottom + up, self.left + beyond : right + beyond]
        size = (round(crop.shape[1] * self.scale), round(crop.shape[0] * self.scale))
        enlarged = cv2.resize(crop, size, interpolation=cv2.INTER_CUBIC)
        # With an unused fourth channel: cv2.remap is two and a half times faster on it than on three.
        self.still: Picture = np.asarray(cv2.cvtColor(enlarged, cv2.COLOR_RGB2RGBA), np.uint8)
        self.size = size

    def to_texture(self, photo_xy: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((photo_xy - np.array((self.left, self.top))) * self.scale - 0.5, np.float64)

    def to_photograph(self, texture_xy: Floats) -> Floats:
        return np.asarray((texture_xy + 0.5) / self.scale + np.array((self.left, self.top)), np.float32)


class Mouth:
    """Lips, jaw and chin; between the lips the photograph's upper teeth, a dark mouth, a tongue."""

    _DARK: Final = np.array((36.0, 13.0, 13.0), np.float32)
    _TONGUE: Final = np.array((112.0, 44.0, 46.0), np.float32)

    def __init__(self, texture: Texture) -> None:
        self._region = r = Region(texture, 172, 126, 280, 206)
        x = r.grid_x
        self._upper_outer, self._upper_inner = (
            _curve(UPPER_LIP_OUTER, x, 2.0),
            _curve(UPPER_LIP_INNER, x, 1.2),
        )
        self._lower_inner, self._lower_outer = (
            _curve(LOWER_LIP_INNER, x, 1.2),
            _curve(LOWER_LIP_OUTER, x, 2.0),
        )
        jaw = tuple((float(px), float(py)) for px, py in LANDMARKS[3:14] + 0.5)
        self._jaw_line = _curve(jaw, x, 4.0)
        # Where the lips are pulled in: not at the nostrils, at the cheeks' outline and below the chin's pad.
        self._pursed = _bump(x, r.grid_y, MOUTH_CENTRE_X, MOUTH_Y + 2.0, 24.0, 16.0) * _smoothstep(
            (r.grid_y - 127.0) / 9.0
        )
        self._pursed_lips = np.exp(-(((x - MOUTH_CENTRE_X) / 24.0) ** 2)).astype(np.float32)
        self._prepare_inside(texture)

    def _prepare_inside(self, texture: Texture) -> None:
        """The photograph's teeth above a dark mouth, over the columns where the lips can open."""
        r = self._region
        upper, lower = r.columns(self._upper_inner), r.columns(self._lower_inner)
        teeth = _ramp(r.y, upper - 0.2, upper + 0.5) * (1.0 - _ramp(r.y, lower - 1.3, lower - 0.3))
        self._cols = slice(*np.searchsorted(r.x[0], (198.0, 250.0)))
        # Teeth are in the mouth's shade: darker toward the corners.
        shade = 0.94 - 0.5 * np.abs((r.x - MOUTH_CENTRE_X) / MOUTH_HALF_WIDTH) ** 4
        picture = texture.still[r.window][..., :3].astype(np.float32) * shade[..., None]
        a = teeth[..., None]
        self._inside = np.ascontiguousarray((picture * a + self._DARK * (1.0 - a))[:, self._cols])
        self._no_teeth = np.ascontiguousarray(1.0 - teeth[:, self._cols])
        self._x = np.ascontiguousarray(r.x[:1, self._cols])

    def paint(self, canvas: Picture, e: PortraitExpression) -> None:
        """Repaints the mouth's region of `canvas` completely."""
        r, y = self._region, self._region.grid_y
        narrow = 0.14 * (1.0 - e.smile) + 0.08 * e.jaw + 0.20 * e.round
        pull = (r.grid_x - MOUTH_CENTRE_X) * np.float32(narrow / (1.0 - narrow))
        xs = r.grid_x + pull * self._pursed_lips  # the photograph's column that each column's lips come from
        knots, shifts = self._lips(xs, e)
        upper_outer, upper_inner, lower_inner, lower_outer, jaw_line = (
            k + s for k, s in zip(knots, shifts, strict=True)
        )
        nose = np.full_like(xs, 134.0)
        up = shifts[0] * _ramp(y, nose, upper_outer)
        up = up + (shifts[1] - shifts[0]) * _ramp(y, upper_outer, upper_inner)
        low = shifts[2] + (shifts[3] - shifts[2]) * _ramp(y, lower_inner, lower_outer)
        low = low + (shifts[4] - shifts[3]) * _ramp(y, lower_outer, jaw_line)
        low = low - shifts[4] * _smoothstep(_ramp(y, jaw_line, self._jaw_at(xs) + NECK_REACH))
        top, bottom = r.columns(upper_inner), r.columns(lower_inner)
        dy = np.where(r.y < (top + bottom) / 2, r.enlarge(up), r.enlarge(low))
        skin = r.bent(r.enlarge(pull * self._pursed), -dy)
        self._fill(skin, top, bottom)
        canvas[r.window] = skin

    def _jaw_at(self, xs: Floats) -> Floats:
        return np.interp(xs, self._region.grid_x, self._jaw_line).astype(np.float32)

    def _lips(self, xs: Floats, e: PortraitExpression) -> tuple[list[Floats], list[Floats]]:
        """For every column: where five curves are in the photograph, and how far each has moved down.

        The curves: the upper lip's outer and inner edge, the lower lip's inner and outer edge, the jaw line.
        """
        curves = (self._upper_outer, self._upper_inner, self._lower_inner, self._lower_outer, self._jaw_line)
        knots = [np.interp(xs, self._region.grid_x, c).astype(np.float32) for c in curves]
        r = (xs - MOUTH_CENTRE_X) / MOUTH_HALF_WIDTH
        inside = np.clip(1.0 - r * r, 0.0, 1.0) ** 0.7  # a mouth opens rounder than a parabola
        corner = np.where(np.abs(r) < 1.0, r * r, np.exp(-(((np.abs(r) - 1.0) / 0.5) ** 2)))
        chin = np.clip(1.0 - ((xs - 222.0) / 48.0) ** 2, 0.0, 1.0) ** 2
        gap, relax, opened = knots[2] - knots[1], 1.0 - e.smile, e.jaw
        closing = 1.0 - min(1.0, 2.0 * opened)
        meet = 0.30 * relax**0.5 * (1.0 - opened)  # the part of the photograph's gap that the upper lip covers
        # The upper lip and the corners sink as the smile relaxes, the corners also as the jaw drops.
        sink = corner * (3.0 * relax + 4.6 * opened) + inside * (0.9 * relax + 0.6 * e.round - 0.5 * opened)
        upper_inner = sink + gap * meet
        # The lower lip closes the rest of the gap; from there the jaw moves it down.
        lower_inner = sink + inside * (JAW_DROP * 1.15 * opened) - gap * ((1.0 - meet) * closing)
        lower_inner = np.maximum(lower_inner, upper_inner - gap)  # lips touch, they do not cross
        upper_outer = sink * 0.8 + gap * (0.10 * (1.0 - opened) * relax)
        lower_outer = lower_inner + inside * (0.8 * relax - 0.6 * opened)
        jaw = chin * (JAW_DROP * 0.85 * opened - 1.6 * closing)
        return knots, [np.asarray(s, np.float32) for s in (upper_outer, upper_inner, lower_inner, lower_outer, jaw)]

    def _fill(self, skin: Picture, top: Floats, bottom: Floats) -> None:
        """Blends the inside of the mouth into `skin` between the curves `top` and `bottom` (1, columns)."""
        top, bottom, scale = top[:, self._cols], bottom[:, self._cols], np.float32(self._region.scale)
        rows = slice(*np.searchsorted(self._region.y[:, 0], (float(top.min()) - 1.0, float(bottom.max()) + 1.0)))
        y = self._region.y[rows, :1]
        gap = bottom - top
        opening = np.clip((y - top) * scale + 0.5, 0, 1) * np.clip((bottom - y) * scale + 0.5, 0, 1)
        opening *= np.clip(gap * 1.5, 0.0, 1.0)
        light = np.clip(0.25 + gap / 4.5, 0.0, 1.0) * np.clip(
            0.45 + (y - top) / 2.5, 0.0, 1.0
        )  # dark under the upper lip
        ruddy = light * (0.6 + 0.4 * light)  # dark parts are red
        sides = np.clip(1.0 - ((self._x - MOUTH_CENTRE_X) / 15.0) ** 2, 0.0, 1.0) * np.clip((gap - 4.0) / 9.0, 0.0, 0.8)
        tongue = np.exp(-(((bottom - y) / 5.5) ** 2)) * (sides * self._no_teeth[rows])
        inside = self._inside[rows] * cv2.merge((light, ruddy, ruddy)) + self._TONGUE * tongue[..., None]
        window = skin[rows, self._cols, :3]
        a = opening[..., None]
        window[...] = (window * (1.0 - a) + inside * a + 0.5).astype(np.uint8)


class Eyes:
    """Lids that close over a fixed eyeball, brows, and a gaze."""

    def __init__(self, texture: Texture) -> None:
        self._region = r = Region(texture, 181, 74, 273, 122)
        x, y = r.grid_x, r.grid_y
        self._upper, self._lower = _curve(UPPER_LIDS, x, 0.8), _curve(LOWER_LIDS, x, 0.8)
        between = (x > 214) & (x < 236.5)
        beside = between | (x < 192.5) | (x > 258.3)
        gap = np.where(beside, 0.0, np.maximum(self._lower - self._upper, 0.0))
        self._gap: Floats = gap.astype(np.float32)
        above = np.where(y < 91.0, 8.0, 5.0)
        along = np.exp(-(((x - 203.0) / 17.0) ** 4)) + np.exp(-(((x - 248.0) / 17.0) ** 4))
        self._brows: Floats = (np.exp(-(((y - 91.0) / above) ** 2)) * along).astype(np.float32)
        self._open = r.columns((self._gap > 0).astype(np.float32))
        self._lashes = 0.55 * r.columns(np.asarray(np.clip(self._gap / 5.0, 0.0, 1.0), np.float32))
        self._rows = slice(*np.searchsorted(r.y[:, 0], (94.0, 112.0)))
        self._y = np.ascontiguousarray(r.y[self._rows])
        bumps = [_bump(r.x[self._rows], self._y, cx, cy, 6.5, 5.0, 4) for cx, cy in IRISES]
        self._gaze: Floats = np.sum(bumps, axis=0, dtype=np.float32)

    def paint(self, canvas: Picture, e: PortraitExpression) -> None:
        """Repaints the eyes' region of `canvas` completely."""
        r, y = self._region, self._region.grid_y
        fall: Floats = self._gap * np.float32(0.93 * e.lids - 0.06 * max(e.brows, 0.0) * (1.0 - e.lids))
        rise: Floats = -self._gap * np.float32(0.07 * e.lids + 0.10 * e.smile * (1.0 - e.lids))
        upper, lower = self._upper + fall, self._lower + rise
        up = fall * _smoothstep(_ramp(y, self._upper - 9.0, upper))
        low = rise * (1.0 - _smoothstep(_ramp(y, lower, self._lower + 8.0)))
        top, bottom = r.columns(upper), r.columns(lower)
        brows = np.float32(3.2 * e.brows) * self._brows
        dy = np.where(r.y < (top + bottom) / 2, r.enlarge(brows - up), r.enlarge(brows - low))
        skin = r.bent(None, dy)
        self._fill(skin, top, bottom, e)
        canvas[r.window] = skin

    def _fill(self, skin: Picture, top: Floats, bottom: Floats, e: PortraitExpression) -> None:
        """Blends the eyeballs into `skin` between the curves `top` and `bottom` (1, columns)."""
        r, y = self._region, self._y
        aside: Floats = self._gaze * np.float32(-1.7 * e.gaze_x)
        upward: Floats = self._gaze * np.float32(-e.gaze_y)
        ball = r.bent(aside, upward, self._rows)[..., :3]
        edge = np.float32(0.7 * r.scale)
        opening = np.clip((y - top) * edge + 0.5, 0, 1) * np.clip((bottom - y) * edge + 0.5, 0, 1)
        opening *= self._open * np.clip((bottom - top) * 1.2 - 0.4, 0.0, 1.0)
        shadow = np.exp(-(((y - top) / 1.5) ** 2)) * np.float32(0.35 * e.lids)  # the lid's, on the eyeball
        # Closed lashes are one dark line; the open ones are in the photograph.
        closed = np.float32(max(0.0, 2.0 * e.lids - 1.0))
        lashes = np.exp(-(((y - bottom + 0.2) / 0.75) ** 2)) * (self._lashes * closed)
        of_skin, of_ball = (1.0 - opening) * (1.0 - lashes), opening * (1.0 - shadow)
        window = skin[self._rows, :, :3]
        window[...] = (window * of_skin[..., None] + ball * of_ball[..., None] + 0.5).astype(np.uint8)


class Skull:
    """The pose: depth, what turns and what leans, on a grid over the texture. Gives the map for cv2.remap."""

    _STEP: Final = 8  # picture pixels between grid nodes: the nose, the finest thing with a depth, is 40 wide
    _ROUNDS: Final = 8  # of the inversion's fixed point: its error shrinks by at least 0.6 in each

    def __init__(self, texture: Texture, width: int, height: int) -> None:
        self._texture, self._picture_size = texture, (width, height)
        tw, th = texture.size
        self._grid = (tw // self._STEP, th // self._STEP)
        nodes = self._nodes(self._grid, texture.size)
        photo = texture.to_photograph(nodes)
        self._x, self._y = photo[..., 0], photo[..., 1]
        self._depth = self._depths(self._x, self._y)
        self._turns, self._leans = self._weights()
        out = (width // self._STEP, height // self._STEP)
        visible = np.array((VISIBLE_CENTRE_X - width / texture.scale / 2, VISIBLE_TOP))
        offset = (texture.to_texture(visible) + 0.5).astype(np.float32)
        self._out_nodes = self._nodes(out, (width, height)) + offset
        full_x, full_y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        self._base = np.stack((full_x, full_y), -1) + offset
        self._maps = np.empty_like(self._base)

    @staticmethod
    def _nodes(grid: tuple[int, int], size: tuple[int, int]) -> Floats:
        """Pixel coordinates (rows, columns, 2) of the nodes of a grid that cv2.resize enlarges to `size`."""
        x = (np.arange(grid[0], dtype=np.float32) + 0.5) * (size[0] / grid[0]) - 0.5
        y = (np.arange(grid[1], dtype=np.float32) + 0.5) * (size[1] / grid[1]) - 0.5
        return np.stack(np.meshgrid(x, y), -1).astype(np.float32)

    @staticmethod
    def _depths(x: Floats, y: Floats) -> Floats:
        """Depth towards the viewer, 0 at the outline: a flat ellipsoid, a nose, a chin, lips and eye sockets.

        A paraboloid, because a sphere's rim is infinitely steep and would fold.
        """
        e2 = ((x - 227.0) / 84.0) ** 2 + ((y - 100.0) / 100.0) ** 2
        depth = 60.0 * np.clip(1.0 - e2, 0.0, 1.0)
        depth += 13.0 * _bump(x, y, 225.3, 124.0, 9.0, 11.0) + 5.0 * _bump(x, y, 225.5, 110.0, 7.0, 12.0)
        depth += 14.0 * _bump(x, y, 223.0, 166.0, 26.0, 20.0) + 4.0 * _bump(x, y, 224.0, 147.0, 16.0, 10.0)
        depth -= 4.0 * (_bump(x, y, 203.5, 102.0, 11.0, 8.0) + _bump(x, y, 247.0, 104.0, 11.0, 8.0))
        return np.asarray(cv2.GaussianBlur(depth, (0, 0), 0.8), np.float32)

    def _weights(self) -> tuple[Floats, Floats]:
        """Each node's weight in the head's and in the body's motion: 1 inside, falling to 0 in the backdrop."""
        ones = np.full((512, 640), 255, np.uint8)
        shift = 64  # room for what is left of and above the photograph
        head = cv2.fillPoly(ones.copy(), [np.array(HEAD, np.int32) + shift], (0,))
        body = cv2.fillPoly(head.copy(), [np.array(BODY, np.int32) + shift], (0,))
        mx, my = self._x + (shift - 0.5), self._y + (shift - 0.5)
        from_head = cv2.remap(cv2.distanceTransform(head, cv2.DIST_L2, 5), mx, my, cv2.INTER_LINEAR)
        from_body = cv2.remap(cv2.distanceTransform(body, cv2.DIST_L2, 5), mx, my, cv2.INTER_LINEAR)
        reach = 14.0 + 56.0 * _smoothstep(
            (145.0 - self._y) / 60.0
        )  # the collar is close and must not turn with the head
        turns = 1.0 - _smoothstep((from_head - 3.0) / reach)
        leans = 1.0 - _smoothstep((from_body - 3.0) / 75.0)
        blur = 10.0 / self._STEP
        return (
            np.asarray(cv2.GaussianBlur(turns, (0, 0), blur), np.float32),
            np.asarray(cv2.GaussianBlur(leans, (0, 0), blur), np.float32),
        )

    def maps(self, p: PortraitPose) -> Floats:
        """Where in the texture each picture pixel comes from, (height, width, 2), valid until the next call."""
        shift = self._displacement(p) * self._texture.scale
        step_x, step_y = self._texture.size[0] / self._grid[0], self._texture.size[1] / self._grid[1]
        to_node = np.array((1.0 / step_x, 1.0 / step_y), np.float32)
        back = np.zeros_like(self._out_nodes)
        for _ in range(self._ROUNDS):
            at = (self._out_nodes - back + 0.5) * to_node - 0.5
            back = _fetched(shift, at)
        cv2.resize(back, self._picture_size, dst=self._maps, interpolation=cv2.INTER_LINEAR)
        return np.asarray(cv2.subtract(self._base, self._maps, dst=self._maps), np.float32)

    def _displacement(self, p: PortraitPose) -> Floats:
        """How far each node moves, in photograph pixels, (rows, columns, 2)."""
        yaw, pitch, roll = np.radians((p.yaw_deg, p.pitch_deg, p.roll_deg)).astype(np.float32)
        x, y, z = self._x - HEAD_CENTRE[0], self._y - HEAD_CENTRE[1], self._depth
        turned_x = x * np.cos(yaw) + z * np.sin(yaw)
        deep = z * np.cos(yaw) - x * np.sin(yaw)
        turned_y = y * np.cos(pitch) - deep * np.sin(pitch)
        arm_x, arm_y = turned_x + HEAD_CENTRE[0] - NECK[0], turned_y + HEAD_CENTRE[1] - NECK[1]
        head_x = arm_x * np.cos(roll) - arm_y * np.sin(roll) + NECK[0] - self._x
        head_y = arm_x * np.sin(roll) + arm_y * np.cos(roll) + NECK[1] - self._y
        lean_x = (self._x - LEAN_CENTRE[0]) * p.nearer + p.x
        lean_y = (self._y - LEAN_CENTRE[1]) * p.nearer + p.y
        dx = self._turns * head_x + self._leans * lean_x
        dy = self._turns * head_y + self._leans * lean_y
        return np.asarray(cv2.merge((dx, dy)), np.float32)


class StandInPortrait:
    """Draws the photograph with a given expression and pose. One thread at a time."""

    def __init__(self, width: int, height: int) -> None:
        self._texture = Texture(photograph(), width, height)
        self._mouth, self._eyes = Mouth(self._texture), Eyes(self._texture)
        self._skull = Skull(self._texture, width, height)
        self._posed = np.empty((height, width, 4), np.uint8)
        self._canvas = self._texture.still.copy()  # both regions are repainted completely for every picture

    def picture(self, expression: PortraitExpression, pose: PortraitPose) -> Picture:
        """RGB (height, width, 3), a new array."""
        self._mouth.paint(self._canvas, expression)
        self._eyes.paint(self._canvas, expression)
        _fetched(self._canvas, self._skull.maps(pose), self._posed)
        return np.asarray(cv2.cvtColor(self._posed, cv2.COLOR_RGBA2RGB), np.uint8)
