"""One hop of a voice is late, for each kind of voice, through the real PortAudio: the sound goes on, the voice performs
again, and it is said. The rooms are those of test_portaudio.py."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from onnx import helper

from tests.export.bad_models import write_filter_voice, write_voice
from tests.live.sound.test_portaudio import HOUSE, RATE, Server, before_others, room

__all__ = ["room"]
PERFORMER = Path(__file__).with_name("late_engine.py")
SECONDS = 6.0
READER = HOUSE / "live" / "demo" / "voices" / "reader.onnx"
VOICES = ["features.onnx", "sound.onnx", "filter.onnx", "octave-down", "octave-down-quick"]


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a frozen voice of each form."""
    folder = tmp_path_factory.mktemp("voices")
    (folder / "features.onnx").write_bytes(READER.read_bytes())
    write_voice(
        folder / "sound.onnx",
        [helper.make_node("Mul", ["sound", "half"], ["converted_sound"])],
        {"half": np.float32([0.5])},
    )
    write_filter_voice(folder / "filter.onnx")
    return folder


@pytest.fixture(scope="module")
def buzz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A voice that never pauses: pulses of 140 Hz, as a throat makes them."""
    path = tmp_path_factory.mktemp("buzz") / "buzz.wav"
    t = np.arange(60 * RATE) / RATE
    soundfile.write(path, sum(0.2 / k * np.cos(2 * np.pi * 140 * k * t) for k in range(1, 20)), RATE)
    return path


def perform(room: Server, buzz: Path, voice: str, late_s: float) -> tuple[dict[str, object], np.ndarray]:
    """What it said of itself, and how loud the loudspeaker was, rms of each 50 ms, while it performed."""
    recording = room.home / "cable.raw"
    wanted = ["--device=cable.monitor", "--format=float32le", "--rate=48000", "--channels=2", "--latency-msec=10"]
    with recording.open("wb") as out:
        recorder = subprocess.Popen(["parec", "--raw", *wanted], env=room.environment, stdout=out)
    player = subprocess.Popen(["paplay", "--device=room", str(buzz)], env=room.environment)
    engine = subprocess.Popen(
        [sys.executable, str(PERFORMER), "stage_mic", "stage_speaker", voice, str(late_s), str(SECONDS)],
        env={**room.environment, "PYTHONPATH": str(HOUSE)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        for process in (recorder, player):
            before_others(process)
        said, _ = engine.communicate(timeout=60)
        time.sleep(0.2)
    finally:
        for process in (engine, player, recorder):
            process.kill()
            process.wait()
    cable = np.fromfile(recording, np.float32)
    speaker = cable[1 : len(cable) // 2 * 2 : 2]
    pieces = speaker[: len(speaker) // 2400 * 2400].reshape(-1, 2400)
    return json.loads(said.splitlines()[-1]), np.sqrt(np.mean(np.square(pieces), axis=1))


def longest_silence_s(levels: np.ndarray) -> float:
    """Between the first and the last sound."""
    loud = np.flatnonzero(levels > 0.01)
    assert len(loud) > SECONDS / 0.05 / 2, "it was heard"
    return float(0.05 * (np.diff(loud).max() - 1))


@pytest.mark.slow
@pytest.mark.parametrize("late_s", [0.7, 1.5])
@pytest.mark.parametrize("voice", VOICES)
def test_one_late_hop(room: Server, buzz: Path, voices: Path, voice: str, late_s: float) -> None:
    key = str(voices / voice) if voice.endswith(".onnx") else voice
    said, levels = perform(room, buzz, key, late_s)
    notes = said["notes"]
    assert longest_silence_s(levels) < 1.0, (said, levels.round(3).tolist())
    assert said["voice"] == key, said
    assert isinstance(said["missed"], int)
    assert said["missed"] > 20
    assert any(voice in note and "performs again" in note for note in notes), said
