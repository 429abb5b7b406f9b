"""Brings cues onto the stage: has their models loaded and sends each engine its Go.

A requested cue waits until every engine that is up has answered for its model; then each engine is sent its Go. So a
cue whose models are loaded is on stage with the next frame; while the models of a cue load, the old cue plays on. An
engine that was down catches up with the cue on stage when it is back.

Where a model is refused the old one plays on, but for `bypass`: whoever leaves it is never left on it. Then the safe
picture is shown and silence played until a model can be had. So it is when the models of such a cue take longer than
LONGEST_ON_BYPASS_S, and when the model that performs is refused since: it has ended its engine twice, or its file is
gone when the engine is back.

Runs in any thread that calls the StageManager, under its lock; never waits.
"""

from __future__ import annotations

from live.manage.debounce import Debouncer
from live.manage.engine_supervisor import EngineSupervisor
from live.manage.event_log import ShowLog
from live.manage.model_status import ModelProgress
from live.process.engine_kind import RAW, EngineKind
from live.process.frames import now
from live.process.messages import Go, SetParameter
from live.process.metrics import PictureMetrics, SoundMetrics
from live.show.parameter_table import MUTE, STRIP_PARAMETERS
from live.show.running_order import RunningOrder, WaitingCue
from live.show.show_file import Cue

AnySupervisor = EngineSupervisor[PictureMetrics] | EngineSupervisor[SoundMetrics]
LONGEST_ON_BYPASS_S = 10.0
"""How long `bypass` plays on at most while the models of the cue that was asked for load."""
_UNANSWERED = (ModelProgress.UNLOADED, ModelProgress.LOADING)


def model_of(cue: Cue, engine: EngineKind) -> str:
    """The model that this engine performs in this cue."""
    return str(cue.look if engine is EngineKind.PICTURE else cue.voice)


_INSTEAD = {EngineKind.PICTURE: "the safe picture is shown", EngineKind.SOUND: "silence is played"}


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
            if not automatic:
                self._allow_again(index)
            self.advance()

    def _allow_again(self, index: int) -> None:
        for engine in self._engines:
            engine.allow_again(model_of(self._order.cue(index), engine.kind))

    def clear_refusal(self, index: int) -> None:
        """Have the refused models of this cue loaded again: their files may be good by now."""
        for engine in self._engines:
            engine.clear_refusal(model_of(self._order.cue(index), engine.kind))

    def advance(self) -> None:
        """Do everything that is possible now: load models, fire the waiting cue, have engines catch up."""
        self._leave_refused_models()
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
            urgent = self._urgent(engine)
            following = [
                model
                for model in (model_of(cue, engine.kind) for cue in self._order.from_standby())
                if not engine.is_suspect(model)
            ]
            keep = {*urgent, *following[:1]}
            for model in urgent:
                engine.ensure_loaded(model, keep)
            if not engine.was_on_stage or engine.busy:
                continue  # nothing may delay the first picture or what is needed now
            for at, model in enumerate(following):
                if engine.status(model).progress is ModelProgress.UNLOADED and (at == 0 or engine.has_room_for(model)):
                    engine.ensure_loaded(model, keep)
                    break

    def _urgent(self, engine: AnySupervisor) -> list[str]:
        """The models that are needed now, what is waited for before what may have ended the engine."""
        urgent = []
        if self._order.waiting is not None:
            urgent.append(model_of(self._order.cue(self._order.waiting.index), engine.kind))
        target = engine.target
        if target is not None and not (urgent and engine.is_suspect(target.model)):
            urgent.append(target.model)
        if RAW in urgent:
            urgent.insert(0, engine.kind.safe_model)  # at hand when bypass must be left at once
        return urgent

    def _leave_refused_models(self) -> None:
        for engine in self._engines:
            target = engine.target
            if target is None or target.model == engine.kind.safe_model:
                continue
            status = engine.status(target.model)
            if status.progress is ModelProgress.REFUSED:
                self._play_safe(engine, target.cue_index)
                name = self._order.name_of(self._order.on_stage)
                self._note_refusal(name or "", engine, _INSTEAD[engine.kind], status.why)

    def _play_safe(self, engine: AnySupervisor, index: int) -> None:
        engine.put_on_stage(Go(index, engine.kind.safe_model))

    def _note_refusal(self, cue: str, engine: AnySupervisor, instead: str, why: str) -> None:
        self._log.add_note(f'cue "{cue}": the {engine.kind.model_kind} is refused, {instead}: {why}')

    def leave_bypass_in_time(self) -> None:
        """Call it again and again: `bypass` has played on long enough while the models of the waiting cue load."""
        waiting = self._order.waiting
        if waiting is None or now() - waiting.requested_at < LONGEST_ON_BYPASS_S:
            return
        for engine in self._leaving_bypass(self._order.cue(waiting.index)):
            self._play_safe(engine, waiting.index)
            name = self._order.name_of(waiting.index)
            self._log.add_note(f'cue "{name}": its models still load; until then {_INSTEAD[engine.kind]}')

    def leave_bypass_after_reload(self) -> None:
        """The show was read again: whoever performs `bypass` where the cue on stage does not say so any more, or is
        gone, plays safe at once, and then what the cue says as soon as it is loaded."""
        index = self._order.on_stage
        cue = None if index is None else self._order.cue(index)
        for engine in self._leaving_bypass(cue):
            self._play_safe(engine, -1 if index is None else index)
            self._log.add_note(f"{_INSTEAD[engine.kind]}: the cue on stage does not say bypass any more")
            if index is not None and cue is not None:
                engine.target = Go(
                    index, model_of(cue, engine.kind), cue.transition_s, self._parameters_of(engine, cue), cue.frame
                )

    def _leaving_bypass(self, cue: Cue | None) -> list[AnySupervisor]:
        """The engines that perform `bypass` and must not in this cue."""
        return [
            engine
            for engine in self._engines
            if engine.target is not None
            and engine.target.model == RAW
            and (cue is None or model_of(cue, engine.kind) != RAW)
        ]

    def _fire_if_ready(self, waiting: WaitingCue) -> bool:
        """Fire the waiting cue, or skip it when all its models are refused. False while an answer is missing."""
        cue = self._order.cue(waiting.index)
        up = [engine for engine in self._engines if engine.up]
        answers = {engine.kind: engine.status(model_of(cue, engine.kind)) for engine in up}
        if not up or any(answer.progress in _UNANSWERED for answer in answers.values()):
            return False
        self._order.waiting = None
        leaving = self._leaving_bypass(cue)
        refused = [engine for engine in up if answers[engine.kind].progress is ModelProgress.REFUSED]
        for engine in refused:
            plays_on = engine.target is not None and engine not in leaving and engine.target is engine.performing
            instead = "the old one plays on" if plays_on else _INSTEAD[engine.kind]
            self._note_refusal(cue.name, engine, instead, answers[engine.kind].why)
        if refused == up and not leaving:
            self._order.skip(waiting)
            return True
        for engine in self._engines:
            if engine in refused and engine in leaving:
                self._play_safe(engine, waiting.index)
            elif engine not in refused:
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
