"""The picture engine's loop: camera -> tracker -> look -> transition -> delay -> stage, one frame after
another.

Lives in a process of its own (`main`), or in anybody's, with a scripted source and a manual clock (tests,
`guise render`). `PictureEngine` belongs to one thread. On it nothing loads, nothing is written to disk,
nothing waits but for the next frame; what goes wrong becomes a Fault, the safe picture and another try, and
the loop goes on.

The performer's raw face reaches the stage only through the look called `bypass`.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from threading import Thread
from time import perf_counter, sleep
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from live.engine_process import (
    Command,
    EngineLink,
    Event,
    Fault,
    Finished,
    Forget,
    Go,
    Heartbeat,
    Lock,
    Note,
    OnStage,
    Panic,
    Prepare,
    Ready,
    Recovered,
    Refused,
    Reload,
    SetParameter,
    Stop,
)
from live.frames import Frame, Landmarks, now
from live.picture.camera import BadSource, NoSource, Source, open_source
from live.picture.figures import Times
from live.picture.look import Bypass, Look, Safe, open_look
from live.picture.lost_face import LostFace
from live.picture.outputs import DelayLine, PictureOut
from live.picture.preload import take_face_points
from live.picture.settings import PictureSettings
from live.picture.tracker import Tracker
from live.picture.transition import Blender, Transition
from live.profile import in_pixels
from live.shared_frames import FrameKind, SharedFrames, SharedFramesHandle
from live.slot import Slot
from models.features.face_points import FacePoints, LandmarkFileMissing, Picture, Points
from models.features.retarget import RunningNeutral

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEARTBEAT_S = 0.25
WAIT_S = 0.02
"""How long the loop waits for a frame before it looks for commands again."""
SAFE_EVERY_S = 0.2
"""While there is no source the safe picture is sent so often, so that whoever looks sees the engine alive."""
RETRY_LOOK_S = 1.0
OPENING_S = 3.0
"""A webcam may take so long to open before that is called a fault."""
COLLECT_EVERY_S = 10.0
SAFE_PICTURE_SIZE = (1280, 720)
"""Width and height at most; more would cost time in every fade."""
DELAY = "picture/delay_s"
"""The parameter that sets the delay line."""
BLACK = (480, 640, 3)
NO_CUE = -1
PREVIEW_WIDEST_PX = 854

STAGES = ("wait", "track", "draw", "generate", "compose")


class Step(Enum):
    """What one turn of the loop did."""

    IDLE = "no frame came"
    FRAME = "a frame was shown"
    GONE = "there is no source: the safe picture"


@dataclass(slots=True, eq=False)
class Act:
    """A look with what it needs to be on stage: its own blending buffer, and what it showed last."""

    look: Look
    blender: Blender = field(default_factory=Blender)
    shown: Picture | None = None
    failed_at: float | None = None


@dataclass(slots=True)
class _Ease:
    """A parameter on its way."""

    begin: float
    end: float
    from_s: float
    length_s: float

    def at(self, t_s: float) -> float:
        share = (t_s - self.from_s) / self.length_s if self.length_s > 0 else 1.0
        return self.begin + (self.end - self.begin) * min(max(share, 0.0), 1.0)


@dataclass(slots=True)
class _Switch:
    cue_index: int
    asked_at: float
    ready_after_s: float
    until_s: float
    gap_s: float = 0.0
    writes: int = 0


class PictureEngine:
    """Turns a source's frames into the audience's pictures. See the module."""

    def __init__(
        self,
        settings: PictureSettings,
        source: Source,
        stage_out: PictureOut,
        preview_out: PictureOut | None = None,
        clock: Callable[[], float] = now,
        *,
        face_points: FacePoints | None = None,
        load: Callable[[str], Look] | None = None,
        send: Callable[[Event], None] | None = None,
    ) -> None:
        """`load` makes a look from its key (tests give their own); `send` takes events, else `events()` keeps
        them.

        Raises LandmarkFileMissing.
        """
        self.settings = settings
        self.source = source
        self._clock = clock
        self._sent: list[Event] = []
        self._send = send if send is not None else self._sent.append
        self._tracker = Tracker(
            face_points if face_points is not None else take_face_points(settings.landmarks)
        )
        self._neutral = RunningNeutral()
        self._performer = 0
        self._lost = LostFace(settings.hold_s, settings.fade_s)
        self._transition: Transition[Act] = Transition()
        self._open = load if load is not None else self._open_model
        self._slot: Slot[Act] = Slot(lambda key: Act(self._open(key)), name="look")
        self._delay = DelayLine(stage_out, self._stage_trouble, clock)
        self._delay.delay_s = settings.delay_s
        self._preview_out = preview_out
        self._preview: Picture = np.empty((0, 0, 3), np.uint8)
        self._safe = self._safe_look(settings.safe_picture)
        self._has_safe_picture = settings.safe_picture is not None
        self._black: Picture = np.zeros(BLACK, np.uint8)
        self._slot.put("bypass", Act(Bypass()))
        self._slot.put("safe", Act(self._safe))
        self._slot.go("safe")

        self._panic = False
        self._waiting_go: tuple[Go, float] | None = None
        self._on_stage_cue: Go | None = None
        self._leaving: list[Act] = []
        self._eases: dict[str, _Ease] = {}
        self._values: dict[str, float] = {}
        self._started_at = clock()
        self._last_write = float("-inf")
        self._last_collect = clock()
        self._frame_s = 1 / 30
        self._faults: dict[str, tuple[float, int]] = {}
        self._landmarks: Landmarks | None = None

        self._latency = Times()
        self._stages = {name: Times() for name in STAGES}
        self._stage_s = dict.fromkeys(STAGES, 0.0)
        self._new_at: list[float] = []
        self._new_count = 0
        self._first_new_at: float | None = None
        self._last_new_at = 0.0
        self._presented = 0
        self._longest_gap_s = 0.0
        self._gap_counts = False
        self._switch: _Switch | None = None
        self._switches: list[dict[str, Any]] = []
        self._fault_log: list[dict[str, Any]] = []

        if settings.first_look != "safe":
            self.handle(Go(NO_CUE, settings.first_look))

    # ---------------------------------------------------------------- commands

    def handle(self, command: Command) -> None:
        """Takes one command; never waits."""
        match command:
            case Prepare():
                self._slot.prepare(command.key)
            case Go():
                self._waiting_go = command, self._clock()
                if not self._slot.ready(command.model):
                    self._slot.prepare(command.model)
            case Panic():
                if command.on and not self._panic:
                    self._delay.drop()
                self._panic = command.on
            case SetParameter():
                self._ease(command.name, command.value, 0.0)
            case Lock():
                self._tracker.lock(command.x, command.y)
            case Forget():
                self._forget(command.model)
            case Reload():
                self._lost.hold_s, self._lost.fade_s = command.hold_s, command.fade_s
                self._safe = self._safe_look(Path(command.safe_picture) if command.safe_picture else None)
                self._has_safe_picture = command.safe_picture is not None
                self._slot.put("safe", Act(self._safe))
                if self._slot.current_key == "safe":
                    self._slot.go("safe")
            case Stop():
                pass  # The loop in `main` ends.

    def events(self) -> list[Event]:
        """What would have been sent since the last call, where no `send` was given."""
        events = self._sent[:]
        self._sent.clear()
        return events

    # ---------------------------------------------------------------- the loop

    def step(self, wait_s: float = WAIT_S) -> Step:
        """One turn: the newest frame, if one comes within `wait_s`, from the mailbox to the outputs."""
        self.source.watch()
        frame = self.source.mailbox.take(wait_s)
        if frame is not None:
            self._mend("camera")
            self.process(frame)
            return Step.FRAME
        t_s = self._clock()
        self._news(t_s)
        if not self.source.gone:
            return Step.IDLE
        opening = self.source.frames_captured == 0 and t_s - self._started_at < OPENING_S
        if not isinstance(self.source, NoSource) and (self.source.trouble or not opening):
            self._fail("camera", self.source.trouble or f"{self.source.name} gives no picture", t_s)
        if self._landmarks is not None or self._lost.share(t_s) < 1:
            self._landmarks = None
            self._lost.cut(t_s)
            self._delay.drop()
            self._last_write = float("-inf")
        if t_s - self._last_write >= SAFE_EVERY_S:
            self._gap_counts = False
            self._present(self._nothing_right(self._slot.current), FrameKind.SAFE, t_s, -1)
        return Step.GONE

    def process(self, frame: Frame) -> FrameKind:
        """One frame, from the tracker to the outputs. Gives what the audience sees for it."""
        t_s = self._clock()
        self._stage_s = dict.fromkeys(STAGES, 0.0)
        self._stage_s["wait"] = max(t_s - frame.captured_at, 0.0)
        self._news(t_s)
        self._parameters(t_s)
        if self.settings.mirror:
            frame = Frame(np.ascontiguousarray(frame.picture[:, ::-1]), frame.captured_at, frame.index)
        landmarks = self._track(frame)
        began = perf_counter()
        try:
            picture, kind = self._picture(frame, landmarks, t_s)
        except Exception as error:
            self._fail("picture", _one_line(error), t_s)
            picture, kind = self._nothing_right(self._slot.current), FrameKind.SAFE
        else:
            self._mend("picture")
        spent = self._stage_s["draw"] + self._stage_s["generate"]
        self._stage_s["compose"] = max(perf_counter() - began - spent, 0.0)
        for name, times in self._stages.items():
            times.add(self._stage_s[name])
        self._present(picture, kind, frame.captured_at, frame.index)
        self._write_preview(frame, landmarks)
        if self.source.fps > 1:
            self._frame_s = 1 / self.source.fps
        return kind

    def idle(self) -> None:
        """Between two frames: what Python's collector would else do within one."""
        t_s = self._clock()
        if self._leaving:
            self._let_go()
        if t_s - self._last_collect > COLLECT_EVERY_S:
            self._last_collect = t_s
            gc.collect()

    def close(self) -> None:
        self._delay.close()
        self._slot.close()
        self.source.close()

    @property
    def look_size(self) -> tuple[int, int] | None:
        """Width and height of what the look on stage gives; None: the frame's."""
        act = self._slot.current
        return act.look.size if act is not None else None

    def wait_for_look(self, timeout_s: float = 60.0) -> None:
        """Waits until the look that was asked for is on stage; for render, never while performing.

        Raises RuntimeError when it is refused.
        """
        until = perf_counter() + timeout_s
        while self._waiting_go is not None:
            wanted = self._waiting_go[0].model
            self._news(self._clock())
            refused = [e for e in self._sent if isinstance(e, Refused) and e.model == wanted]
            if refused:
                raise RuntimeError(refused[0].why)
            if perf_counter() > until:
                raise RuntimeError(f"{wanted} is not loaded after {timeout_s:.0f} s")
            if self._waiting_go is not None:
                sleep(0.005)

    # ---------------------------------------------------------------- within a frame

    def _track(self, frame: Frame) -> Landmarks | None:
        began = perf_counter()
        try:
            landmarks = self._tracker.update(frame)
        except Exception as error:
            self._fail("tracker", _one_line(error), self._clock())
            self._tracker.forget()
            landmarks = None
        else:
            self._mend("tracker")
        if landmarks is not None and self._tracker.performer != self._performer:
            self._performer = self._tracker.performer
            self._neutral.forget()
        self._stage_s["track"] = perf_counter() - began
        self._landmarks = landmarks
        return landmarks

    def _neutral_face(self, frame: Frame, points: Points) -> Points:
        """The performer's neutral in the frame's pixels: the profile's, else as known so far."""
        if self.settings.neutral is None:
            return self._neutral.update(points, frame.captured_at)
        height, width = frame.picture.shape[:2]
        return in_pixels(self.settings.neutral, width, height)

    def _picture(self, frame: Frame, landmarks: Landmarks | None, t_s: float) -> tuple[Picture, FrameKind]:
        share = self._lost.update(t_s, landmarks is not None)
        points = landmarks.points if landmarks is not None else None
        neutral = None if points is None else self._neutral_face(frame, points)
        act = self._slot.current
        assert act is not None
        if self._panic:
            return self._nothing_right(act), FrameKind.SAFE

        def show(act: Act) -> tuple[Picture, float]:
            return self._show(act, frame.picture, points, neutral, share, t_s)

        picture = self._transition.perform(act, show, t_s, self._frame_s)
        if act.failed_at is not None:
            return picture, FrameKind.SAFE
        if act.look.needs_face and points is None:
            return picture, FrameKind.SAFE if share >= 1 else FrameKind.HELD
        return picture, act.look.kind

    def _show(
        self,
        act: Act,
        frame: Picture,
        points: Points | None,
        neutral: Points | None,
        share: float,
        t_s: float,
    ) -> tuple[Picture, float]:
        """What `act` shows for this frame, with the safe picture over it as far as the face is lost; and its
        cost."""
        look = act.look
        if act.failed_at is not None and t_s - act.failed_at < RETRY_LOOK_S:
            return self._nothing_right(act), 0.0
        if points is not None or not look.needs_face:
            began = perf_counter()
            try:
                act.shown = look.perform(frame, points, neutral)
            except Exception as error:
                act.failed_at, act.shown = t_s, None
                self._fail(f"look {Path(look.key).name}", _one_line(error), t_s)
                return self._nothing_right(act), 0.0
            cost_s = perf_counter() - began
            if act.failed_at is not None:
                act.failed_at = None
                self._mend(f"look {Path(look.key).name}")
            self._stage_s["draw"] += look.draw_s
            self._stage_s["generate"] += look.generate_s
            if not look.needs_face:
                return act.shown, cost_s
        else:
            cost_s = 0.0
        if act.shown is None or share >= 1:
            return self._nothing_right(act), cost_s
        if self._has_safe_picture:
            return act.blender.blend(act.shown, self._safe.picture, share), cost_s
        return act.blender.darken(act.shown, share), cost_s

    def _nothing_right(self, act: Act | None) -> Picture:
        """The safe picture; black has the size of the look's pictures, so that nothing moves when they come
        back."""
        if self._has_safe_picture:
            return self._safe.picture
        size = act.look.size if act is not None else None
        shape = (size[1], size[0], 3) if size is not None else BLACK
        if self._black.shape != shape:
            self._black = np.zeros(shape, np.uint8)
        return self._black

    def _present(self, picture: Picture, kind: FrameKind, captured_at: float, index: int) -> None:
        ready_at = self._clock()
        try:
            self._delay.write(picture, captured_at=captured_at, ready_at=ready_at, index=index, kind=kind)
        except Exception as error:
            self._fail("stage", _one_line(error), ready_at)
            return
        gap_s = ready_at - self._last_write
        if self._gap_counts and gap_s < 1e6:
            self._longest_gap_s = max(self._longest_gap_s, gap_s)
        self._gap_counts = index >= 0
        self._last_write = ready_at
        if kind in (FrameKind.GENERATED, FrameKind.BYPASS):
            self._latency.add(ready_at - captured_at)
            self._new_count += 1
            self._first_new_at = ready_at if self._first_new_at is None else self._first_new_at
            self._last_new_at = ready_at
            self._new_at.append(ready_at)
            if len(self._new_at) > 240:
                del self._new_at[:120]
        self._presented += index >= 0
        self._note_switch(gap_s, ready_at)

    def _write_preview(self, frame: Frame, landmarks: Landmarks | None) -> None:
        if self._preview_out is None:
            return
        height, width = frame.picture.shape[:2]
        picture = frame.picture
        scale = min(self.settings.preview_height / height, PREVIEW_WIDEST_PX / width, 1.0)
        if scale < 1:
            size = max(round(width * scale), 1), max(round(height * scale), 1)
            if self._preview.shape != (size[1], size[0], 3):
                self._preview = np.empty((size[1], size[0], 3), np.uint8)
            picture = self._preview
            cv2.resize(frame.picture, size, dst=picture, interpolation=cv2.INTER_LINEAR)
        points = None if landmarks is None else ((landmarks.points + 0.5) * scale - 0.5).astype(np.float32)
        try:
            self._preview_out.write(
                picture,
                captured_at=frame.captured_at,
                ready_at=self._clock(),
                index=frame.index,
                kind=FrameKind.PREVIEW,
                points=points,
            )
        except Exception as error:
            self._fail("preview", _one_line(error), self._clock())

    # ---------------------------------------------------------------- looks

    def _open_model(self, key: str) -> Look:
        return open_look(key, self.settings.provider, self.settings.retarget)

    def _news(self, t_s: float) -> None:
        """What the loader has finished; a look that was waited for goes on stage."""
        for news in self._slot.news():
            self._send(news)
            waiting = self._waiting_go
            if isinstance(news, Ready):
                act = self._slot.model(news.model)
                if act is not None and act.look.fallback:
                    self._send(Note(f"{Path(news.model).name}: {act.look.fallback}"))
            elif waiting is not None and waiting[0].model == news.model:
                self._waiting_go = None
        if self._waiting_go is not None and self._slot.ready(self._waiting_go[0].model):
            go, asked_at = self._waiting_go
            self._waiting_go = None
            self._go(go, asked_at, t_s)

    def _go(self, go: Go, asked_at: float, t_s: float) -> None:
        old = self._slot.current
        self._slot.go(go.model)
        new = self._slot.current
        assert new is not None
        first = old is not None and old.look is self._safe and self._on_stage_cue is None
        if old is not new:
            self._transition.begin(None if first else old, go.transition_s, t_s)
        for name, value in self._values.items():
            new.look.set_parameter(name.removeprefix("picture/"), value)
        for name, value in go.set.items():
            self._ease(name, value, go.transition_s)
        self._on_stage_cue = go
        self._close_switch()
        if go.cue_index != NO_CUE:
            self._switch = _Switch(go.cue_index, asked_at, t_s - asked_at, t_s + go.transition_s)

    def _forget(self, key: str) -> None:
        if key == self._slot.current_key or key in ("bypass", "safe"):
            return
        act = self._slot.model(key)
        self._slot.forget(key)
        if act is not None:
            self._leaving.append(act)

    def _let_go(self) -> None:
        """Takes down what was forgotten and is not in a dissolve any more, off the loop: freeing takes its time."""
        on_stage = (self._slot.current, self._transition.old)
        going = [act for act in self._leaving if act not in on_stage]
        if going:
            self._leaving = [act for act in self._leaving if act in on_stage]
            Thread(target=_close_all, args=(going,), name="look leaving", daemon=True).start()

    def _ease(self, name: str, value: float, length_s: float) -> None:
        if not name.startswith("picture/"):
            return
        t_s = self._clock()
        act = self._slot.current
        default = act.look.parameters.get(name.removeprefix("picture/"), value) if act is not None else value
        if name == DELAY:
            default = self._delay.delay_s
        self._eases[name] = _Ease(self._values.get(name, default), value, t_s, length_s)
        self._parameters(t_s)

    def _parameters(self, t_s: float) -> None:
        """Moves every parameter that is on its way."""
        act = self._slot.current
        for name, ease in list(self._eases.items()):
            value = self._values[name] = ease.at(t_s)
            if name == DELAY:
                self._delay.delay_s = value
            elif act is not None:
                act.look.set_parameter(name.removeprefix("picture/"), value)
            if t_s >= ease.from_s + ease.length_s:
                del self._eases[name]

    def _note_switch(self, gap_s: float, ready_at: float) -> None:
        switch = self._switch
        if switch is None:
            return
        switch.writes += 1
        switch.gap_s = max(switch.gap_s, gap_s if gap_s < 1e6 else 0.0)
        if switch.writes == 1:
            self._send(OnStage(switch.cue_index, ready_at, switch.gap_s))
        if switch.writes >= 3 and ready_at >= switch.until_s:
            self._close_switch()

    def _close_switch(self) -> None:
        switch, self._switch = self._switch, None
        if switch is not None and switch.writes:
            self._switches.append(_switch_record(switch))

    # ---------------------------------------------------------------- faults

    def _fail(self, where: str, what: str, t_s: float) -> None:
        """Says that something broke, once; whoever calls goes on."""
        if where not in self._faults:
            self._faults[where] = t_s, len(self._fault_log)
            at = t_s - self._started_at
            self._fault_log.append({"at": _ms(at), "where": where, "what": what, "recovered_after": None})
            self._send(Fault(t_s, where, what))

    def _mend(self, where: str) -> None:
        if where in self._faults:
            since, index = self._faults.pop(where)
            t_s = self._clock()
            self._fault_log[index]["recovered_after"] = _ms(t_s - since)
            self._send(Recovered(t_s, where, t_s - since))

    def _stage_trouble(self, error: Exception) -> None:
        # Called in the delay line's thread: appending to a list and sending are safe there, more is not.
        self._send(Fault(self._clock(), "stage", _one_line(error)))

    def _safe_look(self, path: Path | None) -> Safe:
        if path is None:
            return Safe(np.zeros(BLACK, np.uint8))
        picture = read_picture(path)
        if picture is None:
            self._send(Note(f"{path} cannot be read as a picture: the safe picture is black"))
            return Safe(np.zeros(BLACK, np.uint8))
        return Safe(picture)

    # ---------------------------------------------------------------- figures

    def figures(self) -> dict[str, Any]:
        """For the screen, of the last seconds; times in ms."""
        t_s = self._clock()
        recent = [at for at in self._new_at if at > t_s - 2.0]
        fps = (len(recent) - 1) / (recent[-1] - recent[0]) if len(recent) > 1 else 0.0
        act = self._slot.current
        return {
            "fps": round(fps, 1),
            "camera": self.source.name,
            "camera_fps": round(self.source.fps, 1),
            "camera_size": self.source.size,
            "camera_trouble": self.source.trouble if self.source.gone else "",
            "face": self._landmarks is not None,
            "look": self._slot.current_key,
            "provider": act.look.provider if act is not None else "",
            "latency": self._latency.recent(),
            "stages": {name: times.recent() for name, times in self._stages.items()},
            "longest_gap": _ms(self._longest_gap_s),
            "frames_captured": self.source.frames_captured,
            "frames_presented": self._presented,
            "frames_dropped": self.source.mailbox.dropped,
            "face_lost_frames": self._tracker.lost_frames,
            "delay": _ms(self._delay.delay_s),
            "panic": self._panic,
            "loaded": self._slot.loaded,
        }

    def report(self) -> dict[str, Any]:
        """The parts "video", "switches" and "faults" of the report, of the whole run; times in ms."""
        act = self._slot.current
        first, last = self._first_new_at, self._last_new_at
        fps = (self._new_count - 1) / (last - first) if first is not None and last > first else 0.0
        under_way = [self._switch] if self._switch is not None and self._switch.writes else []
        switches = self._switches + [_switch_record(switch) for switch in under_way]
        return {
            "video": {
                "frames_captured": self.source.frames_captured,
                "frames_presented": self._presented,
                "frames_dropped": self.source.mailbox.dropped,
                "fps": round(fps, 2),
                "provider": act.look.provider if act is not None else "",
                "latency": self._latency.whole(),
                "stages": {name: times.whole() for name, times in self._stages.items()},
                "longest_gap": _ms(self._longest_gap_s),
                "face_lost_frames": self._tracker.lost_frames,
            },
            "switches": switches,
            "faults": list(self._fault_log),
        }


def main(
    link: EngineLink, settings: PictureSettings, stage: SharedFramesHandle, preview: SharedFramesHandle
) -> None:
    """The engine's process: runs until Stop comes or the link closes."""
    cv2.setNumThreads(1)
    try:
        source = open_source(settings.camera)
    except BadSource as error:
        link.send(Finished(f"bad source: {error}", {}))
        return
    source.start()  # A camera takes its time to open; the rest is built meanwhile.
    stage_frames, preview_frames = SharedFrames.attach(stage), SharedFrames.attach(preview)
    try:
        engine = PictureEngine(settings, source, stage_frames, preview_frames, send=link.send)
    except LandmarkFileMissing as error:
        source.close()
        link.send(Finished(str(error), {}))
        return
    gc.collect()
    gc.freeze()
    gc.disable()
    why = run(engine, link)
    report = engine.report()
    engine.close()
    link.send(Finished(why, report))
    stage_frames.close()
    preview_frames.close()


def run(engine: PictureEngine, link: EngineLink) -> str:
    """The loop of the process; gives why it ended."""
    beat_at = now()
    while not link.closed:
        for command in link.poll():
            if isinstance(command, Stop):
                return "stopped"
            engine.handle(command)
        engine.step()
        t_s = now()
        if t_s >= beat_at:
            beat_at = t_s + HEARTBEAT_S
            link.send(Heartbeat(t_s, engine.figures()))
        engine.idle()
    return "parent gone"


def read_picture(path: Path) -> Picture | None:
    """A picture file as RGB, at most 1280x720; None when it cannot be read."""
    try:
        raw: NDArray[np.uint8] = np.fromfile(path, np.uint8)
        decoded = cv2.imdecode(raw, cv2.IMREAD_COLOR) if raw.size else None
    except (OSError, cv2.error):
        return None
    if decoded is None:
        return None
    picture = np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)
    height, width = picture.shape[:2]
    scale = min(SAFE_PICTURE_SIZE[1] / height, SAFE_PICTURE_SIZE[0] / width)
    if scale < 1:
        size = max(round(width * scale), 1), max(round(height * scale), 1)
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    return picture


def _switch_record(switch: _Switch) -> dict[str, Any]:
    return {
        "cue": switch.cue_index,
        "ready_after": _ms(switch.ready_after_s),
        "frame_gap": _ms(switch.gap_s),
        "audio_gap_samples": None,
    }


def _close_all(acts: list[Act]) -> None:
    while acts:
        acts.pop().look.close()


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _ms(seconds: float) -> float:
    return round(seconds * 1e3, 2)
