"""An engine for the StageManager's tests: a real process that answers like the real ones and misbehaves on
command.

What it does with a model is in the model's name: "refuse...", "slow..." (0.4 s; "slowest..." 1.5 s), "crash..." (dies
when it performs), "hang..." (stops its loop when it performs), "hold..." (stops while holding Python's lock).
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from live.engine_process import EngineLink
from live.frames import now
from live.messages import Fault, Finished, Forget, Go, Heartbeat, Note, OnStage, Panic, Prepare, Recovered, Stop
from live.shared_frames import FrameKind, SharedFrames, SharedFramesHandle
from live.slot import Slot


def load(key: str) -> str:
    name = Path(key).stem
    if name.startswith("refuse"):
        raise ValueError("it is not ours")
    if name.startswith("slow"):
        time.sleep(1.5 if name.startswith("slowest") else 0.4)
    return key


def main(link: EngineLink, settings: Any, *handles: SharedFramesHandle) -> None:
    """Performs 50 steps a second; writes its model's name length as grey into stage frames, if it has any."""
    frames = [SharedFrames.attach(handle) for handle in handles]
    slot: Slot[str] = Slot(load)
    link.send(Note(f"fake engine in process {os.getpid()}"))
    if settings == "bad":
        link.send(Finished("bad source: no such file", {}))
        return
    if settings == "dies young":
        os._exit(7)
    commands: list[str] = []
    panic, cue, beat_at, index, once = False, -1, 0.0, 0, Path(str(settings))
    while not link.closed:
        for command in link.poll():
            commands.append(type(command).__name__)
            if isinstance(command, Stop):
                slot.close()
                link.send(Finished("stopped", {"video": {"fps": 50.0}, "commands": commands}))
                return
            if isinstance(command, Prepare):
                slot.prepare(command.key)
            elif isinstance(command, Forget):
                slot.forget(command.model)
            elif isinstance(command, Panic):
                panic = command.on
            elif isinstance(command, Go):
                slot.go(command.model)
                cue = command.cue_index
                link.send(OnStage(cue, now(), 0.02))
                misbehave(Path(command.model).stem, link, once)
        for news in slot.news():
            link.send(news)
        if now() - beat_at > 0.25:
            beat_at = now()
            figures = {
                "panic": panic,
                "cue": cue,
                "model": slot.current_key,
                "pid": os.getpid(),
                "loaded": slot.loaded,
            }
            link.send(Heartbeat(beat_at, figures))
        if frames and slot.current is not None:
            index += 1
            picture = np.full((12, 16, 3), len(slot.current) % 256, np.uint8)
            kind = FrameKind.SAFE if panic else FrameKind.GENERATED
            frames[0].write(picture, captured_at=now(), ready_at=now(), index=index, kind=kind)
        link.wait(0.02)


def misbehave(name: str, link: EngineLink, once: Path) -> None:
    """Only the first time, where the settings name a file to remember it by."""
    if name.startswith("camera"):
        link.send(Fault(now(), "camera", "it is gone"))
        link.send(Recovered(now(), "camera", 1.5))
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
