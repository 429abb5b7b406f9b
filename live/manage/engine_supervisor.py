"""One engine as the StageManager sees it: its process, its models, what it performs, and its restarts.

Lives in the operator's process, in the StageManager's thread and under its lock, apart from `start`, which
takes time. It decides nothing about cues.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from live.process.engine_process import EngineProcess
from live.process.fork_server import ForkServerKilled
from live.process.frames import now
from live.process.messages import Command, Event, Fault, Finished, Forget, Go, Heartbeat, Prepare, Ready, Refused

SILENT_S = 1.0
"""Without a heartbeat for this long an engine hangs."""
STARTING_S = 20.0
"""What an engine gets until its first heartbeat: a graphics driver may take its time."""
SHORT_LIFE_S = 5.0
"""An engine that dies younger than this is restarted later and later."""
LONGEST_PAUSE_S = 5.0

Status = Literal["unloaded", "loading", "ready", "refused"]


@dataclass(frozen=True)
class ModelStatus:
    status: Status = "unloaded"
    why: str = ""


@dataclass
class EngineFault:
    """One line of the report's faults; times by now()."""

    at: float
    where: str
    what: str
    recovered_after_s: float | None = None


class EngineSupervisor:
    """Restarts are asked for by `diagnose` and done by `start`."""

    def __init__(
        self,
        name: str,
        kind: Literal["look", "voice"],
        make: Callable[[], EngineProcess],
        budget_bytes: int,
        size_of: Callable[[str], int],
    ) -> None:
        """
        Args:
            kind: what its models are called in Prepare.
            make: a fresh process, not started.
            budget_bytes: for its loaded models together.
            size_of: what a model takes when loaded, in bytes.
        """
        self.name = name
        self.kind: Literal["look", "voice"] = kind
        self._make = make
        self._budget_bytes = budget_bytes
        self._size_of = size_of
        self.process = make()
        self.up = False
        self.finished = False
        """It ended by itself, and not because it was asked to: it will not be restarted."""
        self.restarts = 0
        self.metrics: dict[str, Any] = {}
        self.report: dict[str, Any] | None = None
        self.models: OrderedDict[str, ModelStatus] = OrderedDict()
        self.target: Go | None = None
        self.performing: Go | None = None
        self.was_on_stage = False
        self.fault: EngineFault | None = None
        """What the present restart is to mend."""
        self._started_at = now()
        self._failures = 0
        self._restart_at = 0.0
        self._last_error = ""

    # ---- its process

    def start(self) -> None:
        """Start it, or start it again. Takes until the fork server has imported; the StageManager's thread,
        no lock."""
        if self.process.pid is not None:
            self.process.kill()
            self.process = self._make()
            self.restarts += 1
        try:
            self.process.start()
        except ForkServerKilled:
            self.finished = True  # the show ends while it was starting: no fault, and no restart
            raise

    def started(self) -> None:
        self.models.clear()
        self.performing = None
        if self.target is not None:
            self.target = replace(self.target, transition_s=0.0)
        self._last_error = ""
        self._started_at = now()
        self.up = True

    def failed(self) -> float:
        """It is down: when to begin again, by now()."""
        self.up = False
        self._failures = self._failures + 1 if now() - self._started_at < SHORT_LIFE_S else 0
        pause_s = 0.0 if self._failures < 3 else min(0.125 * 2.0**self._failures, LONGEST_PAUSE_S)
        self._restart_at = now() + pause_s
        return self._restart_at

    @property
    def should_restart(self) -> bool:
        """Down, and the time has come to begin again."""
        return not self.up and not self.finished and now() >= self._restart_at

    def diagnose(self, late_s: float) -> str | None:
        """What is wrong with it now, or None.

        late_s: by how much our own thread was late: a machine that stood still is no engine's fault.
        """
        if not self.up or self.finished:
            return None
        if not self.process.alive:
            return self._last_error or "died"
        beat = self.process.last_heartbeat
        silent_s = now() - (self._started_at if beat is None else beat) - late_s
        if silent_s > (STARTING_S if beat is None else SILENT_S):
            return f"no heartbeat for {silent_s:.1f} s"
        return None

    @property
    def health(self) -> str:
        if self.finished:
            return "ended"
        if not self.up:
            return "restarting" if self.restarts or self.fault else "starting"
        return "starting" if self.process.last_heartbeat is None else "performing"

    @property
    def heartbeat_age_s(self) -> float | None:
        beat = self.process.last_heartbeat
        return None if beat is None else now() - beat

    def send(self, command: Command) -> None:
        if self.up:
            self.process.send(command)

    def events(self) -> list[Event]:
        """New events; those about models and figures are noted here already."""
        events = self.process.events()
        for event in events:
            if isinstance(event, Heartbeat):
                self.metrics = event.metrics
            elif isinstance(event, Ready):
                self._set_status(event.model, ModelStatus("ready"))
            elif isinstance(event, Refused):
                self._set_status(event.model, ModelStatus("refused", event.why))
            elif isinstance(event, Finished):
                self.report = event.report
            elif isinstance(event, Fault) and event.where == "engine":
                self._last_error = event.what
        return events

    # ---- its models

    def status(self, key: str) -> ModelStatus:
        return self.models.get(key, ModelStatus())

    def _set_status(self, key: str, status: ModelStatus) -> None:
        if key in self.models:
            self.models[key] = status

    @property
    def busy(self) -> bool:
        return any(model.status == "loading" for model in self.models.values())

    def ensure_loaded(self, key: str, keep: set[str]) -> None:
        """Have a model loaded if it is not; to make room, the least recently used go, but none of `keep`."""
        if not self.up or self.status(key).status != "unloaded":
            return
        for other in list(self.models):
            if self._loaded_bytes() + self._size_of(key) <= self._budget_bytes:
                break
            if other not in keep and self.models[other].status == "ready":
                self.forget(other)
        self.models[key] = ModelStatus("loading")
        self.send(Prepare(key))

    def has_room_for(self, key: str) -> bool:
        return self._loaded_bytes() + self._size_of(key) <= self._budget_bytes

    def _loaded_bytes(self) -> int:
        return sum(self._size_of(key) for key, model in self.models.items() if model.status in ("ready", "loading"))

    def forget(self, key: str) -> None:
        if self.models.pop(key, None) is not None:
            self.send(Forget(key))

    def clear_refusal(self, key: str) -> None:
        """Forget that it was refused: the file may be whole by now."""
        if self.status(key).status == "refused":
            del self.models[key]

    def catch_up(self) -> bool:
        """Perform the target if it is not what performs, as soon as its model is ready. True when sent."""
        target = self.target
        if not self.up or target is None or target is self.performing:
            return False
        if self.status(target.model).status != "ready":
            return False
        self.models.move_to_end(target.model)
        self.send(target)
        self.performing = target
        return True


def loaded_size(key: str) -> int:
    """A rough figure, in bytes, for a look's session on the CPU: fp16 weights of 27 MB (ngf 32) take about
    125 MB."""
    try:
        return int(Path(key).stat().st_size * 4.6) if key.endswith(".onnx") else 0
    except OSError:
        return 0
