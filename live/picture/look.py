"""A Look: a frozen model that turns a frame, and the performer's face points in it, into a picture.

A ModelLook is built in the slot's loader thread and performs on the picture engine's loop, one frame at a time. Its
session and buffers are its own; it allocates nothing large while performing. BypassLook and SafeLook have the same
interface, so the slot and the transition handle looks only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from export.artifact.manifest import Manifest
from export.runtime.frozen_session import FrozenSession
from export.runtime.session import open_session
from live.picture.mask import lay_over
from live.process.stage_picture import FrameKind
from models.features.face_lines import draw_face2face_lines, draw_lines
from models.features.face_points import LEFT_EYE, RIGHT_EYE
from models.features.geometry import AffineMatrix, Similarity, centre_square, to_square
from models.features.retarget import Retarget
from models.features.types import Picture, Points

FACE_EYES_APART = 0.24
FACE_EYES_DOWN = 0.40
"""The aligned crop, in fractions of its side: the distance between the eyes' centres, and how far below the upper edge
they are. The chin of 91 faces of the test footage is at 0.96 of it at most: a mask on the crop can cover the face."""
MAX_TIMED_RUNS = 5
MAX_TIMED_S = 3.0
"""How often a look that seems too slow is timed, and for how many seconds at most."""
RAW_CORRELATION = 0.95
"""A picture that follows the face it was made of so closely, in all its colours, is that face."""
FACE2FACE_SIDE_PX = 480
"""A webcam's height: face2face-demo's three-pixel lines are drawn in a picture of this size, then shrunk."""


class Look:
    """What performs. `perform` is called on the picture engine's loop only."""

    kind = FrameKind.GENERATED
    needs_face = True
    """Whether it can show nothing without a face; the lost-face rules then apply."""
    shows_frame = False
    """Whether it may show what the camera sees besides the face: then it performs only where its cue allows that."""
    provider = ""
    fallback: str | None = None
    size: tuple[int, int] | None = None
    """Width and height of its pictures; None: the frame's."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.draw_s = 0.0
        self.generate_s = 0.0
        """The seconds the last call of `perform` spent drawing the inputs and running the model."""

    def perform(self, frame: Picture, points: Points | None, neutral: Points | None) -> Picture:
        """Returns the picture for one frame; the next call may overwrite it.

        `points` and `neutral` are (68, 2) in frame pixels, never None when `needs_face`.
        """
        raise NotImplementedError

    @property
    def parameters(self) -> Mapping[str, float]:
        """The parameters a cue may set, with their default values."""
        return {}

    def set_parameter(self, name: str, value: float) -> None:
        """Sets a parameter. Unknown names are ignored: a cue may set a parameter that only the next look has."""

    def close(self) -> None:
        """Releases the memory."""


class BypassLook(Look):
    """The camera's picture. The only look that shows the raw face, and only when a cue asks for it."""

    kind = FrameKind.BYPASS
    needs_face = False

    def __init__(self) -> None:
        super().__init__("bypass")

    def perform(self, frame: Picture, points: Points | None, neutral: Points | None) -> Picture:
        return frame


class SafeLook(Look):
    """Shows the safe picture."""

    kind = FrameKind.SAFE
    needs_face = False

    def __init__(self, picture: Picture) -> None:
        super().__init__("safe")
        self.picture = picture
        self.size = picture.shape[1], picture.shape[0]

    def perform(self, frame: Picture, points: Points | None, neutral: Points | None) -> Picture:
        return self.picture


class ModelLook(Look):
    """A frozen model. On a GPU its session runs on its own thread, and the loop waits for it."""

    def __init__(self, key: str, session: FrozenSession, retarget: bool = True) -> None:
        """Raises ValueError for a conditioning that does not fit its input."""
        super().__init__(key)
        self.session = session
        self.manifest: Manifest = session.manifest
        self.provider, self.fallback = session.provider, session.fallback
        side = self.manifest.size
        assert side is not None  # The manifest of a look always has one, see export.artifact.rules.
        self.side = side
        self.reads = self.manifest.reads
        masked = "mask" in self.manifest.gives
        self.needs_face = masked or not {"lines", "points", "face"}.isdisjoint(self.reads)
        self.shows_frame = masked or "frame" in self.reads
        target = self.manifest.target
        self._retarget = Retarget(target.model_dump()) if retarget and target is not None else None
        self._inputs: dict[str, NDArray[Any]] = {
            name: np.zeros(port.shape, port.dtype) for name, port in session.inputs.items()
        }
        defaults = {name: parameter.default for name, parameter in self.manifest.parameters.items()}
        for name, value in {**self.manifest.conditioning, **defaults}.items():
            if name in self._inputs:
                _fill(self._inputs[name], name, value)
        if not masked:
            self.size = (side, side)

    @property
    def parameters(self) -> Mapping[str, float]:
        return {name: p.default for name, p in self.manifest.parameters.items()}

    def set_parameter(self, name: str, value: float) -> None:
        parameter = self.manifest.parameters.get(name)
        if parameter is not None and name in self._inputs:
            self._inputs[name][...] = min(max(value, parameter.low), parameter.high)

    def perform(self, frame: Picture, points: Points | None, neutral: Points | None) -> Picture:
        started_at = perf_counter()
        placement = self._fill_inputs(frame, points, neutral)
        drawn_at = perf_counter()
        outputs = self.session.run(**self._inputs)
        picture: Picture = outputs["picture"][0]
        if "mask" in outputs:
            assert points is not None
            occluded = outputs["occluded"][0] if "occluded" in outputs else None
            picture = lay_over(frame, picture, outputs["mask"][0], occluded, placement, points)
        self.draw_s, self.generate_s = drawn_at - started_at, perf_counter() - drawn_at
        return picture

    def close(self) -> None:
        self.session.close()

    def _fill_inputs(self, frame: Picture, points: Points | None, neutral: Points | None) -> AffineMatrix:
        """Fills the model's inputs; returns the placement of the look's picture in the frame."""
        placement = _whole_frame(frame, self.side)
        if "frame" in self.reads:
            target = self._inputs["frame"][0]
            cv2.resize(frame, (target.shape[1], target.shape[0]), dst=target, interpolation=cv2.INTER_AREA)
        if "face" in self.reads:
            assert points is not None
            placement = face_square(points, self.side)
            cv2.warpAffine(
                frame,
                placement,
                (self.side, self.side),
                dst=self._inputs["face"][0],
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REPLICATE,
            )
        if "lines" in self.reads or "points" in self.reads:
            assert points is not None
            target_points = self._target_points(frame, points, points if neutral is None else neutral)
            if "lines" in self.reads:
                self._inputs["lines"][0] = self._draw(frame, points, target_points)
            if "points" in self.reads:
                self._inputs["points"][0] = target_points
            if "face" not in self.reads and "frame" not in self.reads:
                placement = Similarity.fitted(target_points, points).matrix
        return placement

    def lines(self, frame: Picture, points: Points, neutral: Points) -> tuple[Picture, Points]:
        """The landmark drawing that the generator reads, and the points it was drawn from, in pixels of the drawing."""
        target_points = self._target_points(frame, points, neutral)
        return self._draw(frame, points, target_points), target_points

    def _target_points(self, frame: Picture, points: Points, neutral: Points) -> Points:
        """The points retargeted, in pixels of the look's picture; without retargeting, those of the frame's square."""
        if self._retarget is not None:
            return self._retarget(points, neutral)
        return to_square(points, np.array(centre_square(frame.shape), np.float64), self.side)

    def _draw(self, frame: Picture, points: Points, target_points: Points) -> Picture:
        """The landmark drawing of `target_points`, in the style that the generator was trained on."""
        style = self.manifest.lines.style if self.manifest.lines else "smooth"
        if style == "smooth":
            return draw_lines(target_points, self.side)
        if self._retarget is None:
            height, width = frame.shape[:2]
            return draw_face2face_lines(points, (height, width), self.side)
        scaled = ((target_points + 0.5) * (FACE2FACE_SIDE_PX / self.side) - 0.5).astype(np.float32)
        return draw_face2face_lines(scaled, (FACE2FACE_SIDE_PX, FACE2FACE_SIDE_PX), self.side)


def open_look(
    path: str | Path, provider: str = "auto", retarget: bool = True, slowest_s: float = math.inf
) -> ModelLook:
    """Opens the look in the frozen model at `path`, warmed at its real shape. Runs in the loader thread.

    Raises BadModel, ValueError (unknown provider, a picture takes longer than `slowest_s`, or is the face that was
    read), or RuntimeError when the provider fails.
    """

    session = open_session(path, provider, kind="look")
    try:
        session.warm()
        _check_speed(session, slowest_s)
        _check_not_raw(session)
        return ModelLook(str(path), session, retarget)
    except BaseException:
        session.close()
        raise


def _check_not_raw(session: FrozenSession) -> None:
    """Raises ValueError for a look that gives back the face it reads: one that has learned nothing may do so."""
    if "face" not in session.inputs or "mask" in session.outputs:
        return
    inputs = {name: np.zeros(port.shape, port.dtype) for name, port in session.inputs.items()}
    coarse = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    face = cv2.resize(coarse, inputs["face"].shape[2:0:-1], interpolation=cv2.INTER_CUBIC)
    inputs["face"][0] = face
    picture = session.run(**inputs)["picture"][0]
    if (
        picture.shape == face.shape
        and np.ptp(picture) > 0
        and np.corrcoef(picture.ravel(), face.ravel())[0, 1] > RAW_CORRELATION
    ):
        raise ValueError(f"{session.path.name} gives back the face that it reads: nobody may see that but in bypass")


def _check_speed(session: FrozenSession, slowest_s: float) -> None:
    """Raises ValueError when the quickest of some runs takes longer: others perform meanwhile, on a machine that may be
    busy."""
    black = {name: np.zeros(port.shape, port.dtype) for name, port in session.inputs.items()}
    took_s: list[float] = []
    while sum(took_s) < MAX_TIMED_S and len(took_s) < MAX_TIMED_RUNS:
        began_at = perf_counter()
        session.run(**black)
        took_s.append(perf_counter() - began_at)
        if took_s[-1] <= slowest_s:
            return
        sleep(min(took_s[-1], slowest_s))
    raise ValueError(
        f"{session.path.name} takes {min(took_s):.1f} s a picture on {session.provider}, and a look may take "
        f"{slowest_s:.1f} s: choose a smaller size of it"
    )


def _fill(port: NDArray[Any], name: str, value: object) -> None:
    """Writes the manifest's value into its input. Raises ValueError when it does not fit."""
    try:
        with np.errstate(all="ignore"):
            given = np.asarray(value, np.float64)
            port[...] = given
        fits = np.isfinite(port).all() and (port.dtype.kind not in "iu" or (port == given).all())
    except (ValueError, TypeError, OverflowError):
        fits = False
    if not fits:
        raise ValueError(f"its {name} does not fit the input of that name, {port.dtype} {port.shape}")


def face_square(points: Points, side: int) -> AffineMatrix:
    """The placement of the aligned crop of `side` pixels in the frame: eyes level, at a fixed place in the crop. Maps
    pixels of the crop to pixels of the frame."""
    right = points[RIGHT_EYE].mean(0, dtype=np.float64)
    left = points[LEFT_EYE].mean(0, dtype=np.float64)
    # LEFT_EYE (36-41) is on the left of the picture.
    across = (right - left) / (FACE_EYES_APART * side)
    down = np.array([-across[1], across[0]])
    middle = (left + right) / 2
    corner = middle - across * (side - 1) / 2 - down * FACE_EYES_DOWN * side
    return np.stack([across, down, corner], axis=1)


def _whole_frame(frame: Picture, side: int) -> AffineMatrix:
    height, width = frame.shape[:2]
    x, y = width / side, height / side
    return np.array([[x, 0, x / 2 - 0.5], [0, y, y / 2 - 0.5]])
