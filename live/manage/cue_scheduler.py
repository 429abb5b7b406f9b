"""Brings cues onto the stage: has their models loaded and sends each engine its Go.

A requested cue waits until every engine that is up has answered for its model; then each engine is sent its Go. So a
cue whose models are loaded is on stage with the next frame; while the models of a cue load, the old cue plays on. An
engine that was down catches up with the cue on stage when it is back.

Runs in any thread that calls the StageManager, under its lock; never waits.
"""

from __future__ import annotations

from live.manage.debounce import Debouncer
from live.manage.engine_supervisor import EngineSupervisor
from live.manage.event_log import ShowLog
from live.manage.model_status import ModelProgress
from live.process.engine_kind import EngineKind
from live.process.frames import now
from live.process.messages import Go, SetParameter
from live.process.metrics import PictureMetrics, SoundMetrics
from live.show.parameter_table import MUTE, STRIP_PARAMETERS
from live.show.running_order import RunningOrder, WaitingCue
from live.show.show_file import Cue

AnySupervisor = EngineSupervisor[PictureMetrics] | EngineSupervisor[SoundMetrics]
_UNANSWERED = (ModelProgress.UNLOADED, ModelProgress.LOADING)


def model_of(cue: Cue, engine: EngineKind) -> str:
    """The model that this engine performs in this cue."""
    return str(cue.look if engine is EngineKind.PICTURE else cue.voice)


class CueScheduler:
    """Brings the cue that the running order waits for onto the stage."""

    def __init__(
        self,
        order: RunningOrder,
        picture: EngineSupervisor[PictureMetrics],
        sound: EngineSupervisor[SoundMetrics],
        log: ShowLog,
        debouncer: Debouncer,
    ) -> None:
        self._order = order
        self._picture = picture
        self._sound = sound
        self._engines = (picture, sound)
        self._log = log
        self._debouncer = debouncer
        self._parameters: dict[str, float] = {}
        self.muted = False
        """The loudspeaker, as was asked for last."""

    def request(self, index: int, *, automatic: bool = False) -> None:
        """Fire this cue as soon as its models are loaded. automatic: it follows the cue before it by `follow_s`."""
        if self._order.request(index, now(), automatic=automatic):
            self.clear_refusal(index)
            self.advance()

    def clear_refusal(self, index: int) -> None:
        """Have the refused models of this cue loaded again: their files may be good by now."""
        for engine in self._engines:
            engine.clear_refusal(model_of(self._order.cue(index), engine.kind))

    def advance(self) -> None:
        """Do everything that is possible now: load models, fire the waiting cue, have engines catch up."""
        self._load()
        while self._order.waiting is not None and self._fire_if_ready(self._order.waiting):
            self._load()
        for engine in self._engines:
            engine.catch_up()
        self._load()

    def set_parameter(self, name: str, value: float) -> None:
        """Set a parameter of either engine. It lasts until the next cue; those of the channel strip last."""
        self._parameters[name] = value
        if name == MUTE:
            self.muted = value != 0
        for engine in self._engines:
            if EngineKind.of_parameter(name) is engine.kind:
                engine.send(SetParameter(name, value))

    def resend_parameters(self, engine: AnySupervisor) -> None:
        """Send the parameters to an engine that was restarted since they were set."""
        for name, value in self._parameters.items():
            if EngineKind.of_parameter(name) is engine.kind:
                engine.send(SetParameter(name, value))

    def _load(self) -> None:
        """Load what is needed now, then the next cue, then the others one by one while they fit into the budget."""
        for engine in self._engines:
            urgent = [] if engine.target is None else [engine.target.model]
            if self._order.waiting is not None:
                urgent.append(model_of(self._order.cue(self._order.waiting.index), engine.kind))
            following = [model_of(cue, engine.kind) for cue in self._order.from_standby()]
            keep = {*urgent, *following[:1]}
            for model in urgent:
                engine.ensure_loaded(model, keep)
            if not engine.was_on_stage or engine.busy:
                continue  # nothing may delay the first picture or what is needed now
            for at, model in enumerate(following):
                if engine.status(model).progress is ModelProgress.UNLOADED and (at == 0 or engine.has_room_for(model)):
                    engine.ensure_loaded(model, keep)
                    break

    def _fire_if_ready(self, waiting: WaitingCue) -> bool:
        """Fire the waiting cue, or skip it when all its models are refused. False while an answer is missing."""
        cue = self._order.cue(waiting.index)
        up = [engine for engine in self._engines if engine.up]
        answers = {engine.kind: engine.status(model_of(cue, engine.kind)) for engine in up}
        if not up or any(answer.progress in _UNANSWERED for answer in answers.values()):
            return False
        self._order.waiting = None
        for engine in up:
            answer = answers[engine.kind]
            if answer.progress is ModelProgress.REFUSED:
                refusal = f"the {engine.kind.model_kind} is refused, the old one plays on: {answer.why}"
                self._log.add_note(f'cue "{cue.name}": {refusal}')
        if all(answer.progress is ModelProgress.REFUSED for answer in answers.values()):
            self._order.skip(waiting)
            return True
        for engine in self._engines:
            if engine not in up or answers[engine.kind].progress is ModelProgress.READY:
                engine.target = Go(
                    waiting.index,
                    model_of(cue, engine.kind),
                    cue.transition_s,
                    self._parameters_of(engine, cue),
                    cue.frame,
                )
        self._parameters = {name: value for name, value in self._parameters.items() if name in STRIP_PARAMETERS}
        self._record_fired(waiting, cue)
        return True

    def _record_fired(self, waiting: WaitingCue, cue: Cue) -> None:
        at = now()
        self.muted = cue.set.get(MUTE, self.muted) != 0
        self._log.add_switch(cue.name, waiting.index, at - waiting.requested_at)
        self._order.mark_fired(waiting.index, at)
        if waiting.automatic:
            self._debouncer.record("go")  # a press that comes now was meant for the cue that has just been fired

    def _parameters_of(self, engine: AnySupervisor, cue: Cue) -> dict[str, float]:
        return {name: value for name, value in cue.set.items() if EngineKind.of_parameter(name) is engine.kind}
