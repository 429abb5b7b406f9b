"""The sound engine, file to file: nothing missing, one true latency, true counters. No device is needed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import soundfile

from live.engine_process import EngineProcess, start_forkserver
from live.frames import Samples
from live.messages import (
    Event,
    Finished,
    Go,
    Heartbeat,
    Note,
    OnStage,
    Panic,
    Played,
    Prepare,
    Ready,
    Refused,
    Reload,
    SetParameter,
)
from live.sound.engine import SoundEngine
from live.sound.files import FileMicrophone, NoMicrophone, NoSpeaker
from live.sound.mixer import Dry
from live.sound.settings import SoundSettings
from live.sound.voice import Mono, Voice

RATE, BLOCK = 48_000, 480
LIMITER = 48
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
    drift_ppm = None

    def __init__(self) -> None:
        self.played: list[Samples] = []
        self.in_hand = 0.02

    def in_hand_s(self) -> float:
        return self.in_hand

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
    faded_in = round(0.05 * RATE)
    assert np.allclose(ear.sound[faded_in + LIMITER :], asked[faded_in:-LIMITER], atol=1e-6)
    assert any(isinstance(event, OnStage) and event.cue_index == 0 for event in sent)
    figures = engine.figures()
    assert (figures["blocks"], figures["xruns"], figures["deadline_misses"]) == (230, 0, 0)
    assert figures["latency"] == pytest.approx(10.0 + 1e3 * LIMITER / RATE, abs=0.01)
    assert figures["in_peak"] == pytest.approx(0.5, abs=0.01)
    assert figures["out_rms"] == pytest.approx(0.5 / np.sqrt(2), abs=0.01)
    audio = engine.report()["audio"]
    assert (audio["sample_rate"], audio["block"], audio["blocks"]) == (RATE, BLOCK, 230)


def test_before_the_first_cue_nothing_is_heard(stage: tuple[SoundEngine, Clock, Ear, list[Event]]) -> None:
    engine, clock, ear, _ = stage
    perform(engine, clock, 5)
    assert not ear.sound.any()


@pytest.mark.parametrize("command", [Panic(True), SetParameter("sound/mute", 1.0), SetParameter("sound/gain", -120.0)])
def test_silence_comes_within_three_blocks_and_without_a_click(
    stage: tuple[SoundEngine, Clock, Ear, list[Event]], command: Panic | SetParameter
) -> None:
    engine, clock, ear, sent = stage
    take_voice(engine, sent, "bypass")
    perform(engine, clock, 10)
    engine.handle(command)
    perform(engine, clock, 10)
    assert np.abs(ear.sound[13 * BLOCK :]).max() < 1e-5
    steepest = 0.5 * 2 * np.pi * 440 / RATE
    assert np.abs(np.diff(ear.sound)).max() < steepest * 1.2, "no jump larger than the tone's own"


def test_a_transition_takes_its_time(stage: tuple[SoundEngine, Clock, Ear, list[Event]]) -> None:
    engine, clock, ear, sent = stage
    take_voice(engine, sent, "bypass")
    perform(engine, clock, 10)
    take_voice(engine, sent, "silence", 1, transition_s=0.2)
    perform(engine, clock, 30)
    peaks = np.abs(ear.sound).reshape(-1, BLOCK).max(axis=1)
    assert peaks[20] == pytest.approx(0.5 * np.sin(np.pi / 4), abs=0.04), "equal power"
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
    engine.step()
    assert isinstance(sent[-1], Note)
    assert "sound/colour" in sent[-1].text


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


# ---- voices that are late, or fail


class Odd(Dry):
    """Does what it is told to, when it is told to."""

    def __init__(self, does: Callable[[Mono], Mono]) -> None:
        super().__init__("odd")
        self.does = does
        self.warmed = False

    def reset(self) -> None:
        self.warmed = True

    def process(self, samples: Mono) -> Mono:
        return self.does(samples) if self.warmed else samples


def staged(
    tmp_path: Path, voice: Voice, sound_miss: str = "dry", then: Voice | None = None, **others: object
) -> tuple[SoundEngine, Clock, Ear, list[Event]]:
    """On stage with `voice` as odd.onnx; any other model is `then`."""
    tone(tmp_path / "tone.wav")
    clock, ear = Clock(), Ear()
    sent: list[Event] = []
    microphone = FileMicrophone(tmp_path / "tone.wav", RATE, BLOCK, clock)
    microphone.due_in_s()
    settings = replace(SETTINGS, sound_miss=sound_miss, **others)
    voices = {"odd.onnx": voice}
    engine = SoundEngine(settings, microphone, ear, sent.append, clock, load=lambda key: voices.get(key, then or voice))
    take_voice(engine, sent, "odd.onnx")
    perform(engine, clock, 10)
    return engine, clock, ear, sent


def refusal(engine: SoundEngine, sent: list[Event], voice: str) -> str:
    """Why it will not perform with this voice."""
    engine.handle(Prepare(voice, "voice"))
    until = time.monotonic() + 5
    while not sent and time.monotonic() < until:
        engine.tell()
        time.sleep(0.005)
    engine.close()
    assert isinstance(sent[0], Refused)
    return sent[0].why


def _raise(samples: Mono) -> Mono:
    raise RuntimeError("the network\nis gone")


@pytest.mark.parametrize("sound_miss", ["dry", "silence"])
@pytest.mark.parametrize(
    ("does", "why"),
    [(_raise, "the network is gone"), (lambda s: s * np.float32(np.nan), "no sound")],
    ids=["dies", "nan"],
)
def test_a_voice_that_fails_is_replaced_and_the_operator_told(
    tmp_path: Path, sound_miss: str, does: Callable[[Mono], Mono], why: str
) -> None:
    voice = Odd(lambda samples: samples)
    engine, clock, ear, sent = staged(tmp_path, voice, sound_miss)
    voice.does = does
    ear.in_hand = 0.0  # the loudspeaker is about to run dry
    perform(engine, clock, 20)
    engine.close()
    assert len(ear.played) == 30, "a block is written for each that is heard"
    (note,) = [event.text for event in sent if isinstance(event, Note)]
    assert "odd.onnx" in note
    assert why in note
    level = np.abs(ear.sound[20 * BLOCK :]).max()
    assert level == pytest.approx(0.5, abs=0.01) if sound_miss == "dry" else level == 0.0
    assert np.isfinite(ear.sound).all()
    steepest = 0.5 * 2 * np.pi * 440 / RATE
    assert np.abs(np.diff(ear.sound)).max() < 4 * steepest, "no click"
    assert engine.figures()["deadline_misses"] == 1


def test_who_speaks_is_the_cue_s_and_a_pitch_is_eased(tmp_path: Path) -> None:
    told: list[tuple[str, float]] = []

    class Listening(Dry):
        def set(self, name: str, value: float) -> bool:
            told.append((name, value))
            return name in ("pitch", "formant", "source", "room")

    engine, clock, _, sent = staged(tmp_path, Listening("learned"))
    engine.handle(Go(1, "odd.onnx", 0.1, {"sound/source": 2.0, "sound/room": -12.0, "sound/pitch": -4.0}))
    perform(engine, clock, 15)
    assert ("source", 2.0) in told
    assert ("room", -12.0) in told
    pitches = [value for name, value in told if name == "pitch"]
    assert pitches[-1] == -4.0
    assert len({value for value in pitches if -4.0 < value < 0.0}) > 5, "on its way, block by block"
    told.clear()
    engine.handle(Go(2, "odd.onnx", 0.0, {}))
    perform(engine, clock, 3)
    engine.close()
    assert ("source", 0.0) in told
    assert ("room", 0.0) in told
    assert [value for name, value in told if name == "pitch"][-1] == 0.0
    assert not any(isinstance(event, Note) for event in sent)


def test_a_late_voice_is_covered_by_the_time_aligned_dry_signal(tmp_path: Path) -> None:
    """A thread that sleeps: its blocks are played dry, in time and in place, and itself again when it is back."""
    tone(tmp_path / "tone.wav")
    asleep, go_on = threading.Event(), threading.Event()

    def sleepy(samples: Mono) -> Mono:
        if asleep.is_set():
            go_on.wait(5.0)
        return samples

    clock, ear = Clock(), Ear()
    sent: list[Event] = []
    microphone = FileMicrophone(tmp_path / "tone.wav", RATE, BLOCK, clock)
    microphone.due_in_s()
    ready = threading.Event()
    engine = SoundEngine(SETTINGS, microphone, ear, sent.append, clock, wake=ready.set, load=lambda key: Odd(sleepy))
    take_voice(engine, sent, "odd.onnx")

    def until_played(blocks: int) -> None:
        end = time.monotonic() + 5
        while len(ear.played) < blocks and time.monotonic() < end:
            engine.step()
            time.sleep(0.0005)

    for number in range(1, 21):
        clock.at += BLOCK / RATE
        until_played(number)
    asleep.set()
    ear.in_hand = 0.0
    for number in range(21, 26):
        clock.at += BLOCK / RATE
        until_played(number)
    assert engine.figures()["deadline_misses"] >= 4
    asleep.clear()
    go_on.set()
    ear.in_hand = 0.02
    for number in range(26, 60):
        clock.at += BLOCK / RATE
        until_played(number)
    engine.close()
    sound, _ = soundfile.read(tmp_path / "tone.wav", dtype="float32")
    heard = ear.sound[6 * BLOCK :]
    assert np.abs(heard - sound[6 * BLOCK - LIMITER : 59 * BLOCK - LIMITER]).max() < 0.6, "in its place"
    assert np.allclose(heard[30 * BLOCK :], sound[36 * BLOCK - LIMITER : 59 * BLOCK - LIMITER], atol=1e-6)
    assert np.abs(np.diff(heard)).max() < 4 * 0.5 * 2 * np.pi * 440 / RATE, "no click"


def test_a_voice_too_slow_for_the_machine_is_refused_before_it_is_heard(tmp_path: Path) -> None:
    tone(tmp_path / "tone.wav")
    slow = Odd(lambda samples: samples)
    slow.process = lambda samples: (time.sleep(0.012), samples)[1]  # type: ignore[method-assign]
    sent: list[Event] = []
    engine = SoundEngine(SETTINGS, NoMicrophone(), Ear(), sent.append, Clock(), load=lambda key: slow)
    assert "too slow for this machine" in refusal(engine, sent, "slow.onnx")


def test_a_voice_that_became_too_slow_is_given_up(tmp_path: Path) -> None:
    engine, clock, ear, sent = staged(tmp_path, Odd(lambda samples: samples))
    engine._voice.take = lambda index: None  # type: ignore[method-assign]
    ear.in_hand = 0.0
    perform(engine, clock, 25)
    engine.close()
    assert any(isinstance(event, Note) and "too slow" in event.text for event in sent)
    assert engine.figures()["voice"] == "bypass"


def test_a_voice_slower_than_the_show_is_refused_with_the_reason(tmp_path: Path) -> None:
    late = Odd(lambda samples: samples)
    late.latency = 5000
    sent: list[Event] = []
    engine = SoundEngine(SETTINGS, NoMicrophone(), Ear(), sent.append, Clock(), load=lambda key: late)
    assert "late.onnx is 104 ms late, and this show's sound 0 ms" in refusal(engine, sent, "late.onnx")


def test_a_show_read_again_moves_to_its_own_latency(tmp_path: Path) -> None:
    engine, clock, ear, _ = staged(tmp_path, Dry(), voices=("bypass",))
    assert engine.figures()["latency_parts"]["voice"] == 0.0
    engine.handle(Reload(1.0, 0.5, None, "silence", True, ("bypass", "whisper")))
    perform(engine, clock, 20)
    late = round(engine.figures()["latency_parts"]["voice"] * RATE / 1e3)
    assert late > 1000
    sound, _ = soundfile.read(tmp_path / "tone.wav", dtype="float32")
    assert np.allclose(
        ear.sound[15 * BLOCK :], sound[15 * BLOCK - late - LIMITER : 30 * BLOCK - late - LIMITER], atol=1e-6
    )
    assert np.abs(np.diff(ear.sound)).max() < 2 * 0.5 * 2 * np.pi * 440 / RATE
    engine.close()


def test_a_show_read_again_with_faster_voices_lets_a_slow_one_speak_on(tmp_path: Path) -> None:
    slow = Odd(lambda samples: samples)
    slow.latency = 1000
    fast = Odd(lambda samples: samples)
    engine, clock, _, sent = staged(tmp_path, slow, then=fast, voices=("whisper",))
    late = engine.figures()["latency_parts"]["voice"]
    take_voice(engine, sent, "fast.onnx", cue=1, transition_s=0.2)
    perform(engine, clock, 5)
    engine.handle(Reload(1.0, 0.5, None, "dry", True, ("bypass",)))
    perform(engine, clock, 30)
    assert engine.figures()["voice"] == "fast.onnx"
    assert not any(isinstance(event, Note) for event in sent)
    assert engine.figures()["latency_parts"]["voice"] == late
    engine.close()


def test_what_was_played_is_told_for_the_recorder(tmp_path: Path) -> None:
    engine, clock, ear, sent = staged(tmp_path, Dry(), recorded=True)
    perform(engine, clock, 20)
    engine.close()
    told = [event for event in sent if isinstance(event, Played)]
    assert np.array_equal(np.concatenate([np.frombuffer(p.samples, "<f4") for p in told]), ear.sound)
    at = [p.at + len(p.samples) / 4 / RATE for p in told]
    assert np.allclose(at[:-1], [p.at for p in told[1:]], atol=1e-6)
    assert told[0].at == pytest.approx(100.0 + BLOCK / RATE)


@pytest.mark.parametrize(
    "sound",
    [np.full(RATE, np.nan), np.random.default_rng(0).uniform(-1, 1, RATE) * 30, np.zeros(RATE)],
    ids=["nan", "far beyond full scale", "silence"],
)
@pytest.mark.parametrize("voice", ["octave-down", "child-quick", "bypass"])
def test_whatever_comes_in_nothing_bursts_out(tmp_path: Path, sound: np.ndarray, voice: str) -> None:
    soundfile.write(tmp_path / "in.wav", sound, RATE, "FLOAT")
    clock, ear = Clock(), Ear()
    sent: list[Event] = []
    microphone = FileMicrophone(tmp_path / "in.wav", RATE, BLOCK, clock)
    microphone.due_in_s()
    engine = SoundEngine(replace(SETTINGS, voices=(voice,)), microphone, ear, sent.append, clock)
    take_voice(engine, sent, voice)
    engine.handle(SetParameter("sound/gain", 24.0))
    perform(engine, clock, 60)
    engine.close()
    assert np.isfinite(ear.sound).all()
    assert np.abs(ear.sound).max() <= 10 ** (-1 / 20) + 1e-6
    if not sound.any():
        assert np.abs(ear.sound).max() < 1e-3


# ---- the process


def follow(process: EngineProcess, end: Callable[[list[Event]], bool], timeout_s: float = 30.0) -> list[Event]:
    events: list[Event] = []
    until = time.monotonic() + timeout_s
    while not end(events) and time.monotonic() < until:
        events += process.events()
        time.sleep(0.005)
    assert end(events), events
    return events


def started(settings: SoundSettings, voice: str = "bypass") -> EngineProcess:
    start_forkserver(["numpy"])
    process = EngineProcess("sound", "live.sound.engine:main", (settings,))
    process.start()
    process.send(Prepare(voice, "voice"))
    return process


def file_to_file(tmp_path: Path, voice: str) -> dict[str, Any]:
    """What the report says of the sound."""
    (tmp_path / "out.wav").unlink(missing_ok=True)
    settings = SoundSettings(str(tmp_path / "in.wav"), str(tmp_path / "out.wav"), RATE, BLOCK, voices=(voice,))
    process = started(settings, voice)
    follow(process, lambda events: any(isinstance(event, Ready) for event in events))
    process.send(Go(0, voice))
    began = time.monotonic()
    follow(process, lambda events: any(isinstance(e, Heartbeat) and e.figures["blocks"] >= 160 for e in events))
    assert time.monotonic() - began > 1.0, "at real pace"
    assert process.stop(5.0)
    finished = process.events()[-1]
    assert isinstance(finished, Finished)
    assert finished.why == "stopped"
    audio: dict[str, Any] = finished.report["audio"]
    return audio


@pytest.mark.parametrize("voice", ["bypass", "octave-down", "octave-down-quick"])
def test_file_to_file_it_is_as_late_as_it_says(tmp_path: Path, voice: str) -> None:
    """At real pace, in its own process: clicks in a file, and when they are heard in the other. Where the process may
    not be urgent a busy machine may hold it up for longer than a loudspeaker lasts: then once more."""
    sound = np.zeros(RATE, np.float32)
    clicks = [9_000, 20_011, 37_777]
    sound[clicks] = 0.6
    soundfile.write(tmp_path / "in.wav", sound, RATE, "FLOAT")
    for _ in range(5):
        audio = file_to_file(tmp_path, voice)
        if audio["xruns"] == 0:
            break
    assert audio["xruns"] == 0
    heard, rate = soundfile.read(tmp_path / "out.wav", dtype="float32")
    assert rate == RATE
    loud = np.flatnonzero(np.abs(heard) > 0.3)
    came = loud[np.flatnonzero(np.diff(loud, prepend=-RATE) > 1000)]
    said = np.sort([click + turn * RATE for turn in range(3) for click in clicks])
    late = [(at - said[said <= at].max()) / RATE * 1e3 for at in came]
    assert len(late) >= 3
    assert np.abs(np.array(late) - audio["latency"]).max() < 1.0, (late, audio)


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
        return len(beats) >= 4 and any("microphone" in getattr(e, "what", "") or isinstance(e, Note) for e in events)

    follow(process, enough)
    assert process.stop(8.0)


def test_none_is_nothing() -> None:
    assert NoMicrophone().read() is None
    NoSpeaker().write(np.zeros((1, 1), np.float32))
