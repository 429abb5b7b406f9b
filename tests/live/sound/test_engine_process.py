"""The sound engine in its own process, at real pace. No device is needed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import soundfile

from live.process.engine_process import EngineProcess
from live.process.fork_server import start_forkserver
from live.process.messages import Event, Finished, Go, Heartbeat, Note, OnStage, Prepare, Ready
from live.sound.null_devices import NullMicrophone, NullSpeaker
from live.sound.settings import SoundSettings
from tests.live.sound.engine_rig import BLOCK, RATE


def collect_events(process: EngineProcess, end: Callable[[list[Event]], bool], timeout_s: float = 30.0) -> list[Event]:
    """The events up to the moment when `end` is true of them."""
    events: list[Event] = []
    until = time.monotonic() + timeout_s
    while not end(events) and time.monotonic() < until:
        events += process.events()
        time.sleep(0.005)
    assert end(events), events
    return events


def start_process(settings: SoundSettings, voice: str = "bypass") -> EngineProcess:
    start_forkserver(["numpy"])
    process = EngineProcess("sound", "live.sound.engine:main", (settings,))
    process.start()
    process.send(Prepare(voice))
    return process


def run_file_to_file(tmp_path: Path, voice: str) -> dict[str, Any]:
    """The report's part on sound after in.wav was played into out.wav."""
    (tmp_path / "out.wav").unlink(missing_ok=True)
    settings = SoundSettings(str(tmp_path / "in.wav"), str(tmp_path / "out.wav"), RATE, BLOCK, voices=(voice,))
    process = start_process(settings, voice)
    collect_events(process, lambda events: any(isinstance(event, Ready) for event in events))
    process.send(Go(0, voice))
    began = time.monotonic()
    collect_events(process, lambda events: any(isinstance(e, Heartbeat) and e.metrics.blocks >= 160 for e in events))
    assert time.monotonic() - began > 1.0, "at real pace"
    assert process.stop(5.0)
    finished = process.events()[-1]
    assert isinstance(finished, Finished)
    assert finished.why == "stopped"
    audio: dict[str, Any] = finished.report["audio"]
    return audio


@pytest.mark.parametrize("voice", ["bypass", "octave-down", "octave-down-quick"])
def test_measured_latency_is_the_declared_latency(tmp_path: Path, voice: str) -> None:
    """At real pace, in its own process: clicks in one file, and when they occur in the other. Where the process may not
    raise its priority a busy machine may hold it up for longer than the loudspeaker's buffer lasts: then once more."""
    sound = np.zeros(RATE, np.float32)
    clicks = [9_000, 20_011, 37_777]
    sound[clicks] = 0.6
    soundfile.write(tmp_path / "in.wav", sound, RATE, "FLOAT")
    for _ in range(5):
        audio = run_file_to_file(tmp_path, voice)
        if audio["xruns"] == 0:
            break
    assert audio["xruns"] == 0
    output, rate = soundfile.read(tmp_path / "out.wav", dtype="float32")
    assert rate == RATE
    loud = np.flatnonzero(np.abs(output) > 0.3)
    output_clicks = loud[np.flatnonzero(np.diff(loud, prepend=-RATE) > 1000)]
    input_clicks = np.sort([click + turn * RATE for turn in range(3) for click in clicks])
    late = [(at - input_clicks[input_clicks <= at].max()) / RATE * 1e3 for at in output_clicks]
    assert len(late) >= 3
    assert np.abs(np.array(late) - audio["latency"]).max() < 1.0, (late, audio)


def test_without_devices_it_sleeps() -> None:
    process = start_process(SoundSettings())
    collect_events(process, lambda events: any(isinstance(event, Ready) for event in events))
    process.send(Go(4, "bypass"))
    (on_stage,) = [
        e for e in collect_events(process, lambda es: any(isinstance(e, OnStage) for e in es)) if isinstance(e, OnStage)
    ]
    assert on_stage.cue_index == 4
    assert process.pid is not None
    cpu = psutil.Process(process.pid)
    before = cpu.cpu_times()
    time.sleep(1.5)
    after = cpu.cpu_times()
    assert after.user + after.system - before.user - before.system <= 0.05
    assert process.stop(5.0)
    finished = process.events()[-1]
    assert isinstance(finished, Finished)
    assert finished.report["audio"]["latency"] is None


def test_bad_file_ends_the_process_and_missing_demo_speech_does_not(tmp_path: Path) -> None:
    process = start_process(SoundSettings(str(tmp_path / "nothing.wav")))
    (end,) = [
        e
        for e in collect_events(process, lambda es: any(isinstance(e, Finished) for e in es))
        if isinstance(e, Finished)
    ]
    assert end.why.startswith("bad source: ")
    assert "no such file" in end.why
    process.kill()
    process = start_process(SoundSettings("demo", demo_speech=str(tmp_path / "nothing.flac")))
    collect_events(process, lambda es: any(isinstance(e, Note) and "demo speech" in e.text for e in es))
    assert process.stop(5.0)


def test_missing_device_is_retried_and_the_loop_goes_on() -> None:
    process = start_process(SoundSettings("no such microphone", "none"))
    beats: list[Heartbeat] = []

    def enough(events: list[Event]) -> bool:
        beats[:] = [event for event in events if isinstance(event, Heartbeat)]
        return len(beats) >= 4 and any("microphone" in getattr(e, "what", "") or isinstance(e, Note) for e in events)

    collect_events(process, enough)
    assert process.stop(8.0)


def test_null_devices() -> None:
    assert NullMicrophone().read() is None
    NullSpeaker().write(np.zeros((1, 1), np.float32))
