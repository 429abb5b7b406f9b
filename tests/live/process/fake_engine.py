"""An engine for the StageManager's tests: a process that answers like the real engines and misbehaves on command.

The model's name says what it does: "refuse...", "slow..." (loads for 0.4 s; "slowest..." for 1.5 s), "crash..." (dies
when it performs), "ends..." (dies each time it performs), "hang..." (its loop stops when it performs), "hold..." (stops
while it holds Python's lock), "camera..." (reports a fault and its recovery).
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from live.process.engine_link import EngineLink
from live.process.frames import now
from live.process.messages import Fault, Finished, Forget, Go, Heartbeat, Note, OnStage, Panic, Prepare, Recovered, Stop
from live.process.metrics import Metrics, PictureMetrics, SoundMetrics
from live.process.shared_frames import SharedFrames, SharedFramesHandle
from live.process.slot import Slot
from live.process.stage_picture import FrameKind, StagePicture


@dataclass(frozen=True, kw_only=True)
class FakePictureMetrics(PictureMetrics):
    """What a fake picture engine sends, and what tests ask of it beside."""

    cue: int = -1
    model: str | None = None
    pid: int = 0


@dataclass(frozen=True, kw_only=True)
class FakeSoundMetrics(SoundMetrics):
    """The same of a fake sound engine."""

    cue: int = -1
    model: str | None = None
    pid: int = 0


def load(key: str) -> str:
    name = Path(key).stem
    if name.startswith("refuse"):
        raise ValueError("it is not ours")
    if name.startswith("slow"):
        time.sleep(1.5 if name.startswith("slowest") else 0.4)
    return key


def main(link: EngineLink, settings: Any, *handles: SharedFramesHandle) -> None:
    """Performs 50 steps a second. Pictures, if it has stage frames, are grey by the length of the model's name."""
    frames = [SharedFrames.attach(handle) for handle in handles]
    slot: Slot[str] = Slot(load)
    link.send(Note(f"fake engine in process {os.getpid()}"))
    if settings == "bad":
        link.send(Finished("bad source: no such file", {}))
        return
    if settings == "dies young":
        os._exit(7)
    commands: list[str] = []
    panic, cue, heartbeat_at, index, once = False, -1, 0.0, 0, Path(str(settings))
    while not link.closed:
        for command in link.poll():
            commands.append(type(command).__name__)
            if isinstance(command, Stop):
                slot.close()
                link.send(Finished("stopped", {"video": {"fps": 50.0}, "commands": commands}))
                return
            if isinstance(command, Prepare):
                slot.prepare(command.model)
            elif isinstance(command, Forget):
                slot.forget(command.model)
            elif isinstance(command, Panic):
                panic = command.on
            elif isinstance(command, Go):
                slot.go(command.model)
                cue = command.cue_index
                link.send(OnStage(cue, now(), 0.02))
                misbehave(Path(command.model).stem, link, once)
        for answer in slot.answers():
            link.send(answer)
        if now() - heartbeat_at > 0.25:
            heartbeat_at = now()
            link.send(Heartbeat(heartbeat_at, metrics_of(slot, cue, panic, bool(frames))))
        if frames and slot.current is not None:
            index += 1
            picture = np.full((12, 16, 3), len(slot.current) % 256, np.uint8)
            kind = FrameKind.SAFE if panic else FrameKind.GENERATED
            frames[0].write(StagePicture(picture, kind, now(), now(), index))
        link.wait(0.02)


def metrics_of(slot: Slot[str], cue: int, panic: bool, pictures: bool) -> Metrics:
    pid, model = os.getpid(), slot.current_key
    if pictures:
        return FakePictureMetrics(panic=panic, cue=cue, model=model, pid=pid, loaded=tuple(slot.loaded))
    return FakeSoundMetrics(panic=panic, cue=cue, model=model, pid=pid)


def misbehave(name: str, link: EngineLink, once: Path) -> None:
    """Do what the model's name says; crash, hang and hold only while the file `once` does not exist."""
    if name.startswith("camera"):
        link.send(Fault(now(), "camera", "it is gone"))
        link.send(Recovered(now(), "camera", 1.5))
    if name.startswith("ends"):
        link.flush(1.0)
        os._exit(9)
    if not name.startswith(("crash", "hang", "hold")) or once.exists():
        return
    once.touch()
    if name.startswith("crash"):
        raise RuntimeError("the driver fell over")
    if name.startswith("hang"):
        time.sleep(60.0)
    hold_pythons_lock()


def hold_pythons_lock() -> None:
    import ctypes

    ctypes.PyDLL(None).sleep(60)
