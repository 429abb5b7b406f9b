"""What the engines send, and what their deaths mean: into the log, the sync and the cue scheduler.

Used in the StageManager's thread, under its lock.
"""

from __future__ import annotations

from collections.abc import Callable

from live.manage.audience import Audience
from live.manage.cue_scheduler import AnySupervisor
from live.manage.engine_supervisor import EngineFault
from live.manage.event_log import ShowLog
from live.manage.health import Health
from live.manage.model_status import ModelProgress
from live.manage.sync_control import SyncControl
from live.process.engine_kind import EngineKind
from live.process.frames import now
from live.process.messages import AudioChunk, Event, Fault, Finished, Heartbeat, Note, OnStage, Recovered
from live.process.subscribers import Subscribers

_REPORTED = {EngineKind.PICTURE: "frame_gap_s", EngineKind.SOUND: "audio_gap_samples"}
"""What each engine measures of a switch."""

_Progress = tuple[dict[str, ModelProgress], bool]


class EngineEvents:
    """Takes the events of both engines. `failure` says why the show cannot go on at all, or is None."""

    def __init__(
        self,
        log: ShowLog,
        sync: SyncControl,
        audience: Audience,
        on_progress: Callable[[], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        """
        Args:
            on_progress: called when a model's status has changed or an engine came on stage: a cue may be ready.
            on_error: called with what a subscriber of the sound raises.
        """
        self._log = log
        self._sync = sync
        self._audience = audience
        self._on_progress = on_progress
        self._last_progress: dict[EngineKind, _Progress] = {}
        self.stopping = False
        """The show is over: an engine that ends has not failed, and nothing is loaded any more."""
        self.failure: str | None = None
        self._sounds: list[AudioChunk] = []
        self.audio: Subscribers[[AudioChunk]] = Subscribers(on_error)

    def pass_on_sound(self) -> None:
        """Call the subscribers of the sound with what has come. Not under the lock: one of them may hang."""
        sounds, self._sounds = self._sounds, []
        for chunk in sounds:
            self.audio.call(chunk)

    def take(self, engine: AnySupervisor) -> bool:
        """Handle all events that have come from this engine; whether any of them changes what screens show."""
        changed = False
        for event in engine.events():
            changed = changed or not isinstance(event, AudioChunk)
            self._handle(engine, event)
        performs_nothing = engine.target is None and engine.health is Health.PERFORMING
        if engine.up and engine.fault is not None and performs_nothing:
            self._mark_recovered(engine, now())
        if engine.up and not self.stopping:
            self._report_progress(engine)
        return changed

    def fail(self, engine: AnySupervisor, what: str) -> bool:
        """The engine is down or hangs: log it, and have it restarted. False when it has ended for good."""
        if engine.finished:
            return False
        if engine.fault is None:
            engine.fault = self._log.add_fault(EngineFault(now(), f"{engine.name} engine", what))
        self._log.add_note(f"the {engine.name} engine {_as_sentence(what)}; it is restarted")
        engine.failed()
        self._log.add_reason(_REPORTED[engine.kind], f"the {engine.name} engine ended before it could say")
        return True

    def _handle(self, engine: AnySupervisor, event: Event) -> None:
        match event:
            case AudioChunk():
                self._sounds.append(event)
            case Heartbeat():
                self._sync.on_heartbeat(engine.kind, self._audience.latency_s)
            case OnStage():
                engine.was_on_stage = True
                self._cue_on_stage(engine, event)
            case Note():
                self._log.add_note(event.text)
            case Fault() if event.where != "engine":
                self._log.add_fault(EngineFault(event.at, event.where, event.what))
                self._log.add_note(f"{event.where}: {event.what}")
            case Recovered():
                self._log.mark_recovered(event.where, event.after_s)
            case Finished() if not self.stopping and engine.process.last_heartbeat is None:
                engine.finished = True  # it refuses to start and would again
                self.failure = event.why.removeprefix("bad source: ")
            case _:
                pass  # the supervisor has taken it

    def _cue_on_stage(self, engine: AnySupervisor, event: OnStage) -> None:
        if engine.fault is not None:
            self._mark_recovered(engine, event.at)
            return
        switch = self._log.latest_switch_to(event.cue_index)
        if switch is None:
            return
        self._sync.on_cue()
        if engine.kind is EngineKind.PICTURE and switch.frame_gap_s is None:
            switch.frame_gap_s = event.frame_gap_s
        elif engine.kind is EngineKind.SOUND and switch.audio_gap_samples is None:
            switch.audio_gap_samples = event.gap_samples

    def _mark_recovered(self, engine: AnySupervisor, at: float) -> None:
        if engine.fault is not None:
            engine.fault.recovered_after_s = max(at - engine.fault.at, 0.0)
            engine.fault = None

    def _report_progress(self, engine: AnySupervisor) -> None:
        """A heartbeat alone is no progress."""
        progress = {model: status.progress for model, status in engine.models.items()}, engine.was_on_stage
        if progress != self._last_progress.get(engine.kind):
            self._last_progress[engine.kind] = progress
            self._on_progress()


def _as_sentence(what: str) -> str:
    return what if what.split()[0] in ("died", "cannot") else f"failed ({what})"
