"""Immutable snapshots of the StageManager's state, for screens, remote controls and tests.

Taken under the StageManager's lock, read in any thread.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from live.manage.cue_scheduler import model_of
from live.manage.engine_supervisor import EngineSupervisor, ModelStatus, Status
from live.manage.event_log import FaultState, NoteState, ShowLog
from live.manage.sync import SyncState
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
    status: Status
    why: str


@dataclass(frozen=True)
class EngineState:
    """health: "starting", "performing", "restarting", "ended"."""

    name: str
    health: str
    heartbeat_age_s: float | None
    restarts: int
    metrics: dict[str, Any]


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
    picture: EngineState
    sound: EngineState
    faults: tuple[FaultState, ...]
    notes: tuple[NoteState, ...]
    failure: str | None
    uptime_s: float
    sync: SyncState = field(default_factory=SyncState)


def snapshot(
    order: RunningOrder,
    log: ShowLog,
    picture: EngineSupervisor,
    sound: EngineSupervisor,
    *,
    panic: bool,
    failure: str | None,
    sync: SyncState,
) -> StageState:
    """The state now."""
    show = order.show
    return StageState(
        show_name=show.name,
        show_path=show.path,
        safe_picture=show.safe_picture,
        cues=tuple(_cue_state(index, cue, (picture, sound)) for index, cue in enumerate(show.cues)),
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
    )


def _cue_state(index: int, cue: Cue, engines: tuple[EngineSupervisor, ...]) -> CueState:
    status = _worst_status([engine.status(model_of(cue, engine)) for engine in engines])
    return CueState(index, cue.name, cue.look, cue.voice, cue.transition_s, cue.follow_s, status.status, status.why)


def _worst_status(models: list[ModelStatus]) -> ModelStatus:
    """The status of the least ready of a cue's models."""
    for status in ("refused", "loading", "unloaded"):
        for model in models:
            if model.status == status:
                return model
    return ModelStatus("ready")


def _engine_state(engine: EngineSupervisor) -> EngineState:
    return EngineState(engine.name, engine.health, engine.heartbeat_age_s, engine.restarts, engine.metrics)
