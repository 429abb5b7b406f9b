"""Immutable snapshots of the StageManager's state, for screens, remote controls and tests.

Taken under the StageManager's lock, read in any thread.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic

from live.manage.cue_scheduler import model_of
from live.manage.engine_supervisor import EngineSupervisor, MetricsT
from live.manage.event_log import FaultState, NoteState, ShowLog
from live.manage.health import Health
from live.manage.model_status import ModelProgress, ModelStatus
from live.manage.sync import SyncState
from live.process.engine_kind import EngineKind
from live.process.metrics import PictureMetrics, SoundMetrics
from live.show.running_order import RunningOrder
from live.show.show_file import Cue


@dataclass(frozen=True)
class CueState:
    """One line of the cue list. status, why: of the less ready of its two models."""

    index: int
    name: str
    look: str | Path
    voice: str | Path
    transition_s: float
    follow_s: float | None
    status: ModelProgress
    why: str


@dataclass(frozen=True)
class EngineState(Generic[MetricsT]):
    """One engine, as screens show it."""

    kind: EngineKind
    health: Health
    heartbeat_age_s: float | None
    restarts: int
    metrics: MetricsT


@dataclass(frozen=True)
class StageState:
    """Everything that a screen shows, at one moment. on_stage, standby, waiting: indices of cues; `waiting` is the cue
    that was requested and whose models are loading."""

    show_name: str
    show_path: Path | None
    safe_picture: Path | None
    cues: tuple[CueState, ...]
    on_stage: int | None
    standby: int | None
    waiting: int | None
    panic: bool
    picture: EngineState[PictureMetrics]
    sound: EngineState[SoundMetrics]
    faults: tuple[FaultState, ...]
    notes: tuple[NoteState, ...]
    failure: str | None
    uptime_s: float
    sync: SyncState = field(default_factory=SyncState)
    hanging: tuple[str, ...] = ()
    """The threads of the operator's process that do not go on: "audience", "stage manager"."""


def snapshot(
    order: RunningOrder,
    log: ShowLog,
    picture: EngineSupervisor[PictureMetrics],
    sound: EngineSupervisor[SoundMetrics],
    *,
    panic: bool,
    failure: str | None,
    sync: SyncState,
    hanging: tuple[str, ...],
) -> StageState:
    """The state now."""
    show = order.show
    return StageState(
        show_name=show.name,
        show_path=show.path,
        safe_picture=show.safe_picture,
        cues=tuple(_cue_state(index, cue, picture, sound) for index, cue in enumerate(show.cues)),
        on_stage=order.on_stage,
        standby=order.standby,
        waiting=None if order.waiting is None else order.waiting.index,
        panic=panic,
        picture=_engine_state(picture),
        sound=_engine_state(sound),
        faults=log.faults(),
        notes=log.notes(),
        failure=failure,
        uptime_s=log.uptime_s,
        sync=sync,
        hanging=hanging,
    )


def _cue_state(
    index: int, cue: Cue, picture: EngineSupervisor[PictureMetrics], sound: EngineSupervisor[SoundMetrics]
) -> CueState:
    models = [engine.status(model_of(cue, engine.kind)) for engine in (picture, sound)]
    worst = _least_ready(models)
    return CueState(index, cue.name, cue.look, cue.voice, cue.transition_s, cue.follow_s, worst.progress, worst.why)


def _least_ready(models: list[ModelStatus]) -> ModelStatus:
    """The status of the least ready of a cue's models."""
    for progress in (ModelProgress.REFUSED, ModelProgress.LOADING, ModelProgress.UNLOADED):
        for model in models:
            if model.progress is progress:
                return model
    return ModelStatus(ModelProgress.READY)


def _engine_state(engine: EngineSupervisor[MetricsT]) -> EngineState[MetricsT]:
    return EngineState(engine.kind, engine.health, engine.heartbeat_age_s, engine.restarts, engine.metrics)
