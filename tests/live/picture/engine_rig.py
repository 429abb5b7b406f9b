"""An engine for tests: a scripted source, a clock set by hand, looks of one brightness, real dlib."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from live.picture.engine import PictureEngine, Step
from live.picture.look import Look
from live.picture.settings import PictureSettings
from live.picture.sources.scripted import ScriptedSource
from live.process.frames import Frame, now
from live.process.messages import Go, Prepare, Ready, Refused
from live.process.stage_picture import FrameKind, StagePicture
from models.features.face_points import FacePoints
from models.features.types import Picture, Points

RAW = 77
"""The brightness of the raw camera picture in `Rig`'s frames that have no face: it must never be seen."""


class ManualClock:
    """A clock that stands still until it is advanced."""

    def __init__(self) -> None:
        self.t_s = 100.0

    def __call__(self) -> float:
        return self.t_s

    def pass_(self, seconds: float) -> float:
        self.t_s += seconds
        return self.t_s


class Shown:
    """A picture sink that keeps what was written to it."""

    def __init__(self) -> None:
        self.pictures: list[Picture] = []
        self.kinds: list[FrameKind] = []
        self.indices: list[int] = []
        self.captured_at: list[float] = []
        self.ready_at: list[float] = []
        self.points: list[Points | None] = []
        self.broken = False

    def write(self, shown: StagePicture) -> None:
        if self.broken:
            raise OSError("the output is broken")
        self.pictures.append(shown.picture.copy())
        self.kinds.append(shown.kind)
        self.indices.append(shown.index)
        self.captured_at.append(shown.captured_at)
        self.ready_at.append(shown.ready_at)
        self.points.append(shown.points)


class Tinted(Look):
    """A look of one brightness; fails when told to."""

    size = (32, 32)
    provider = "CPU"

    def __init__(self, key: str, clock: ManualClock) -> None:
        super().__init__(key)
        self.level = {"one": 100, "two": 200}.get(key, 50)
        self.failing = False
        self.error = RuntimeError("out of memory\non the device")
        self.performed = 0
        self.asked: tuple[Points, Points] | None = None
        """Points and neutral of the last call."""
        self.set: dict[str, float] = {}
        self._picture = np.zeros((32, 32, 3), np.uint8)

    @property
    def parameters(self) -> dict[str, float]:
        return {"age": 0.0}

    def set_parameter(self, name: str, value: float) -> None:
        self.set[name] = value

    def perform(self, frame: Picture, points: Points | None, neutral: Points | None) -> Picture:
        assert points is not None
        assert neutral is not None
        if self.failing:
            raise self.error
        self.performed += 1
        self.asked = points, neutral
        self._picture[:] = self.level
        return self._picture


class Rig:
    """An engine with everything around it that a test needs to control."""

    def __init__(
        self, face_points: FacePoints, still: Picture, shown: Shown, clock: ManualClock, **settings: Any
    ) -> None:
        self.clock, self.shown, self.still = clock, shown, still
        self.preview = Shown()
        self.empty = np.full((60, 80, 3), RAW, np.uint8)
        self.looks: dict[str, Tinted] = {}
        self.source = ScriptedSource("camera", clock=clock)
        self.gate = threading.Event()
        self.gate.set()
        options: dict[str, Any] = {"hold_s": 1.0, "fade_s": 0.5, **settings}
        self.engine = PictureEngine(
            PictureSettings(**options),
            self.source,
            shown,
            self.preview,
            clock,
            face_points=face_points,
            load=self.load,
        )
        self.index = 0

    def load(self, key: str) -> Look:
        self.gate.wait(10)
        if key == "bad":
            raise ValueError("bad is no frozen model")
        self.looks[key] = Tinted(key, self.clock)
        return self.looks[key]

    def frame(self, picture: Picture | None = None, after_s: float = 1 / 30) -> tuple[int, FrameKind]:
        """One frame (the still face by default); returns brightness and kind of what was shown."""
        self.clock.pass_(after_s)
        picture = self.still if picture is None else picture
        self.source.put(Frame(picture, self.clock(), self.index))
        self.index += 1
        assert self.engine.step(0) is Step.FRAME
        return int(self.shown.pictures[-1][2, 2, 0]), self.shown.kinds[-1]

    def frame_unseen(self) -> None:
        """One frame without a face, whatever becomes of it."""
        self.clock.pass_(1 / 30)
        self.source.put(Frame(self.empty, self.clock(), self.index))
        self.index += 1
        self.engine.step(0)

    def go(self, model: str, transition_s: float = 0.0, cue: int = 0, **set_: float) -> None:
        self.engine.handle(Prepare(model))
        end = now() + 5
        while now() < end:
            self.engine.step(0)
            if any(isinstance(e, Ready | Refused) and e.model == model for e in self.engine._sent):
                break
        self.engine.handle(Go(cue, model, transition_s, {f"picture/{k}": v for k, v in set_.items()}))

    def heard(self, kind: type) -> list[Any]:
        return [e for e in self.engine.events() if isinstance(e, kind)]
