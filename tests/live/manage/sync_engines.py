"""Two engines for the sync's tests, which tell what they were told. Small: two processes import it."""

from __future__ import annotations

import os

from live.process.engine_link import EngineLink
from live.process.frames import now
from live.process.messages import Finished, Heartbeat, Note, Panic, SetParameter, Stop
from live.process.metrics import Metrics, PictureMetrics, SoundMetrics


def picture_engine(link: EngineLink, *_: object) -> None:
    _engine(link, PictureMetrics(latency_ms={"p50": 20.0, "p95": 25.0, "p99": 25.0, "max": 25.0}))


def sound_engine(link: EngineLink, *_: object) -> None:
    _engine(link, SoundMetrics(latency_ms=80.0))


def _engine(link: EngineLink, metrics: Metrics) -> None:
    """Tells what it was told, and dies when panic is over."""
    while not link.closed:
        for command in link.poll():
            if isinstance(command, Stop):
                link.send(Finished("stopped", {}))
                return
            if isinstance(command, SetParameter):
                link.send(Note(f"{command.name} is {command.value:.3f}, in process {os.getpid()}"))
            if isinstance(command, Panic) and not command.on:
                raise RuntimeError("as asked")
        link.send(Heartbeat(now(), metrics))
        link.wait(0.05)
