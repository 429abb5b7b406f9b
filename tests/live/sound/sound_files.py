"""Sound files for tests, and reading a file microphone by a manual clock."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import soundfile

from live.sound.file_microphone import FileMicrophone
from tests.live.sound.engine_rig import RATE, ManualClock


def noise(seconds: float, rate: int = RATE, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, round(seconds * rate)).astype(np.float32)


def wav(path: Path, sound: np.ndarray, rate: int = RATE) -> Path:
    soundfile.write(path, sound, rate, "FLOAT")
    return path


def read_blocks(microphone: FileMicrophone, clock: ManualClock, blocks: int) -> tuple[np.ndarray, list[float]]:
    """The next blocks and their times; the reading thread gets the time it needs."""
    output, times = [], []
    for _ in range(blocks):
        clock.at += max(microphone.due_in_s(), 0.0) + 1e-9
        until = time.monotonic() + 2
        while (taken := microphone.read()) is None and time.monotonic() < until:
            time.sleep(0.001)
        assert taken is not None
        output.append(taken[0][:, 0])
        times.append(taken[1])
    return np.concatenate(output), times
