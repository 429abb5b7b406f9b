"""The picture engine's loop: camera -> tracker -> look -> transition -> delay -> stage, one frame after another.

Runs in its own process (`main`), or in the caller's with a scripted source and a manual clock (tests, `guise render`).
`PictureEngine` belongs to one thread. On that thread nothing is written to disk and nothing waits except for the next
frame. An error becomes a Fault, the safe picture and a retry; the loop continues. Only a thread of the engine that
hangs ends it, by an exception out of `step`: the engine is then restarted.

The performer's raw face reaches the stage only through the look `bypass`.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from time import perf_counter, sleep

import cv2

from live.picture.composer import Composer
from live.picture.delay_line import DelayLine, PictureSink
from live.picture.faults import Faults
from live.picture.look import Look, open_look
from live.picture.look_switcher import LookSwitcher
from live.picture.lost_face import LostFace
from live.picture.performance_log import PerformanceLog
from live.picture.performer_neutral import PerformerNeutral
from live.picture.picture_parameters import PictureParameters
from live.picture.preload import take_face_points
from live.picture.preview import Preview
from live.picture.safe_picture import SafePicture, SafePictureReader
from live.picture.settings import PictureSettings
from live.picture.sources.movie_frames import BadSource
from live.picture.sources.none import NoSource
from live.picture.sources.registry import open_source
from live.picture.sources.source import Source, SourceOptions
from live.picture.tracker import Tracker
from live.picture.tracking import Tracked, TrackingStage
from live.process.engine_link import EngineLink
from live.process.frames import Frame, Landmarks, now
from live.process.load_limit import load_limit_s
from live.process.messages import (
    Command,
    Event,
    Finished,
    Forget,
    Go,
    Heartbeat,
    Lock,
    MeasureNeutral,
    Note,
    Panic,
    Prepare,
    Refused,
    Reload,
    SetParameter,
    Stop,
)
from live.process.metrics import PictureMetrics
from live.process.report import EngineReport, VideoReport
from live.process.shared_frames import SharedFrames, SharedFramesHandle
from live.process.stage_picture import FrameKind, StagePicture
from models.features.face_points import FacePoints, LandmarkFileMissing
from models.features.types import Points

HEARTBEAT_S = 0.25
WAIT_S = 0.02
"""How long the loop waits for a frame before it checks for commands again."""
SAFE_INTERVAL_S = 0.2
"""While there is no source, the safe picture is sent at this interval, so that readers see that the engine is alive."""
OPENING_GRACE_S = 3.0
"""A webcam may take this long to open before that is reported as a fault."""
GC_INTERVAL_S = 10.0
ANOTHER_PERFORMER = "another performer has the stage"
NO_CUE = -1
NO_FRAME = -1
"""The index of a picture that belongs to no frame."""


class Step(Enum):
    """What one turn of the loop did."""

    IDLE = "no frame came"
    FRAME = "a frame was shown"
    GONE = "there is no source: the safe picture"


class PictureEngine:
    """Turns a source's frames into the pictures the audience sees. See the module."""

    def __init__(
        self,
        settings: PictureSettings,
        source: Source,
        stage_out: PictureSink,
        preview_out: PictureSink | None = None,
        clock: Callable[[], float] = now,
        *,
        face_points: FacePoints | None = None,
        load: Callable[[str], Look] | None = None,
        send: Callable[[Event], None] | None = None,
    ) -> None:
        """`load` opens a look by its key (tests pass their own). `send` takes events; without it `events()` collects
        them.

        Raises LandmarkFileMissing.
        """
        self.settings = settings
        self.source = source
        self._clock = clock
        self._started_at = self._gc_at = clock()
        self._frame_period_s = 1 / 30
        self._sent: list[Event] = []
        self._send = send if send is not None else self._sent.append
        self._faults = Faults(self._send, clock)
        self._log = PerformanceLog(self._send)

        tracker = Tracker(face_points if face_points is not None else take_face_points(settings.landmarks))
        neutral = PerformerNeutral(settings.neutral, settings.mirror)
        self._tracking = TrackingStage(tracker, neutral, settings.mirror)
        self._landmarks: Landmarks | None = None
        self._performer = 0

        safe = SafePicture(settings.safe_picture)
        self._note_error(safe)
        self._safe_reader = SafePictureReader()
        lost = LostFace(settings.hold_s, settings.fade_s)
        self._looks = LookSwitcher(
            load if load is not None else self._open_look, safe.look, self._send, load_limit_s(settings.provider)
        )
        self._composer = Composer(self._looks, lost, safe, self._faults, self._log, clock)
        self._delay = DelayLine(stage_out, clock)
        self._delay.latency_s = settings.latency_s
        self._parameters = PictureParameters(self._looks, self._delay, self._faults, clock)
        self._preview = Preview(preview_out, settings.preview_height)

        if settings.first_look != "safe":
            self.handle(Go(NO_CUE, settings.first_look, frame=settings.first_look_may_show_frame))

    # ---------------------------------------------------------------- commands

    def handle(self, command: Command) -> None:
        """Handles one command; never waits."""
        match command:
            case Prepare():
                self._looks.prepare(command.model)
            case Go():
                self._looks.request(command, self._clock())
            case Panic():
                if command.on and not self._composer.panic:
                    self._delay.clear()
                self._composer.panic = command.on
            case SetParameter():
                self._parameters.set(command.name, command.value)
            case MeasureNeutral():
                self._tracking.measure_neutral()
            case Lock():
                self._tracking.lock(command.x, command.y)
            case Forget():
                self._looks.forget(command.model)
            case Reload():
                self._reload(command)
            case Stop():
                pass  # The loop in `run` ends.

    def events(self) -> list[Event]:
        """The events since the last call, when no `send` was given."""
        events = self._sent[:]
        self._sent.clear()
        return events

    # ---------------------------------------------------------------- the loop

    def step(self, wait_s: float = WAIT_S) -> Step:
        """One turn of the loop: takes the newest frame, if one comes within `wait_s`, from the mailbox to the
        outputs.

        Raises TrackingHangs when frames come and none is tracked.
        """
        self.source.watch()
        self._tracking.watch()
        self._take_safe_picture()
        tracked = self._next_tracked(wait_s)
        if tracked is not None and not self.source.stuck:  # the last one of a camera that hangs may be under way still
            self._faults.resolve("camera")
            self._present_tracked(tracked)
            return Step.FRAME
        t_s = self._clock()
        self._apply_pending_switch(t_s)
        if not self.source.gone:
            return Step.IDLE
        self._present_without_source(t_s)
        return Step.GONE

    def process(self, frame: Frame) -> FrameKind:
        """Takes one frame from the tracker to the outputs. Returns the kind of picture shown for it."""
        return self._present_tracked(self._tracking.track(frame))

    def track_ahead(self) -> None:
        """Starts the tracking thread: from now on the next frame is tracked while the look generates the current
        one."""
        self._tracking.start(self.source.mailbox.take)

    def _next_tracked(self, wait_s: float) -> Tracked | None:
        if self._tracking.running:
            return self._tracking.mailbox.take(wait_s)
        frame = self.source.mailbox.take(wait_s)
        return None if frame is None else self._tracking.track(frame)

    def _present_tracked(self, tracked: Tracked) -> FrameKind:
        frame = tracked.frame
        t_s = self._clock()
        self._log.begin_frame(t_s - frame.captured_at - tracked.took_s)
        self._log.add_time("track", tracked.took_s)
        if tracked.error is not None:
            self._faults.fail("tracker", tracked.error, t_s)
        else:
            self._faults.resolve("tracker")
        self._apply_pending_switch(t_s)
        self._parameters.move(t_s)
        self._landmarks = tracked.landmarks
        self._note_another_performer()
        shown = self._composer.compose(tracked, t_s, self._frame_period_s)
        self._present(shown)
        self._show_preview(frame, tracked.landmarks)
        if self.source.fps > 1:
            self._frame_period_s = 1 / self.source.fps
        return shown.kind

    def _note_another_performer(self) -> None:
        before, self._performer = self._performer, self._tracking.performer
        if 0 < before != self._performer:
            self._send(Note(ANOTHER_PERFORMER))

    def idle(self) -> None:
        """Work between two frames, including the garbage collection that Python would otherwise do within one."""
        self._looks.close_forgotten()
        for text in self.source.take_notes():
            self._send(Note(text))
        t_s = self._clock()
        if t_s - self._gc_at > GC_INTERVAL_S:
            self._gc_at = t_s
            gc.collect()

    def close(self) -> None:
        self._tracking.close()
        self._delay.close()
        self._looks.close()
        self.source.close()

    @property
    def look_size(self) -> tuple[int, int] | None:
        """Width and height of the current look's pictures; None: the frame's."""
        return self._looks.current.look.size

    def set_neutral(self, neutral: Points) -> None:
        """Sets the performer's neutral, in the form of PictureSettings.neutral, from the next frame on; used by
        render."""
        self._tracking.neutral = PerformerNeutral(neutral, self.settings.mirror)

    def wait_for_look(self, timeout_s: float = 60.0) -> None:
        """Waits until the requested look is on stage; used by render, never while performing.

        Raises RuntimeError when the look is refused, or not loaded in time.
        """
        deadline_s = perf_counter() + timeout_s
        while (key := self._looks.requested_key) is not None:
            self._apply_pending_switch(self._clock())
            refused = [event for event in self._sent if isinstance(event, Refused) and event.model == key]
            if refused:
                raise RuntimeError(refused[0].why)
            if perf_counter() > deadline_s:
                raise RuntimeError(f"{key} is not loaded after {timeout_s:.0f} s")
            if self._looks.requested_key is not None:
                sleep(0.005)

    # ---------------------------------------------------------------- within a frame

    def _present(self, shown: StagePicture) -> None:
        try:
            self._delay.write(shown)
        except Exception as error:
            self._faults.fail("stage", error, shown.ready_at)
            return
        if self._delay.error is not None:
            self._faults.fail("stage", self._delay.error, shown.ready_at)
        else:
            self._faults.resolve("stage")
        self._log.present(shown.kind, shown.captured_at, shown.ready_at, shown.index)

    def _show_preview(self, frame: Frame, landmarks: Landmarks | None) -> None:
        t_s = self._clock()
        try:
            self._preview.write(frame, landmarks, t_s)
        except Exception as error:
            self._faults.fail("preview", error, t_s)
        else:
            self._faults.resolve("preview")

    def _present_without_source(self, t_s: float) -> None:
        """The camera is gone: shows the safe picture at once, and again at an interval."""
        source = self.source
        opening = source.frames_captured == 0 and t_s - self._started_at < OPENING_GRACE_S
        if not isinstance(source, NoSource) and (source.error or not opening):
            self._faults.fail("camera", source.error or f"{source.name} gives no picture", t_s)
        if self._landmarks is not None or self._composer.lost.share(t_s) < 1:
            self._landmarks = None
            self._composer.lost.cut(t_s)
            self._delay.clear()
            self._log.interrupt()
        written_at = self._log.written_at
        if written_at is None or t_s - written_at >= SAFE_INTERVAL_S:
            self._present(StagePicture(self._composer.fallback_picture(), FrameKind.SAFE, t_s, t_s, NO_FRAME))

    # ---------------------------------------------------------------- looks and parameters

    def _open_look(self, key: str) -> Look:
        settings = self.settings
        return open_look(key, settings.provider, settings.retarget, settings.slowest_look_s)

    def _apply_pending_switch(self, t_s: float) -> None:
        """Puts a requested look on stage once it is loaded, and applies its cue's parameters."""
        entered = self._looks.update(t_s)
        if entered is None:
            return
        go = entered.go
        self._parameters.start_cue(go.set, go.transition_s)
        self._log.end_switch()
        if go.cue_index != NO_CUE:
            self._log.begin_switch(go.cue_index, t_s - entered.requested_at, t_s, go.transition_s)

    def _reload(self, command: Reload) -> None:
        lost = self._composer.lost
        lost.hold_s, lost.fade_s = command.hold_s, command.fade_s
        self._safe_reader.begin(Path(command.safe_picture) if command.safe_picture else None)

    def _take_safe_picture(self) -> None:
        """Shows the safe picture of a show that was read again, from when it has been read."""
        safe = self._safe_reader.take()
        if safe is not None:
            self._note_error(safe)
            self._composer.safe = safe
            self._looks.replace_safe(safe.look)

    def _note_error(self, safe: SafePicture) -> None:
        if safe.error:
            self._send(Note(safe.error))

    # ---------------------------------------------------------------- metrics

    def metrics(self) -> PictureMetrics:
        """Metrics of the last seconds for the screen."""
        source, log = self.source, self._log
        return PictureMetrics(
            fps=log.recent_fps(self._clock()),
            latency_ms=log.recent_latency(),
            longest_gap_ms=log.longest_gap_ms,
            frames_dropped=self._dropped(),
            face_lost_frames=self._tracking.lost_frames,
            provider=self._looks.current.look.provider,
            camera=source.name,
            camera_trouble=source.error if source.gone else "",
            face=self._landmarks is not None,
            face_trouble="" if self._landmarks is not None else self._tracking.trouble,
            look=self._looks.current_key,
            panic=self._composer.panic,
            loaded=tuple(self._looks.loaded_keys),
        )

    def report(self) -> EngineReport:
        """The parts "video", "switches" and "faults" of the report, for the whole run."""
        log = self._log
        video: VideoReport = {
            "fps": log.fps(),
            "latency": log.latency(),
            "stages": log.stages(),
            "longest_gap": log.longest_gap_ms,
            "frames_presented": log.presented,
            "frames_captured": self.source.frames_captured,
            "frames_dropped": self._dropped(),
            "face_lost_frames": self._tracking.lost_frames,
            "provider": self._looks.current.look.provider,
        }
        return {"video": video, "switches": log.switches(), "faults": self._faults.report()}

    def _dropped(self) -> int:
        return self.source.mailbox.dropped + self._tracking.mailbox.dropped


def main(link: EngineLink, settings: PictureSettings, stage: SharedFramesHandle, preview: SharedFramesHandle) -> None:
    """The engine's process: runs until Stop arrives or the link closes."""
    cv2.setNumThreads(1)
    try:
        options = SourceOptions(epoch=settings.epoch, period_s=settings.period_s, performer=settings.performer)
        source = open_source(settings.camera, options)
    except BadSource as error:
        link.send(Finished(f"bad source: {error}", {}))
        return
    source.start()  # A camera takes time to open; the rest is built meanwhile.
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
    reason = run(engine, link)
    link.send(Finished(reason, engine.report()))  # before anything waits for a thread that may hang
    engine.close()
    stage_frames.close()
    preview_frames.close()


def run(engine: PictureEngine, link: EngineLink) -> str:
    """The loop of the process; returns why it ended."""
    engine.track_ahead()
    next_heartbeat_at = now()
    while not link.closed:
        for command in link.poll():
            if isinstance(command, Stop):
                return "stopped"
            engine.handle(command)
        engine.step()
        t_s = now()
        if t_s >= next_heartbeat_at:
            next_heartbeat_at = t_s + HEARTBEAT_S
            link.send(Heartbeat(t_s, engine.metrics()))
        engine.idle()
    return "parent gone"
