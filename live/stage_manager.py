"""Runs the show: starts and watches both engines, takes cues from whoever calls, and keeps the account.

Lives in the operator's process and knows no Qt. Its methods may be called from any thread and never wait for
an engine, but for `start`, `stop` and `reload_show`. One thread of its own takes what the engines send,
restarts them, and fires the cues that follow by themselves. Listeners are called in that thread.

A cue's road: GO sets it waiting; as soon as every engine that is up has answered for its model, each is sent
its Go. So a cue whose models are loaded is on stage with the next frame, and one whose models are not lets
the old one play until they are. An engine that was down catches up with the cue on stage when it is back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from live.audience import Audience
from live.engine_process import (
    EngineProcess,
    Event,
    Fault,
    Finished,
    Go,
    Lock,
    Note,
    OnStage,
    Panic,
    Recovered,
    Reload,
    SetParameter,
    Stop,
    kill_forkserver,
)
from live.frames import now
from live.report import Report, build_report
from live.shared_frames import SharedFrames
from live.show import BadShow, Cue, Show, read_show
from live.watched_engine import EngineFault, ModelStatus, Status, WatchedEngine, loaded_size

DOUBLE_PRESS_S = 0.3
"""A second press within this time of the last one is the same press: a nervous finger, a bouncing pad, a held
key."""
MEMORY_BUDGET_BYTES = 600_000_000
STAGE_BYTES = 1920 * 1080 * 3
PREVIEW_BYTES = 854 * 480 * 3
PICTURE_ENGINE = "live.picture.engine:main"
SOUND_ENGINE = "live.sound.engine:main"

_TICK_S = 0.1
_PATIENCE_S = 0.5
_NOTES = 100
_FAULTS = 1000


@dataclass(frozen=True)
class CueState:
    """One line of the cue list."""

    index: int
    name: str
    look: str | Path
    voice: str | Path
    transition_s: float
    follow_s: float | None
    status: Status
    why: str


@dataclass(frozen=True)
class EngineState:
    """health: "starting", "performing", "restarting", "ended"."""

    name: str
    health: str
    heartbeat_age_s: float | None
    restarts: int
    figures: dict[str, Any]


@dataclass(frozen=True)
class FaultState:
    """at_s: seconds since the start; recovered_after_s: None while it lasts."""

    at_s: float
    where: str
    what: str
    recovered_after_s: float | None


@dataclass(frozen=True)
class NoteState:
    at_s: float
    text: str


@dataclass(frozen=True)
class StageState:
    """All that a screen shows, at one moment. `waiting` is the cue that GO asked for and whose models still
    load."""

    show_name: str
    show_path: Path | None
    safe_picture: Path | None
    cues: tuple[CueState, ...]
    on_stage: int | None
    standby: int | None
    waiting: int | None
    panic: bool
    follow_in_s: float | None
    picture: EngineState
    sound: EngineState
    faults: tuple[FaultState, ...]
    notes: tuple[NoteState, ...]
    failure: str | None
    uptime_s: float


@dataclass
class _Switch:
    cue: str
    index: int
    asked_at: float
    ready_after_s: float
    frame_gap_s: float | None = None
    audio_gap_samples: int | None = None


@dataclass
class _Waiting:
    index: int
    asked_at: float
    by_itself: bool = False
    tried: set[int] = field(default_factory=set)


class StageManager:
    """Make one, `start()` it, `stop()` it. See the module for threads."""

    def __init__(
        self,
        show: Show,
        picture_settings: Any,
        sound_settings: Any,
        *,
        first_cue: int = 0,
        memory_budget_bytes: int = MEMORY_BUDGET_BYTES,
        picture_engine: str = PICTURE_ENGINE,
        sound_engine: str = SOUND_ENGINE,
        stage_bytes: int = STAGE_BYTES,
        preview_bytes: int = PREVIEW_BYTES,
    ) -> None:
        """
        Args:
            picture_settings, sound_settings: pickled to the engines as they are.
            first_cue: fired as soon as its models are ready.
            memory_budget_bytes: for the looks that are kept loaded.
            picture_engine, sound_engine: "module:function".
            stage_bytes, preview_bytes: the largest picture that crosses to this process.
        """
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._stopping = False
        self._show = show
        self._first_cue = first_cue
        self.stage_frames = SharedFrames.create(stage_bytes)
        self.preview_frames = SharedFrames.create(preview_bytes)
        self.audience = Audience(self.stage_frames, show.safe_picture)
        handles = (self.stage_frames.handle, self.preview_frames.handle)

        def picture() -> EngineProcess:
            return EngineProcess("picture", picture_engine, (picture_settings, *handles), self._wake.set)

        def sound() -> EngineProcess:
            return EngineProcess("sound", sound_engine, (sound_settings,), self._wake.set)

        self._picture = WatchedEngine("picture", "look", picture, memory_budget_bytes, loaded_size)
        self._sound = WatchedEngine("sound", "voice", sound, memory_budget_bytes, loaded_size)
        self._engines = (self._picture, self._sound)
        self._on_stage: int | None = None
        self._standby: int | None = first_cue
        self._waiting: _Waiting | None = None
        self._panic = False
        self._panic_since = 0.0
        self._follow_at: float | None = None
        self._pressed: dict[str, float] = {}
        self._parameters: dict[str, float] = {}
        self._reload: Reload | None = None
        self._faults: list[EngineFault] = []
        self._notes: list[tuple[float, str]] = []
        self._switches: list[_Switch] = []
        self._failure: str | None = None
        self._seen: dict[str, Any] = {}
        self._listeners: tuple[Callable[[], None], ...] = ()
        self._changed = True
        self._began_at = now()
        self._thread = threading.Thread(target=self._run, name="stage-manager", daemon=True)
        self._stopped = threading.Event()

    # ---- beginning, end

    def start(self) -> None:
        """Start the engines and fire the first cue when it is ready; returns at once."""
        self._began_at = now()
        self._waiting = _Waiting(self._first_cue, self._began_at)
        self.audience.start()
        self._thread.start()

    def stop(self, timeout_s: float = 3.0) -> None:
        """End both engines and take their reports, then remove the shared memory. A second call does nothing.

        Readers of stage_frames and preview_frames must have ended, apart from the audience, which ends here.
        """
        with self._lock:
            if self._stopping:
                return
            self._stopping = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(_PATIENCE_S)
            if self._thread.is_alive():
                kill_forkserver()  # it still imports, and the thread waits for it
                self._thread.join()
        for engine in self._engines:
            engine.send(Stop())
        until = now() + timeout_s
        for engine in self._engines:
            if engine.process.pid is not None and not engine.process.stop(max(until - now(), 0.1)):
                self._note(f"the {engine.name} engine did not end and was killed")
            self._take(engine)
        self.audience.stop()
        for frames in (self.stage_frames, self.preview_frames):
            frames.close()
            frames.unlink()
        self._stopped.set()

    # ---- the operator

    def go(self) -> bool:
        """Fire the standby cue. False when it was taken for a double press, or there is none."""
        with self._lock:
            if self._is_double("go"):
                return False
            if self._standby is None:
                self._note("there is no next cue")
                return False
            self._ask(self._standby)
            return True

    def back(self) -> bool:
        """Fire the cue before the one on stage."""
        with self._lock:
            if self._is_double("back") or not self._on_stage:
                return False
            self._ask(self._on_stage - 1)
            return True

    def go_to(self, index: int) -> bool:
        """Fire this cue. False when there is no such cue, or it was a double press."""
        with self._lock:
            if not 0 <= index < len(self._show.cues) or self._is_double(f"go to {index}"):
                return False
            self._ask(index)
            return True

    def go_to_name(self, name: str) -> bool:
        """Fire the cue of this name."""
        with self._lock:
            found = [index for index, cue in enumerate(self._show.cues) if cue.name == name]
            return bool(found) and self.go_to(found[0])

    def standby(self, index: int) -> bool:
        """Make this cue the next one. False when there is no such cue."""
        with self._lock:
            if not 0 <= index < len(self._show.cues):
                return False
            self._standby = index
            self._pardon(index)
            self._advance()
            return True

    def panic(self) -> None:
        """The safe picture and silence, at once, until `release`."""
        self._set_panic(True)

    def release(self) -> None:
        """End the panic: the cue on stage performs again."""
        self._set_panic(False)

    def panicking(self) -> bool:
        return self._panic

    def set_parameter(self, name: str, value: float) -> None:
        """Set "picture/..." or "sound/..."; it lasts until the next cue."""
        with self._lock:
            self._parameters[name] = value
            self._engine_of(name).send(SetParameter(name, value))

    def lock_performer(self, x: float, y: float) -> None:
        """Follow the face nearest to this place of the preview, in fractions of its width and height."""
        self._picture.send(Lock(x, y))

    def reload_show(self, path: str | Path | None = None) -> str | None:
        """Read the show again, or another one. None when it plays; else why not, and the old one goes on."""
        source = path or self._show.path
        if source is None:
            return self._said("this show has no file to read again")
        try:
            show = read_show(source)
        except BadShow as error:
            return self._said(f"the show was not reloaded: {error}")
        with self._lock:
            self._take_show(show)
            self._note(f'the show "{show.name}" was reloaded')
            self._advance()
        return None

    def note(self, text: str) -> None:
        """A sentence for the operator and the report's warnings."""
        with self._lock:
            self._note(text)
            self._wake.set()

    # ---- those who look

    def listen(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` after every change, in the StageManager's thread; it must not wait. Returns what
        ends it."""
        with self._lock:
            self._listeners = (*self._listeners, callback)

        def leave() -> None:
            with self._lock:
                self._listeners = tuple(other for other in self._listeners if other is not callback)

        return leave

    @property
    def show(self) -> Show:
        return self._show

    @property
    def failure(self) -> str | None:
        """Why the show cannot go on at all (a bad source at the start), or None."""
        return self._failure

    @property
    def state(self) -> StageState:
        """A snapshot; any thread."""
        with self._lock:
            return StageState(
                show_name=self._show.name,
                show_path=self._show.path,
                safe_picture=self._show.safe_picture,
                cues=tuple(self._cue_state(index, cue) for index, cue in enumerate(self._show.cues)),
                on_stage=self._on_stage,
                standby=self._standby,
                waiting=None if self._waiting is None else self._waiting.index,
                panic=self._panic,
                follow_in_s=None if self._follow_at is None else max(self._follow_at - now(), 0.0),
                picture=_engine_state(self._picture),
                sound=_engine_state(self._sound),
                faults=tuple(
                    FaultState(fault.at - self._began_at, fault.where, fault.what, fault.recovered_after_s)
                    for fault in self._faults
                ),
                notes=tuple(NoteState(at - self._began_at, text) for at, text in self._notes),
                failure=self._failure,
                uptime_s=now() - self._began_at,
            )

    def report(self) -> Report:
        """DESIGN's report. The engines' parts are there after `stop`."""
        with self._lock:
            warnings = [text for _, text in self._notes]
            for engine in self._engines:
                if engine.restarts:
                    warnings.append(f"the {engine.name} engine was restarted: its figures count from then")
            return build_report(
                self._picture.report,
                self._sound.report,
                switches=[
                    {
                        "cue": switch.cue,
                        "ready_after": _ms(switch.ready_after_s),
                        "frame_gap": _ms(switch.frame_gap_s),
                        "audio_gap_samples": switch.audio_gap_samples,
                    }
                    for switch in self._switches
                ],
                faults=[
                    {
                        "at": _ms(fault.at - self._began_at),
                        "where": fault.where,
                        "what": fault.what,
                        "recovered_after": _ms(fault.recovered_after_s),
                    }
                    for fault in self._faults
                ],
                warnings=warnings,
                presented=self.audience.figures(),
            )

    # ---- cues, under the lock

    def _is_double(self, action: str) -> bool:
        """Pressed again while the last press is still warm. Refused presses keep it warm, so a held key fires
        once."""
        at = now()
        before, self._pressed[action] = self._pressed.get(action), at
        return before is not None and at - before < DOUBLE_PRESS_S

    def _ask(self, index: int, *, by_itself: bool = False) -> None:
        if self._waiting is not None and self._waiting.index == index:
            return
        self._pardon(index)
        self._waiting = _Waiting(index, now(), by_itself)
        self._advance()

    def _pardon(self, index: int) -> None:
        for engine in self._engines:
            engine.pardon(_model(engine, self._show.cues[index]))

    def _advance(self) -> None:
        """Do all that can be done now: load, fire, catch up."""
        self._load()
        while self._waiting is not None and self._fire_if_ready(self._waiting):
            self._load()
        for engine in self._engines:
            engine.catch_up()
        self._load()
        self._changed = True
        self._wake.set()

    def _load(self) -> None:
        """First what is needed now, then the next cue, then one at a time whatever fits into the budget."""
        for engine in self._engines:
            urgent = [] if engine.target is None else [engine.target.model]
            if self._waiting is not None:
                urgent.append(_model(engine, self._show.cues[self._waiting.index]))
            following = [_model(engine, cue) for cue in self._following()]
            keep = {*urgent, *following[:1]}
            for key in urgent:
                engine.want(key, keep, preload=False)
            if not engine.on_stage_once or engine.busy:
                continue  # nothing may delay the first picture, nor what is needed now
            for at, key in enumerate(following):
                if engine.status(key).status == "unloaded" and (at == 0 or engine.has_room_for(key)):
                    engine.want(key, keep, preload=True)
                    break

    def _following(self) -> list[Cue]:
        """The cues from the standby mark on, then those before it."""
        at = self._standby or 0
        return [*self._show.cues[at:], *self._show.cues[:at]]

    def _fire_if_ready(self, waiting: _Waiting) -> bool:
        """Fire it, or pass over it. False when its models are still awaited."""
        cue = self._show.cues[waiting.index]
        up = [engine for engine in self._engines if engine.up]
        answers = {engine.name: engine.status(_model(engine, cue)) for engine in up}
        if not up or any(answer.status in ("unloaded", "loading") for answer in answers.values()):
            return False
        self._waiting = None
        for engine in up:
            answer = answers[engine.name]
            if answer.status == "refused":
                self._note(f'cue "{cue.name}": the {engine.kind} is refused, the old one plays on: {answer.why}')
        if all(answer.status == "refused" for answer in answers.values()):
            self._skip(waiting)
            return True
        for engine in self._engines:
            if engine not in up or answers[engine.name].status == "ready":
                engine.target = Go(
                    waiting.index, _model(engine, cue), cue.transition_s, self._parameters_of(engine, cue)
                )
        self._parameters.clear()
        self._fired(waiting, cue)
        return True

    def _fired(self, waiting: _Waiting, cue: Cue) -> None:
        at = now()
        self._switches.append(_Switch(cue.name, waiting.index, waiting.asked_at, at - waiting.asked_at))
        self._on_stage = waiting.index
        self._standby = self._next_of(waiting.index)
        self._follow_at = None if cue.follow_s is None else at + cue.follow_s
        if waiting.by_itself:
            self._pressed["go"] = at  # a press that comes now was meant for the cue that has just gone by itself

    def _skip(self, waiting: _Waiting) -> None:
        """Nothing of the cue can be had. By hand: the old one stays. By itself: the show must go on without
        it."""
        following = self._next_of(waiting.index)
        tried = waiting.tried | {waiting.index}
        if waiting.by_itself and following is not None and following not in tried:
            self._waiting = _Waiting(following, waiting.asked_at, True, tried)

    def _next_of(self, index: int) -> int | None:
        if index + 1 < len(self._show.cues):
            return index + 1
        return 0 if self._show.loop else None

    def _parameters_of(self, engine: WatchedEngine, cue: Cue) -> dict[str, float]:
        return {name: value for name, value in cue.set.items() if self._engine_of(name) is engine}

    def _engine_of(self, parameter: str) -> WatchedEngine:
        return self._sound if parameter.startswith("sound/") else self._picture

    def _set_panic(self, on: bool) -> None:
        with self._lock:
            if on == self._panic:
                return
            self._panic = on
            self.audience.panic(on)
            if on:
                self._panic_since = now()
            elif self._follow_at is not None:
                self._follow_at += now() - self._panic_since
            for engine in self._engines:
                engine.send(Panic(on))
            self._changed = True
            self._wake.set()

    def _take_show(self, show: Show) -> None:
        """Cues keep their place by name; what performs goes on until the next cue."""
        playing = None if self._on_stage is None else self._show.cues[self._on_stage].name
        next_name = None if self._standby is None else self._show.cues[self._standby].name
        names = [cue.name for cue in show.cues]
        self._show = show
        self._waiting = None
        self._on_stage = names.index(playing) if playing in names else None
        after = 0 if self._on_stage is None else self._next_of(self._on_stage)
        self._standby = names.index(next_name) if next_name in names else after
        self.audience.set_safe_picture(show.safe_picture)
        self._reload = Reload(
            show.lost_face.hold_s,
            show.lost_face.fade_s,
            None if show.safe_picture is None else str(show.safe_picture),
            show.sound_miss,
            show.sync,
        )
        for engine in self._engines:
            engine.send(self._reload)
            performs = None if engine.target is None else engine.target.model
            for key in list(engine.models):
                if key != performs:  # its file may be another by now
                    engine.forget(key)

    # ---- its thread

    def _run(self) -> None:
        expected = now()
        while not self._stopping:
            for engine in self._engines:
                if engine.due and not self._stopping:
                    self._begin(engine)
            late_s = max(now() - expected - _TICK_S, 0.0)
            with self._lock:
                self._tick(late_s)
                changed, self._changed = self._changed, False
                listeners = self._listeners
            if changed:
                for listener in listeners:
                    listener()
            expected = now() + _TICK_S
            self._wake.wait(self._sleep_s())
            self._wake.clear()

    def _sleep_s(self) -> float:
        if self._follow_at is None or self._panic:
            return _TICK_S
        return min(max(self._follow_at - now(), 0.0), _TICK_S)

    def _begin(self, engine: WatchedEngine) -> None:
        try:
            engine.begin()
        except (OSError, EOFError) as error:
            with self._lock:
                self._down(engine, f"cannot be started: {error}")
            return
        with self._lock:
            engine.begun()
            if self._reload is not None:
                engine.send(self._reload)
            if self._panic:
                engine.send(Panic(True))
            for name, value in self._parameters.items():
                if self._engine_of(name) is engine:
                    engine.send(SetParameter(name, value))
            self._advance()

    def _tick(self, late_s: float) -> None:
        for engine in self._engines:
            self._take(engine)
            wrong = engine.verdict(late_s)
            if wrong is not None:
                self._take(engine)
                self._down(engine, wrong)
        if self._follow_at is not None and now() >= self._follow_at and not self._panic:
            self._follow_at = None
            if self._standby is not None:
                self._ask(self._standby, by_itself=True)

    def _down(self, engine: WatchedEngine, what: str) -> None:
        if engine.finished:
            return
        if engine.fault is None:
            engine.fault = self._add_fault(EngineFault(now(), f"{engine.name} engine", what))
        self._note(f"the {engine.name} engine {_as_sentence(what)}; it is restarted")
        engine.failed()
        self._wake.set()

    def _take(self, engine: WatchedEngine) -> None:
        for event in engine.events():
            self._changed = True
            self._heed(engine, event)
        if engine.up and engine.fault is not None and engine.target is None and engine.health == "performing":
            self._mended(engine, now())
        if engine.up and not self._stopping:
            self._advance_if_news(engine)

    def _advance_if_news(self, engine: WatchedEngine) -> None:
        """Ready, Refused and OnStage may let something go on; a mere heartbeat lets nothing."""
        news = {key: model.status for key, model in engine.models.items()}, engine.on_stage_once
        if news != self._seen.get(engine.name):
            self._seen[engine.name] = news
            self._advance()

    def _heed(self, engine: WatchedEngine, event: Event) -> None:
        if isinstance(event, OnStage):
            engine.on_stage_once = True
            self._arrived(engine, event)
        elif isinstance(event, Note):
            self._note(event.text)
        elif isinstance(event, Fault) and event.where != "engine":
            self._add_fault(EngineFault(event.at, event.where, event.what))
            self._note(f"{event.where}: {event.what}")
        elif isinstance(event, Recovered):
            self._recovered(event.where, event.after_s)
        elif isinstance(event, Finished) and not self._stopping and engine.process.last_heartbeat is None:
            engine.finished = True  # it refuses to begin, and would again
            self._failure = event.why.removeprefix("bad source: ")

    def _arrived(self, engine: WatchedEngine, event: OnStage) -> None:
        if engine.fault is not None:
            self._mended(engine, event.at)
            return
        switch = next((s for s in reversed(self._switches) if s.index == event.cue_index), None)
        if switch is None:
            return
        if engine is self._picture and switch.frame_gap_s is None:
            switch.frame_gap_s = event.frame_gap_s
        elif engine is self._sound and switch.audio_gap_samples is None:
            switch.audio_gap_samples = event.gap_samples

    def _mended(self, engine: WatchedEngine, at: float) -> None:
        if engine.fault is not None:
            engine.fault.recovered_after_s = max(at - engine.fault.at, 0.0)
            engine.fault = None

    def _recovered(self, where: str, after_s: float) -> None:
        for fault in reversed(self._faults):
            if fault.where == where and fault.recovered_after_s is None:
                fault.recovered_after_s = after_s
                return

    def _add_fault(self, fault: EngineFault) -> EngineFault:
        self._faults.append(fault)
        del self._faults[:-_FAULTS]
        self._changed = True
        return fault

    def _note(self, text: str) -> None:
        if not self._notes or self._notes[-1][1] != text:
            self._notes.append((now(), text))
            del self._notes[:-_NOTES]
        self._changed = True

    def _said(self, text: str) -> str:
        self.note(text)
        return text

    def _cue_state(self, index: int, cue: Cue) -> CueState:
        status = _together([engine.status(_model(engine, cue)) for engine in self._engines])
        return CueState(index, cue.name, cue.look, cue.voice, cue.transition_s, cue.follow_s, status.status, status.why)


def _model(engine: WatchedEngine, cue: Cue) -> str:
    return str(cue.look if engine.kind == "look" else cue.voice)


def _together(models: list[ModelStatus]) -> ModelStatus:
    """A cue is as far as the less ready of its two models."""
    for status in ("refused", "loading", "unloaded"):
        for model in models:
            if model.status == status:
                return model
    return ModelStatus("ready")


def _engine_state(engine: WatchedEngine) -> EngineState:
    return EngineState(engine.name, engine.health, engine.heartbeat_age_s, engine.restarts, engine.figures)


def _as_sentence(what: str) -> str:
    return what if what.split()[0] in ("died", "cannot") else f"failed ({what})"


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000.0, 2)
