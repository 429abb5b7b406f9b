"""Supervises one engine: its process and restarts, its loaded models, and what it performs.

Runs in the operator's process under the StageManager's lock, apart from `start`, which takes time and runs in a thread
of its own. Decides nothing about cues.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from live.manage.fatal_models import FatalModels
from live.manage.health import Health
from live.manage.model_status import ModelProgress, ModelStatus
from live.process.engine_kind import EngineKind
from live.process.engine_process import EngineProcess
from live.process.fork_server import ForkServerKilled, expected_start_s, replace_forkserver
from live.process.frames import now
from live.process.messages import Command, Event, Fault, Finished, Forget, Go, Heartbeat, Prepare, Ready, Refused
from live.process.metrics import PictureMetrics, SoundMetrics
from live.process.report import EngineReport
from live.process.restart_pause import RestartPause
from live.process.silent_time import SilentTime

SILENT_S = 1.0
"""An engine without a heartbeat for this long is taken to hang."""
STARTING_S = 20.0
"""How long an engine has until its first heartbeat: a graphics driver may be slow to start."""

MetricsT = TypeVar("MetricsT", PictureMetrics, SoundMetrics)


@dataclass
class EngineFault:
    """One entry of the report's faults. `at` is by now()."""

    at: float
    where: str
    what: str
    recovered_after_s: float | None = None


class EngineSupervisor(Generic[MetricsT]):
    """`diagnose` says whether the engine must be restarted, `should_restart` when; `start` does it."""

    def __init__(
        self,
        kind: EngineKind,
        metrics: MetricsT,
        make: Callable[[], EngineProcess],
        budget_bytes: int,
        size_of: Callable[[str], int],
    ) -> None:
        """
        Args:
            kind: which engine.
            metrics: those of nothing measured.
            make: returns a new process, not started.
            budget_bytes: for all its loaded models.
            size_of: the bytes that a model takes when it is loaded.
        """
        self.kind = kind
        self._make = make
        self._budget_bytes = budget_bytes
        self._size_of = size_of
        self.process = make()
        self.up = False
        self.finished = False
        """It ended for a reason that a restart would not change: it is not restarted."""
        self.restarts = 0
        self.metrics: MetricsT = metrics
        """Those of the newest heartbeat."""
        self.report: EngineReport | None = None
        self.models: OrderedDict[str, ModelStatus] = OrderedDict()
        self.target: Go | None = None
        self.performing: Go | None = None
        self.was_on_stage = False
        self.fault: EngineFault | None = None
        """The fault that the present restart is to recover from."""
        self._started_at = now()
        self._pause = RestartPause()
        self._silent = SilentTime()
        self._restart_at = 0.0
        self._last_error = ""
        self._lasting: dict[type[Command], Command] = {}
        self._fatal_models = FatalModels()
        self._performing_since = 0.0
        self._start_thread: threading.Thread | None = None
        self._start_limit_at = 0.0

    # ---- the process

    @property
    def starting(self) -> bool:
        """A thread starts the process."""
        return self._start_thread is not None

    def start_soon(self, on_end: Callable[[Exception | None], None]) -> None:
        """Start the process, or restart it, in a thread of its own; `on_end` is called there, with what went wrong."""

        def run() -> None:
            error: Exception | None = None
            try:
                self._start()
            except Exception as raised:
                error = raised
            on_end(error)

        self._start_limit_at = now() + expected_start_s()
        self._start_thread = threading.Thread(target=run, name=f"{self.name}-start", daemon=True)
        self._start_thread.start()

    def start_ended(self) -> None:
        """`on_end` was called."""
        self._start_thread = None

    def watch_start(self) -> None:
        """A start that takes too long waits for a fork server that hangs: replace that, which ends the start."""
        if self.starting and now() > self._start_limit_at:
            self._start_limit_at = now() + expected_start_s()
            replace_forkserver()

    def join_start(self, timeout_s: float) -> bool:
        """Wait for the thread that starts the process; False when it still runs. Not under the lock."""
        thread = self._start_thread
        if thread is not None:
            thread.join(timeout_s)
        return thread is None or not thread.is_alive()

    def _start(self) -> None:
        """Takes until the fork server has imported.

        Raises:
            OSError, EOFError: as EngineProcess.start.
        """
        if self.process.pid is not None:
            self.process.kill()
            self.process = self._make()
            self.restarts += 1
        try:
            self.process.start()
        except ForkServerKilled:
            self.finished = True  # the show ended while the engine was starting: neither a fault nor a restart
            raise

    def started(self) -> None:
        """The process runs: forget the models of the one before; its target is performed without a transition."""
        self.models.clear()
        for model in self._fatal_models.refused:
            self.models[model] = ModelStatus(ModelProgress.REFUSED, f"it ended the {self.name} engine twice")
        self.performing = None
        self.was_on_stage = False
        if self.target is not None:
            self.target = replace(self.target, transition_s=0.0)
        self._last_error = ""
        self._started_at = now()
        self._silent.reset()
        self.up = True
        for command in self._lasting.values():
            self.send(command)

    def failed(self) -> None:
        """The process is down: decide when to restart it, and whom to suspect."""
        self.up = False
        self._fatal_models.record_end(
            None if self.performing is None or self.performing.model == self.kind.safe_model else self.performing.model,
            now() - self._performing_since,
            next((model for model, status in self.models.items() if status.progress is ModelProgress.LOADING), None),
        )
        self._restart_at = now() + self._pause.after(now() - self._started_at)

    @property
    def should_restart(self) -> bool:
        """The process is down, and the pause before its restart is over."""
        return not (self.up or self.finished or self.starting) and now() >= self._restart_at

    def diagnose(self) -> str | None:
        """Why the engine must be restarted now, or None. Call it ten times a second, after `events`: silence is counted
        by these calls, so that a machine that stood still is no engine's fault."""
        self._silent.tick()
        if not self.up or self.finished:
            return None
        if not self.process.alive:
            return self._last_error or "died"
        limit_s = STARTING_S if self.process.last_heartbeat is None else SILENT_S
        if self._silent.seconds > limit_s:
            return f"no heartbeat for {self._silent.seconds:.1f} s"
        return None

    @property
    def name(self) -> str:
        """ "picture" or "sound"."""
        return self.kind.value

    @property
    def health(self) -> Health:
        if self.finished:
            return Health.ENDED
        if not self.up:
            return Health.RESTARTING if self.restarts or self.fault else Health.STARTING
        return Health.STARTING if self.process.last_heartbeat is None else Health.PERFORMING

    @property
    def heartbeat_age_s(self) -> float | None:
        heartbeat_at = self.process.last_heartbeat
        return None if heartbeat_at is None else now() - heartbeat_at

    def send(self, command: Command) -> None:
        """Send a command; does nothing while the process is down."""
        if self.up:
            self.process.send(command)

    def send_lasting(self, command: Command, *, lasts: bool = True) -> None:
        """Send a command now, and the newest of its kind to each process that is started later, unless it ends that."""
        self._lasting[type(command)] = command
        if not lasts:
            del self._lasting[type(command)]
        self.send(command)

    def events(self) -> list[Event]:
        """The new events, after models, metrics and the report are updated from them; none while it is started, so that
        `started` comes first."""
        events = [] if self.starting else self.process.events()
        for event in events:
            if isinstance(event, Heartbeat):
                self._silent.reset()
            if isinstance(event, Heartbeat) and isinstance(event.metrics, type(self.metrics)):
                self.metrics = event.metrics
            elif isinstance(event, Ready):
                self._set_status(event.model, ModelStatus(ModelProgress.READY))
            elif isinstance(event, Refused):
                self._set_status(event.model, ModelStatus(ModelProgress.REFUSED, event.why))
            elif isinstance(event, Finished):
                self.report = event.report
            elif isinstance(event, Fault) and event.where == "engine":
                self._last_error = event.what
        return events

    # ---- the models

    def status(self, model: str) -> ModelStatus:
        return self.models.get(model, ModelStatus())

    def _set_status(self, model: str, status: ModelStatus) -> None:
        if model in self.models:
            self.models[model] = status

    @property
    def busy(self) -> bool:
        """A model is being loaded."""
        return any(status.progress is ModelProgress.LOADING for status in self.models.values())

    def ensure_loaded(self, model: str, keep: set[str]) -> None:
        """Have a model loaded unless it is. To make room the least recently used are unloaded, but none of `keep`."""
        if not self.up or self.status(model).progress is not ModelProgress.UNLOADED:
            return
        for other in list(self.models):
            if self._loaded_bytes() + self._size_of(model) <= self._budget_bytes:
                break
            if other not in keep and self.models[other].progress is ModelProgress.READY:
                self.forget(other)
        self.models[model] = ModelStatus(ModelProgress.LOADING)
        self.send(Prepare(model))

    def has_room_for(self, model: str) -> bool:
        """The model fits into the budget beside those that are loaded."""
        return self._loaded_bytes() + self._size_of(model) <= self._budget_bytes

    def _loaded_bytes(self) -> int:
        taking = (ModelProgress.READY, ModelProgress.LOADING)
        return sum(self._size_of(model) for model, status in self.models.items() if status.progress in taking)

    def forget(self, model: str) -> None:
        """Have a model unloaded."""
        if self.models.pop(model, None) is not None:
            self.send(Forget(model))

    def clear_refusal(self, model: str) -> None:
        """Let a refused model be loaded again: its file may be good by now."""
        if model in self._fatal_models.refused:
            return
        if self.status(model).progress is ModelProgress.REFUSED:
            del self.models[model]

    def allow_again(self, model: str) -> None:
        """Let a model that ended the engine twice be loaded once more."""
        self._fatal_models.allow(model)
        self.clear_refusal(model)

    def try_again(self) -> bool:
        """Let models that were refused for long enough be loaded once more; whether there was one."""
        expired = self._fatal_models.take_expired()
        for model in expired:
            self.clear_refusal(model)
        return bool(expired)

    def is_suspect(self, model: str) -> bool:
        """The engine ended with it before."""
        return self._fatal_models.is_suspect(model)

    def put_on_stage(self, go: Go) -> None:
        """Have a model perform as soon as it is loaded."""
        self.target = go
        self.catch_up()

    def catch_up(self) -> None:
        """Send the target if it does not perform yet and its model is ready."""
        target = self.target
        if not self.up or target is None or target is self.performing:
            return
        if self.status(target.model).progress is not ModelProgress.READY:
            return
        self.models.move_to_end(target.model)
        self._send_target(target)

    def _send_target(self, target: Go) -> None:
        self.send(target)
        self.performing = target
        self._performing_since = now()
