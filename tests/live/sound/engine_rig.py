"""A sound engine for tests: a file as microphone, a loudspeaker that keeps what it plays, a manual clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from live.process.frames import Samples
from live.process.messages import Event, Go, Prepare, Ready
from live.sound.engine import SoundEngine
from live.sound.file_microphone import FileMicrophone
from live.sound.mixer import Dry
from live.sound.settings import SoundSettings
from live.sound.voice import Voice
from models.features.types import Mono

RATE, BLOCK = 48_000, 480
LIMITER = 48
SETTINGS = SoundSettings(sample_rate=RATE, block=BLOCK)
STEEPEST = 0.5 * 2 * np.pi * 440 / RATE
"""The largest difference between two samples of the tone."""


class ManualClock:
    """Time that moves only when it is set."""

    def __init__(self, at: float = 100.0) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


class RecordingSpeaker:
    """A loudspeaker that keeps the blocks it is given."""

    name = "recording"
    trouble = ""
    latency_s = 0.0
    xruns = 0
    drift_ppm = None

    def __init__(self) -> None:
        self.blocks: list[Samples] = []
        self.buffered = 0.02

    def buffered_s(self) -> float:
        return self.buffered

    def write(self, samples: Samples) -> None:
        self.blocks.append(samples)

    def close(self) -> None:
        return

    @property
    def sound(self) -> Samples:
        return np.concatenate(self.blocks)[:, 0]


class ScriptedVoice(Dry):
    """Calls a function for each block, once it is on stage (the warm-up ends with `reset`)."""

    def __init__(self, function: Callable[[Mono], Mono]) -> None:
        super().__init__("scripted")
        self.function = function
        self.warmed_up = False

    def reset(self) -> None:
        self.warmed_up = True

    def process(self, samples: Mono) -> Mono:
        return self.function(samples) if self.warmed_up else samples


class Rig(NamedTuple):
    engine: SoundEngine
    clock: ManualClock
    speaker: RecordingSpeaker
    sent: list[Event]
    """All events that the engine has sent."""


def write_tone(path: Path, seconds: float = 1.0, rate: int = RATE, channels: int = 1) -> Samples:
    """440 Hz with an amplitude of 0.5."""
    t = np.arange(round(seconds * rate)) / rate
    sound = (0.5 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)
    soundfile.write(path, np.repeat(sound[:, None], channels, axis=1), rate, "FLOAT")
    return sound


def make_rig(
    path: Path,
    settings: SoundSettings = SETTINGS,
    load: Callable[[str], Voice] | None = None,
    wake: Callable[[], None] | None = None,
) -> Rig:
    """An engine with the file as microphone, which starts now."""
    clock, speaker = ManualClock(), RecordingSpeaker()
    sent: list[Event] = []
    microphone = FileMicrophone(path, RATE, BLOCK, clock)
    microphone.due_in_s()  # the file starts with the first call
    return Rig(SoundEngine(settings, microphone, speaker, sent.append, clock, wake, load), clock, speaker, sent)


def rig_on_stage(
    tmp_path: Path, voice: Voice, sound_miss: str = "dry", then: Voice | None = None, **others: object
) -> Rig:
    """A tone, with `voice` on stage as scripted.onnx; any other model is `then`."""
    write_tone(tmp_path / "tone.wav")
    settings = replace(SETTINGS, sound_miss=sound_miss, **others)
    voices = {"scripted.onnx": voice}
    rig = make_rig(tmp_path / "tone.wav", settings, load=lambda key: voices.get(key, then or voice))
    go(rig.engine, rig.sent, "scripted.onnx")
    run_blocks(rig.engine, rig.clock, 10)
    return rig


def run_blocks(engine: SoundEngine, clock: ManualClock, blocks: int) -> None:
    """Advance the clock block by block; the file's reading thread gets the time it needs."""
    for _ in range(blocks):
        clock.at += BLOCK / RATE
        until = time.monotonic() + 2
        while not engine.step() and time.monotonic() < until:
            time.sleep(0.001)


def go(engine: SoundEngine, sent: list[Event], voice: str, cue: int = 0, transition_s: float = 0.0) -> None:
    """Prepare the voice, wait until it is ready, and send Go."""
    engine.handle(Prepare(voice))
    until = time.monotonic() + 5
    while not any(isinstance(event, Ready) and event.model == voice for event in sent) and time.monotonic() < until:
        engine.send_events()
        time.sleep(0.001)
    engine.handle(Go(cue, voice, transition_s))
