"""A StageManager that follows a script: the interface of the real one without engine, process or file."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from live.manage.event_log import FaultState, NoteState
from live.manage.health import Health
from live.manage.model_status import ModelProgress
from live.manage.snapshot import CueState, EngineState, StageState
from live.process.engine_kind import EngineKind
from live.process.frames import now
from live.process.metrics import PictureMetrics, SoundMetrics
from live.process.shared_frames import SharedPicture
from live.process.stage_picture import FrameKind
from live.show.show_file import Cue, Show
from models.features.types import Picture, Points


def cue(index: int, name: str, status: Any = "ready", why: str = "", **changes: Any) -> CueState:
    """One line of the cue list."""
    made = CueState(
        index=index,
        name=name,
        look=Path(f"/show/looks/{name}.onnx"),
        voice="octave-down" if index % 2 else "bypass",
        transition_s=0.5 if index % 2 else 0.0,
        follow_s=None,
        status=ModelProgress(status),
        why=why,
    )
    return replace(made, **changes)


def picture(
    index: int,
    kind: FrameKind = FrameKind.GENERATED,
    pixels: Picture | None = None,
    points: Points | None = None,
) -> SharedPicture:
    """A shared picture, captured now."""
    if pixels is None:
        pixels = np.full((48, 64, 3), index % 256, np.uint8)
    at = now()
    return SharedPicture(pixels, kind, at, at, index, points, index + 1)


class FakeFrames:
    """The newest picture, as a reader sees it."""

    def __init__(self) -> None:
        self.last: SharedPicture | None = None

    def newest(self, after: int = 0) -> SharedPicture | None:
        last = self.last
        return last if last is not None and last.sequence > after else None


class FakeAudience:
    """Hands pictures to subscribers in a thread of its own, and records what was presented."""

    def __init__(self) -> None:
        self.subscribers: list[Callable[[SharedPicture], None]] = []
        self.drawn_s: list[float] = []
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def subscribe(self, subscriber: Callable[[SharedPicture], None], *, safe_too: bool = True) -> Callable[[], None]:
        self.subscribers.append(subscriber)
        return lambda: self.subscribers.remove(subscriber)

    def on_drawn(self, latencies_s: Sequence[float]) -> None:
        self.drawn_s.extend(latencies_s)

    def hand_on(self, shown: SharedPicture) -> None:
        for subscriber in list(self.subscribers):
            subscriber(shown)

    def perform(self, make: Callable[[int], SharedPicture], fps: float) -> None:
        """From now on, `fps` pictures a second."""

        def run() -> None:
            index, due = 0, time.perf_counter()
            while not self._stopping.is_set():
                self.hand_on(make(index))
                index += 1
                due += 1 / fps
                self._stopping.wait(max(due - time.perf_counter(), 0))

        self._thread = threading.Thread(target=run, name="fake-audience")
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()


class FakeStageManager:
    """Does what is asked, records each call, and calls its listeners."""

    def __init__(self, *cues: CueState) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.preview_frames = FakeFrames()
        self.audience = FakeAudience()
        self.listeners: list[Callable[[], None]] = []
        self.sets: dict[int, dict[str, float]] = {}
        """The parameters of a cue, by its index."""
        self.state = StageState(
            show_name="One minute",
            show_path=Path("/show/show.toml"),
            safe_picture=None,
            cues=cues or tuple(cue(at, name) for at, name in enumerate(("porcelain", "bronze", "ink"))),
            on_stage=0,
            standby=1,
            waiting=None,
            panic=False,
            picture=EngineState(EngineKind.PICTURE, Health.PERFORMING, 0.1, 0, PictureMetrics()),
            sound=EngineState(EngineKind.SOUND, Health.PERFORMING, 0.1, 0, SoundMetrics()),
            faults=(),
            notes=(),
            failure=None,
            uptime_s=12.0,
        )

    @property
    def show(self) -> Show:
        cues = (Cue(cue.name, cue.look, cue.voice, set=self.sets.get(cue.index, {})) for cue in self.state.cues)
        return Show(self.state.show_name, tuple(cues))

    def become(self, **changes: Any) -> None:
        """Changes the state, and calls the listeners."""
        self.state = replace(self.state, **changes)
        for listener in list(self.listeners):
            listener()

    def _on_stage(self, index: int) -> bool:
        following = index + 1 if index + 1 < len(self.state.cues) else None
        self.become(on_stage=index, standby=following)
        return True

    def go(self) -> bool:
        self.calls.append(("go",))
        return self.state.standby is not None and self._on_stage(self.state.standby)

    def back(self) -> bool:
        self.calls.append(("back",))
        return bool(self.state.on_stage) and self._on_stage((self.state.on_stage or 1) - 1)

    def go_to(self, index: int) -> bool:
        if not 0 <= index < len(self.state.cues):
            return False
        self.calls.append(("go_to", index))
        return self._on_stage(index)

    def standby(self, index: int) -> bool:
        self.calls.append(("standby", index))
        self.become(standby=index)
        return True

    def add_cue(self, added: Cue) -> int:
        self.calls.append(("add_cue", added))
        index = len(self.state.cues)
        made = cue(index, added.name, "unloaded", look=added.look, voice=added.voice, transition_s=added.transition_s)
        self.become(cues=(*self.state.cues, made))
        return index

    def toggle_panic(self) -> bool:
        self.calls.append(("toggle_panic",))
        self.become(panic=not self.state.panic)
        return True

    def lock_performer(self, x: float, y: float) -> None:
        self.calls.append(("lock_performer", round(x, 2), round(y, 2)))

    def measure_neutral(self) -> None:
        self.calls.append(("measure_neutral",))

    def set_parameter(self, name: str, value: float) -> None:
        self.calls.append(("set_parameter", name, value))

    def toggle_mute(self) -> None:
        self.calls.append(("toggle_mute",))

    def begin_reload(self, path: str | Path | None = None) -> bool:
        self.calls.append(("begin_reload", path))
        return True

    def add_fault(self, where: str, what: str) -> None:
        self.calls.append(("add_fault", where, what))

    def end_fault(self, where: str) -> None:
        self.calls.append(("end_fault", where))

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        self.listeners.append(callback)
        return lambda: self.listeners.remove(callback)


def sound(**changes: Any) -> EngineState[SoundMetrics]:
    """A sound engine that performs, with the metrics it sends."""
    metrics: dict[str, Any] = {
        "microphone": "USB microphone",
        "speaker": "Stage left",
        "voice": "child",
        "latency_ms": 71.2,
        "latency_parts_ms": {"block": 10.0, "voice": 37.8, "limiter": 1.4, "microphone": 0.0, "speaker": 22.0},
        "drift_ppm": 12.4,
        "xruns": 0,
        "deadline_misses": 0,
        "rtf": 0.12,
        "in_peak": 0.25,
        "in_rms": 0.08,
        "out_peak": 0.5,
        "out_rms": 0.15,
        "limited": 1.0,
        "mute": False,
        "priority": "real-time",
    }
    return EngineState(EngineKind.SOUND, Health.PERFORMING, 0.1, 0, SoundMetrics(**(metrics | changes)))


def fault(at_s: float, where: str, what: str, recovered_after_s: float | None = None) -> FaultState:
    """A line of the faults."""
    return FaultState(at_s, where, what, recovered_after_s)


def note(at_s: float, text: str) -> NoteState:
    """A line of the notes."""
    return NoteState(at_s, text)
