"""The dry sound engine, file to file: nothing missing, nothing added, true counters. No device is needed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile

from live.engine_process import EngineProcess, start_forkserver
from live.frames import Samples
from live.messages import Event, Finished, Go, Heartbeat, Note, OnStage, Panic, Prepare, Ready, Refused, SetParameter
from live.sound.engine import SoundEngine
from live.sound.files import BadSound, FileMicrophone, FileSpeaker, NoMicrophone, NoSpeaker
from live.sound.settings import SoundSettings

RATE, BLOCK = 48_000, 480
SETTINGS = SoundSettings(sample_rate=RATE, block=BLOCK)


class Clock:
    """Time that goes when it is told to."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


class Ear:
    """A loudspeaker that keeps what it plays."""

    name = "ear"
    trouble = ""
    latency_s = 0.0
    xruns = 0

    def __init__(self) -> None:
        self.played: list[Samples] = []

    def write(self, samples: Samples) -> None:
        self.played.append(samples)

    def close(self) -> None:
        return

    @property
    def sound(self) -> Samples:
        return np.concatenate(self.played)[:, 0]


def tone(path: Path, seconds: float = 1.0, rate: int = RATE, channels: int = 1) -> Samples:
    t = np.arange(round(seconds * rate)) / rate
    sound = (0.5 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)
    soundfile.write(path, np.repeat(sound[:, None], channels, axis=1), rate, "FLOAT")
    return sound


def perform(engine: SoundEngine, clock: Clock, blocks: int) -> None:
    """Let time go on block by block; the file's reading thread gets the moment it needs."""
    for _ in range(blocks):
        clock.at += BLOCK / RATE
        until = time.monotonic() + 2
        while not engine.step() and time.monotonic() < until:
            time.sleep(0.001)


@pytest.fixture
def stage(tmp_path: Path) -> object:
    """A tone into an ear, under a manual clock."""
    tone(tmp_path / "tone.wav")
    clock = Clock()
    microphone = FileMicrophone(tmp_path / "tone.wav", RATE, BLOCK, clock)
    microphone.due_in_s()  # it begins to speak now
    ear = Ear()
    sent: list[Event] = []
    engine = SoundEngine(SETTINGS, microphone, ear, sent.append, clock)
    yield engine, clock, ear, sent
    engine.close()


def take_voice(engine: SoundEngine, sent: list[Event], voice: str, cue: int = 0, transition_s: float = 0.0) -> None:
    engine.handle(Prepare(voice, "voice"))
    until = time.monotonic() + 5
    while not any(isinstance(event, Ready) and event.model == voice for event in sent) and time.monotonic() < until:
        engine.tell()
        time.sleep(0.001)
    engine.handle(Go(cue, voice, transition_s))


def test_dry_is_the_very_same_and_goes_round(
    stage: tuple[SoundEngine, Clock, Ear, list[Event]], tmp_path: Path
) -> None:
    engine, clock, ear, sent = stage
    take_voice(engine, sent, "bypass")
    perform(engine, clock, 230)
    sound, _ = soundfile.read(tmp_path / "tone.wav", dtype="float32")
    asked = np.concatenate([sound, sound, sound])[: 230 * BLOCK]
    faded_in = round(0.005 * RATE)
    assert np.array_equal(ear.sound[faded_in:], asked[faded_in:])
    assert any(isinstance(event, OnStage) and event.cue_index == 0 for event in sent)
    figures = engine.figures()
    assert (figures["blocks"], figures["xruns"], figures["deadline_misses"]) == (230, 0, 0)
    assert figures["latency"] == 10.0
    assert figures["in_peak"] == pytest.approx(0.5, abs=0.01)
    assert figures["out_rms"] == pytest.approx(0.5 / np.sqrt(2), abs=0.01)
    audio = engine.report()["audio"]
    assert (audio["sample_rate"], audio["block"], audio["blocks"]) == (RATE, BLOCK, 230)


def test_before_the_first_cue_nothing_is_heard(stage: tuple[SoundEngine, Clock, Ear, list[Event]]) -> None:
    engine, clock, ear, _ = stage
    perform(engine, clock, 5)
    assert not ear.sound.any()


@pytest.mark.parametrize("command", [Panic(True), SetParameter("sound/mute", 1.0), SetParameter("sound/gain", -120.0)])
def test_silence_comes_within_one_block_and_without_a_click(
    stage: tuple[SoundEngine, Clock, Ear, list[Event]], command: Panic | SetParameter
) -> None:
    engine, clock, ear, sent = stage
    take_voice(engine, sent, "bypass")
    perform(engine, clock, 10)
    engine.handle(command)
    perform(engine, clock, 10)
    assert np.abs(ear.sound[11 * BLOCK :]).max() < 1e-5
    steepest = 0.5 * 2 * np.pi * 440 / RATE
    assert np.abs(np.diff(ear.sound[BLOCK:])).max() < steepest * 1.2, "no jump larger than the tone's own"


def test_a_transition_is_a_straight_line(stage: tuple[SoundEngine, Clock, Ear, list[Event]]) -> None:
    engine, clock, ear, sent = stage
    take_voice(engine, sent, "bypass")
    perform(engine, clock, 10)
    take_voice(engine, sent, "silence", 1, transition_s=0.2)
    perform(engine, clock, 30)
    peaks = np.abs(ear.sound).reshape(-1, BLOCK).max(axis=1)
    assert peaks[20] == pytest.approx(0.25, abs=0.03)
    assert peaks[31:].max() == 0.0


def test_a_voice_it_does_not_have_is_refused(stage: tuple[SoundEngine, Clock, Ear, list[Event]]) -> None:
    engine, _, _, sent = stage
    engine.handle(Prepare("/somewhere/voice.onnx", "voice"))
    until = time.monotonic() + 5
    while not sent and time.monotonic() < until:
        engine.tell()
    assert isinstance(sent[0], Refused)
    assert "voice.onnx" in sent[0].why
    engine.handle(SetParameter("sound/colour", 1.0))
    assert isinstance(sent[-1], Note)


def test_a_machine_that_stood_still_counts_what_it_left_out(
    stage: tuple[SoundEngine, Clock, Ear, list[Event]],
) -> None:
    engine, clock, ear, sent = stage
    take_voice(engine, sent, "bypass")
    perform(engine, clock, 10)
    clock.at += 5.0
    perform(engine, clock, 10)
    assert 495 <= engine.figures()["deadline_misses"] <= 510
    assert len(ear.played) <= 22, "it does not rush after what is past"


def test_another_rate_and_two_channels_become_ours(tmp_path: Path) -> None:
    tone(tmp_path / "tone.flac.wav", 2.0, 16_000, 2)
    clock = Clock()
    microphone = FileMicrophone(tmp_path / "tone.flac.wav", RATE, BLOCK, clock)
    ear = Ear()
    sent: list[Event] = []
    engine = SoundEngine(SETTINGS, microphone, ear, sent.append, clock)
    microphone.due_in_s()
    take_voice(engine, sent, "bypass")
    perform(engine, clock, 150)
    engine.close()
    spectrum = np.abs(np.fft.rfft(ear.sound[RATE // 2 : RATE // 2 + RATE // 2]))
    assert np.argmax(spectrum) * 2 == pytest.approx(440, abs=4)


def test_the_speaker_s_file_holds_what_was_played(tmp_path: Path) -> None:
    speaker = FileSpeaker(tmp_path / "out.wav", RATE)
    played = np.linspace(-0.9, 0.9, 10 * BLOCK, dtype=np.float32).reshape(-1, 1)
    for block in np.split(played, 10):
        speaker.write(block)
    speaker.close()
    kept, rate = soundfile.read(tmp_path / "out.wav", dtype="float32")
    assert rate == RATE
    assert len(kept) == len(played)
    assert np.abs(kept - played[:, 0]).max() < 1e-4
    assert speaker.trouble == ""


def test_files_that_are_no_sound(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), RATE)
    for name, said in (
        ("nothing.wav", "no such file"),
        ("text.wav", "not a sound file"),
        ("empty.wav", "no sound in it"),
    ):
        with pytest.raises(BadSound, match=said):
            FileMicrophone(tmp_path / name, RATE, BLOCK)
    with pytest.raises(BadSound, match="cannot be written"):
        FileSpeaker(tmp_path / "no folder" / "out.wav", RATE)


# ---- the process


def follow(process: EngineProcess, end: Callable[[list[Event]], bool], timeout_s: float = 10.0) -> list[Event]:
    events: list[Event] = []
    until = time.monotonic() + timeout_s
    while not end(events) and time.monotonic() < until:
        events += process.events()
        time.sleep(0.005)
    assert end(events), events
    return events


def started(settings: SoundSettings) -> EngineProcess:
    start_forkserver(["numpy"])
    process = EngineProcess("sound", "live.sound.engine:main", (settings,))
    process.start()
    process.send(Prepare("bypass", "voice"))
    return process


def test_file_to_file_at_real_pace(tmp_path: Path) -> None:
    sound = tone(tmp_path / "in.wav", 0.7)
    process = started(SoundSettings(str(tmp_path / "in.wav"), str(tmp_path / "out.wav"), RATE, BLOCK))
    follow(process, lambda events: any(isinstance(event, Ready) for event in events))
    process.send(Go(0, "bypass"))
    began = time.monotonic()
    follow(process, lambda events: any(isinstance(e, Heartbeat) and e.figures["blocks"] >= 100 for e in events))
    assert time.monotonic() - began > 0.5, "at real pace"
    assert process.stop(5.0)
    finished = process.events()[-1]
    assert isinstance(finished, Finished)
    assert finished.why == "stopped"
    audio = finished.report["audio"]
    assert audio["xruns"] == 0
    assert audio["blocks"] >= 100
    kept, _ = soundfile.read(tmp_path / "out.wav", dtype="float32")
    assert len(kept) == audio["blocks"] * BLOCK
    asked = np.tile(sound, 10)[: len(kept)]
    heard = np.flatnonzero(np.abs(kept) > 0.2)[0] + BLOCK
    assert np.abs(kept[heard:] - asked[heard:]).max() < 1e-4


def test_with_neither_end_it_sleeps() -> None:
    process = started(SoundSettings())
    follow(process, lambda events: any(isinstance(event, Ready) for event in events))
    process.send(Go(4, "bypass"))
    (on_stage,) = [
        e for e in follow(process, lambda es: any(isinstance(e, OnStage) for e in es)) if isinstance(e, OnStage)
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


def test_a_bad_file_ends_it_and_a_missing_demo_does_not(tmp_path: Path) -> None:
    process = started(SoundSettings(str(tmp_path / "nothing.wav")))
    (end,) = [
        e for e in follow(process, lambda es: any(isinstance(e, Finished) for e in es)) if isinstance(e, Finished)
    ]
    assert end.why.startswith("bad source: ")
    assert "no such file" in end.why
    process.kill()
    process = started(SoundSettings("demo", demo_speech=str(tmp_path / "nothing.flac")))
    follow(process, lambda es: any(isinstance(e, Note) and "demo speech" in e.text for e in es))
    assert process.stop(5.0)


def test_a_device_that_is_not_there_is_tried_again_and_the_loop_goes_on() -> None:
    process = started(SoundSettings("no such microphone", "none"))
    beats: list[Heartbeat] = []

    def enough(events: list[Event]) -> bool:
        beats[:] = [event for event in events if isinstance(event, Heartbeat)]
        return len(beats) >= 4 and any(
            "such microphone" in getattr(e, "what", "") or isinstance(e, Note) for e in events
        )

    follow(process, enough)
    assert process.stop(8.0)


def test_none_is_nothing() -> None:
    assert NoMicrophone().read() is None
    NoSpeaker().write(np.zeros((1, 1), np.float32))
