"""Applies the sync: takes both engines' latencies from their heartbeats, and sends the engines what has changed.

Used under the StageManager's lock.
"""

from __future__ import annotations

from live.manage.cue_scheduler import AnySupervisor
from live.manage.engine_supervisor import EngineSupervisor
from live.manage.sync import Sync, SyncState, SyncTargets
from live.process.engine_kind import EngineKind
from live.process.frames import now
from live.process.messages import SetParameter
from live.process.metrics import PictureMetrics, SoundMetrics


class SyncControl:
    """`enabled` of its Sync may be changed at any time."""

    def __init__(
        self, sync: Sync, picture: EngineSupervisor[PictureMetrics], sound: EngineSupervisor[SoundMetrics]
    ) -> None:
        self._sync = sync
        self._picture = picture
        self._sound = sound
        self._sent = dict.fromkeys(EngineKind, SyncTargets())
        """The targets that each engine was sent last."""

    def set_enabled(self, enabled: bool) -> None:
        """False: picture and sound are each as fast as they can."""
        self._sync.enabled = enabled

    def on_heartbeat(self, kind: EngineKind, seen_s: float | None) -> None:
        """An engine has sent new metrics. seen_s: the picture's median latency, capture to seen by the audience."""
        latency_ms = self._picture.metrics.latency_ms
        self._sync.update(now(), _seconds(self._sound.metrics.latency_ms), _seconds(latency_ms["p95"]))
        if kind is EngineKind.PICTURE:
            self._sync.measure(seen_s, _seconds(latency_ms["p50"]))
        self._send_to_both()

    def on_cue(self) -> None:
        """A cue is on stage."""
        self._sync.on_cue(now())
        self._send_to_both()

    def on_engine_started(self, engine: AnySupervisor) -> None:
        """A new process knows no targets."""
        self._sent[engine.kind] = SyncTargets()
        self._send(engine)

    def state(self) -> SyncState:
        return self._sync.state()

    def report(self) -> SyncState:
        return self._sync.report()

    def _send_to_both(self) -> None:
        self._send(self._picture)
        self._send(self._sound)

    def _send(self, engine: AnySupervisor) -> None:
        targets, sent = self._sync.targets, self._sent[engine.kind]
        self._sent[engine.kind] = targets
        if engine.kind is EngineKind.PICTURE:
            if targets.picture_latency_s != sent.picture_latency_s:
                engine.send(SetParameter("picture/latency_s", targets.picture_latency_s))
        elif targets.sound_wait_s != sent.sound_wait_s:
            engine.send(SetParameter("sound/wait_s", targets.sound_wait_s))


def _seconds(ms: float | None) -> float | None:
    return None if ms is None else ms / 1e3
