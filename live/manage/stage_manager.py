"""Runs the show: starts and watches both engines, fires cues, and keeps the log.

Runs in the operator's process and knows no Qt. Its methods may be called from any thread and never wait for an engine
or a file, but for `start` and `stop`. One thread of its own handles the engines' events, has them restarted, fires the
cues that follow automatically, and calls subscribers. It and the audience's thread watch each other (OwnFaults).

Its parts are in files of their own, all under its one lock: RunningOrder (which cue is where), CueScheduler (brings a
cue onto the stage), EngineEvents (what the engines send), ShowLog (what happened), Debouncer (which presses count as
one), SyncControl (how long picture and sound wait for each other), ShowReader (reads a show again), snapshot (the state
for screens), and an EngineSupervisor for each engine.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from live.manage.audience import Audience
from live.manage.cue_scheduler import AnySupervisor, CueScheduler
from live.manage.debounce import PANIC_DEBOUNCE_S, Debouncer
from live.manage.engine_events import EngineEvents
from live.manage.engine_supervisor import EngineFault, EngineSupervisor
from live.manage.event_log import ShowLog
from live.manage.model_sizes import ModelSizes
from live.manage.own_faults import OwnFaults, hanging_threads, hung_fault
from live.manage.show_reader import ShowReader, reload_of
from live.manage.snapshot import StageState, snapshot
from live.manage.sync import Sync
from live.manage.sync_control import SyncControl
from live.manage.watched_loop import WatchedLoop
from live.process.engine_kind import EngineKind
from live.process.engine_process import EngineProcess
from live.process.error_text import error_text
from live.process.fork_server import ForkServerKilled, kill_forkserver
from live.process.frames import now
from live.process.messages import AudioChunk, Lock, MeasureNeutral, Panic, Stop
from live.process.metrics import PictureMetrics, SoundMetrics
from live.process.report import Report
from live.process.shared_frames import SharedFrames
from live.process.subscribers import Subscribers
from live.show.parameter_table import MUTE
from live.show.running_order import RunningOrder
from live.show.show_file import Cue, Show

MEMORY_BUDGET_BYTES = 600_000_000
STAGE_BYTES = 1920 * 1080 * 3
PREVIEW_BYTES = 854 * 480 * 3
PICTURE_ENGINE = "live.picture.engine:main"
SOUND_ENGINE = "live.sound.engine:main"

_TICK_S = 0.1
_START_GRACE_S = 0.5
_STOP_LOOP_S = 3.0
_STOOD_STILL_S = 1.0
"""A tenth of a second's sleep that took so much longer: nothing ran on this machine."""


class StageManager:
    """Create one, `start` it, `stop` it. For its threads see the module's docstring."""

    def __init__(
        self,
        show: Show,
        picture_settings: object,
        sound_settings: object,
        *,
        first_cue: int = 0,
        memory_budget_bytes: int = MEMORY_BUDGET_BYTES,
        picture_engine: str = PICTURE_ENGINE,
        sound_engine: str = SOUND_ENGINE,
        stage_bytes: int = STAGE_BYTES,
        preview_bytes: int = PREVIEW_BYTES,
        sync_offset_s: float = 0.0,
    ) -> None:
        """
        Args:
            picture_settings, sound_settings: pickled to the engines unchanged.
            first_cue: fired as soon as its models are ready.
            memory_budget_bytes: for each engine's loaded models.
            picture_engine, sound_engine: "module:function".
            stage_bytes, preview_bytes: of the largest picture that crosses to this process.
            sync_offset_s: see Sync.
        """
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._stopping = False
        self._first_cue = first_cue
        self._order = RunningOrder(show, first_cue)
        self._log = ShowLog()
        self._debouncer = Debouncer()
        self.stage_frames = SharedFrames.create(stage_bytes, readers=2)
        self.preview_frames = SharedFrames.create(preview_bytes)
        self._own_faults = OwnFaults(self._wake.set)
        failed = partial(self._own_faults.add_error, "stage manager")
        self._loop = WatchedLoop("stage-manager", self._turn, failed)
        told = partial(self._own_faults.add_error, "audience")
        self.audience = Audience(self.stage_frames, show.safe_picture, told, self._watch_own_loop)

        def picture() -> EngineProcess:
            handles = (self.stage_frames.new_writer(), self.preview_frames.new_writer())
            return EngineProcess(EngineKind.PICTURE, picture_engine, (picture_settings, *handles), self._wake.set)

        def sound() -> EngineProcess:
            return EngineProcess(EngineKind.SOUND, sound_engine, (sound_settings,), self._wake.set)

        self._sizes = ModelSizes()
        self._sizes.read(show.cues)
        size_of = self._sizes.of
        self._picture = EngineSupervisor(EngineKind.PICTURE, PictureMetrics(), picture, memory_budget_bytes, size_of)
        self._sound = EngineSupervisor(EngineKind.SOUND, SoundMetrics(), sound, memory_budget_bytes, size_of)
        self._engines: tuple[AnySupervisor, ...] = (self._picture, self._sound)
        self._sync = SyncControl(Sync(show.sync, sync_offset_s), self._picture, self._sound)
        self._events = EngineEvents(self._log, self._sync, self.audience, self._advance, failed)
        self._show_reader = ShowReader(self._use_read_show, self.note)
        self._scheduler = CueScheduler(self._order, self._picture, self._sound, self._log, self._debouncer)
        self._panic = False
        self._panic_since = 0.0
        self._subscribers: Subscribers[[]] = Subscribers(failed)
        self._changed = True

    # ---- start and stop

    def start(self) -> None:
        """Start the engines, and fire the first cue when it is ready; returns at once."""
        self._log.start()
        self._order.request(self._first_cue, now())
        self.audience.start()
        self._loop.start()

    def stop(self, timeout_s: float = 3.0) -> None:
        """End both engines, take their reports and remove the shared memory. A second call does nothing. Whatever
        hangs is killed or left behind, so that this ends a few seconds after `timeout_s`.
        Readers of stage_frames and preview_frames must have ended before, apart from the audience, which ends here.
        """
        with self._lock:
            if self._stopping:
                return
            self._stopping = self._events.stopping = True
        self._wake.set()
        self._loop.stop(_STOP_LOOP_S)
        if not all(engine.join_start(_START_GRACE_S) for engine in self._engines):
            kill_forkserver()  # it is still importing, or hangs, and the threads wait for it
            for engine in self._engines:
                engine.join_start(_STOP_LOOP_S)
        until = now() + timeout_s
        for engine in self._engines:
            engine.send(Stop())
        for engine in self._engines:
            if engine.process.pid is not None and not engine.process.stop(max(until - now(), 0.1)):
                self._note(f"the {engine.name} engine did not end and was killed")
            self._events.take(engine)
        self._events.pass_on_sound()
        self._show_reader.join()
        self.audience.stop()
        for frames in (self.stage_frames, self.preview_frames):
            frames.close()
            frames.unlink()

    # ---- the operator

    def go(self) -> bool:
        """Fire the standby cue. False when there is none or this counts as a double press."""
        with self._lock:
            if self._debouncer.is_double("go"):
                return False
            if self._order.standby is None:
                self._note("there is no next cue")
                return False
            self._request(self._order.standby)
            return True

    def back(self) -> bool:
        """Fire the cue before the one on stage. False when there is none or this counts as a double press."""
        with self._lock:
            if self._debouncer.is_double("back") or not self._order.on_stage:
                return False
            self._request(self._order.on_stage - 1)
            return True

    def go_to(self, index: int) -> bool:
        """Fire this cue. False when there is none or this counts as a double press."""
        with self._lock:
            if not self._order.has(index) or self._debouncer.is_double(f"go to {index}"):
                return False
            self._request(index)
            return True

    def standby(self, index: int) -> bool:
        """Make this cue the standby cue. False when there is no such cue."""
        with self._lock:
            if not self._order.has(index):
                return False
            self._order.standby = index
            self._scheduler.clear_refusal(index)
            self._advance()
            return True

    def add_cue(self, cue: Cue) -> int:
        """Append a cue to the show in memory, and prepare its models like any other cue's. The show's file is not
        changed: when the show is reloaded the cue is gone, which a note says.

        The name gets a number if it is taken. Returns the cue's index.
        """
        self._sizes.read_soon(cue)
        with self._lock:
            index = self._order.add(cue)
            name = self._order.cue(index).name
            self._note(f'cue "{name}" was added; it is not in the show\'s file and goes when that is read again')
            self._advance()
            return index

    def panic(self) -> None:
        """Show the safe picture and play silence, at once, until `release`."""
        self.audience.panic(True)  # whoever holds the lock
        with self._lock:
            self._debouncer.record("panic")
            self._set_panic(True)

    def release(self) -> None:
        """End the panic: the cue on stage performs again."""
        self._set_panic(False)

    def toggle_panic(self) -> bool:
        """Panic or release, for a control with one button. Panic is never refused. Release is refused, and the result
        is False, until the button has not been pressed for PANIC_DEBOUNCE_S."""
        if not self._panic:
            self.audience.panic(True)  # whoever holds the lock
        with self._lock:
            repeated = self._debouncer.is_double("panic", PANIC_DEBOUNCE_S)
            if not self._panic:
                self._set_panic(True)
            elif repeated:
                return False
            else:
                self._set_panic(False)
            return True

    def set_parameter(self, name: str, value: float) -> None:
        """Set "picture/..." or "sound/...". Those of the channel strip last, the others until the next cue."""
        with self._lock:
            self._scheduler.set_parameter(name, value)

    def toggle_mute(self) -> None:
        """Mute the loudspeaker, or have it heard again; lasts through cues."""
        with self._lock:
            self._scheduler.set_parameter(MUTE, 0.0 if self._scheduler.muted else 1.0)

    def lock_performer(self, x: float, y: float) -> None:
        """Follow the face nearest to this point of the preview, in fractions of its width and height."""
        self._picture.send(Lock(x, y))

    def measure_neutral(self) -> None:
        """Measure the performer's neutral face anew; a profile that was wrong is not used again, whatever restarts."""
        self._picture.send_lasting(MeasureNeutral())

    def begin_reload(self, path: str | Path | None = None) -> bool:
        """Have the show read again, or another one. A note tells the result; a bad file leaves the old show on. False
        while one is being read already."""
        with self._lock:
            return not self._stopping and self._show_reader.begin(path or self._order.show.path)

    def note(self, text: str) -> None:
        """Add a sentence for the operator and for the report's warnings."""
        with self._lock:
            self._log.add_note(text)
            self._notify()

    def add_fault(self, where: str, what: str) -> None:
        """Note that something of the operator's own failed and is being recovered. Never waits for the lock."""
        self._own_faults.add(EngineFault(now(), where, what))

    def end_fault(self, where: str) -> None:
        """The newest lasting fault at `where` is over."""
        with self._lock:
            self._log_own_faults()
            self._log.mark_recovered(where)
            self._notify()

    # ---- state and subscribers

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` after every change of the state, in the StageManager's thread; it must not wait. Returns a
        function that ends the subscription."""
        return self._subscribers.add(callback)

    def subscribe_audio(self, callback: Callable[[AudioChunk], None]) -> Callable[[], None]:
        """Call `callback` with all sound that the loudspeaker plays, in the StageManager's thread; it must not wait. It
        is called only if the sound's settings say `recorded`. Returns a function that ends the subscription."""
        return self._events.audio.add(callback)

    @property
    def show(self) -> Show:
        return self._order.show

    @property
    def failure(self) -> str | None:
        """Why the show cannot go on at all (a bad source at its start), or None."""
        return self._events.failure

    @property
    def state(self) -> StageState:
        """A snapshot of the state. Whoever asks for it watches over the threads, which may hang both."""
        self._own_faults.add(self.audience.watch())
        self._watch_own_loop()
        with self._lock:
            self._log_own_faults()
            return snapshot(
                self._order,
                self._log,
                self._picture,
                self._sound,
                panic=self._panic,
                failure=self._events.failure,
                sync=self._sync.state(),
                hanging=hanging_threads(audience=self.audience, stage_manager=self._loop),
            )

    def report(self) -> Report:
        """The report of the performance. It has the engines' parts after `stop`."""
        with self._lock:
            self._log_own_faults()
            return self._log.report(self._picture, self._sound, self.audience.metrics(), self._sync.report())

    # ---- under the lock

    def _request(self, index: int, *, automatic: bool = False) -> None:
        self._scheduler.request(index, automatic=automatic)
        self._notify()

    def _advance(self) -> None:
        self._scheduler.advance()
        self._notify()

    def _notify(self) -> None:
        """Have the subscribers called soon, in the StageManager's thread."""
        self._changed = True
        self._wake.set()

    def _set_panic(self, on: bool) -> None:
        with self._lock:
            if on == self._panic:
                return
            self._panic = on
            self.audience.panic(on)
            if on:
                self._panic_since = now()
            else:
                self._order.postpone_follow(now() - self._panic_since)
            for engine in self._engines:
                engine.send_lasting(Panic(on), lasts=on)
            self._notify()

    def _use_read_show(self, show: Show) -> None:
        """Use a show that was read, unless the old one has ended meanwhile. In the thread that read it."""
        self._sizes.read(show.cues)
        with self._lock:
            if self._stopping:
                return
            self._use_show(show)
            self._note(f'the show "{show.name}" was reloaded')
            self._advance()

    def _use_show(self, show: Show) -> None:
        """Replace the show. What performs goes on until the next cue, but for bypass that the cue does not say now."""
        self._order.replace_show(show)
        self.audience.set_safe_picture(show.safe_picture)
        self._sync.set_enabled(show.sync)
        for engine in self._engines:
            engine.send_lasting(reload_of(show))
            performing = None if engine.target is None else engine.target.model
            for model in engine.models.keys() - {performing, engine.kind.safe_model}:  # its file may have changed
                engine.forget(model)
        self._scheduler.leave_bypass_after_reload()

    # ---- the StageManager's thread

    def _turn(self) -> None:
        self._own_faults.add(self.audience.watch())
        with self._lock:
            self._tick()
            changed, self._changed = self._changed, False
        self._events.pass_on_sound()
        if changed:
            self._subscribers.call()
        self._sleep()

    def _sleep(self) -> None:
        sleep_s, began = self._sleep_s(), now()
        self._wake.wait(sleep_s)
        self._wake.clear()
        if (still_s := now() - began - sleep_s) > _STOOD_STILL_S:
            self.note(f"the machine stood still for {still_s:.1f} s; the show goes on")

    def _watch_own_loop(self) -> None:
        """In another thread. Never under the lock, which the thread that hangs may hold."""
        self._own_faults.add(hung_fault("stage manager", self._loop, self._subscribers, self._events.audio))

    def _log_own_faults(self) -> None:
        self._changed = self._own_faults.move_to(self._log) or self._changed

    def _sleep_s(self) -> float:
        follow_at = self._order.follow_at
        if follow_at is None or self._panic:
            return _TICK_S
        return min(max(follow_at - now(), 0.0), _TICK_S)

    def _start_ended(self, engine: AnySupervisor, error: Exception | None) -> None:
        """In the thread that has started the engine's process, or has tried to."""
        with self._lock:
            engine.start_ended()
            if self._stopping or isinstance(error, ForkServerKilled):
                return
            if error is not None:
                self._engine_failed(engine, f"cannot be started: {error_text(error)}")
                return
            engine.started()
            self._scheduler.resend_parameters(engine)
            self._sync.on_engine_started(engine)
            self._advance()

    def _tick(self) -> None:
        self._log_own_faults()
        for engine in self._engines:
            if engine.should_restart and not self._stopping:
                engine.start_soon(partial(self._start_ended, engine))
            engine.watch_start()
            self._take_events(engine)
            problem = engine.diagnose()
            if problem is not None:
                self._take_events(engine)
                self._engine_failed(engine, problem)
            if engine.try_again():
                self._advance()
        self._scheduler.leave_bypass_in_time()
        if not self._panic and self._order.take_due_follow(now()) and self._order.standby is not None:
            self._request(self._order.standby, automatic=True)

    def _engine_failed(self, engine: AnySupervisor, what: str) -> None:
        if self._events.fail(engine, what):
            self._notify()

    def _take_events(self, engine: AnySupervisor) -> None:
        if self._events.take(engine):
            self._changed = True

    def _note(self, text: str) -> None:
        self._log.add_note(text)
        self._changed = True
