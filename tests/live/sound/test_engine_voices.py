"""Voices in the sound engine that are late, slow or failing, and their parameters."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from live.process.messages import (
    AudioChunk,
    Event,
    Go,
    Note,
    OnStage,
    Prepare,
    Refused,
    Reload,
    SetParameter,
)
from live.sound.engine import SoundEngine
from live.sound.mixer import Dry
from live.sound.null_devices import NullMicrophone
from models.features.types import Mono
from tests.live.sound.engine_rig import (
    BLOCK,
    LIMITER,
    RATE,
    SETTINGS,
    STEEPEST,
    ManualClock,
    RecordingSpeaker,
    ScriptedVoice,
    go,
    make_rig,
    rig_on_stage,
    run_blocks,
    write_tone,
)


def refusal(engine: SoundEngine, sent: list[Event], voice: str) -> str:
    """The reason for which the engine refuses this voice."""
    engine.handle(Prepare(voice))
    until = time.monotonic() + 5
    while not sent and time.monotonic() < until:
        engine.send_events()
        time.sleep(0.005)
    engine.close()
    assert isinstance(sent[0], Refused)
    return sent[0].why


def fail(samples: Mono) -> Mono:
    raise RuntimeError("the network\nis gone")


@pytest.mark.parametrize("sound_miss", ["dry", "silence"])
@pytest.mark.parametrize(
    ("function", "why"),
    [(fail, "the network is gone"), (lambda s: s * np.float32(np.nan), "no sound")],
    ids=["raises", "nan"],
)
def test_failing_voice_is_replaced_and_noted(
    tmp_path: Path, sound_miss: str, function: Callable[[Mono], Mono], why: str
) -> None:
    voice = ScriptedVoice(lambda samples: samples)
    engine, clock, speaker, sent = rig_on_stage(tmp_path, voice, sound_miss)
    voice.function = function
    speaker.buffered = 0.0  # the loudspeaker is about to run dry
    run_blocks(engine, clock, 20)
    engine.close()
    assert len(speaker.blocks) == 30, "one block is written for each that is read"
    (note,) = [event.text for event in sent if isinstance(event, Note)]
    assert "scripted.onnx" in note
    assert why in note
    level = np.abs(speaker.sound[20 * BLOCK :]).max()
    assert level == pytest.approx(0.5, abs=0.01) if sound_miss == "dry" else level == 0.0
    assert np.isfinite(speaker.sound).all()
    assert np.abs(np.diff(speaker.sound)).max() < 4 * STEEPEST, "no click"
    assert engine.metrics().deadline_misses == 1


def test_cue_parameters_reach_the_voice_and_pitch_is_eased(tmp_path: Path) -> None:
    received: list[tuple[str, float]] = []

    class ReceivingVoice(Dry):
        def set(self, name: str, value: float) -> bool:
            received.append((name, value))
            return name in ("pitch", "formant", "source", "room")

    engine, clock, _, sent = rig_on_stage(tmp_path, ReceivingVoice("learned"))
    engine.handle(Go(1, "scripted.onnx", 0.1, {"sound/source": 2.0, "sound/room": -12.0, "sound/pitch": -4.0}))
    run_blocks(engine, clock, 15)
    assert ("source", 2.0) in received
    assert ("room", -12.0) in received
    pitches = [value for name, value in received if name == "pitch"]
    assert pitches[-1] == -4.0
    assert len({value for value in pitches if -4.0 < value < 0.0}) > 5, "on its way, block by block"
    received.clear()
    engine.handle(Go(2, "scripted.onnx", 0.0, {}))
    run_blocks(engine, clock, 3)
    engine.close()
    assert ("source", 0.0) in received
    assert ("room", 0.0) in received
    assert [value for name, value in received if name == "pitch"][-1] == 0.0
    assert not any(isinstance(event, Note) for event in sent)


def test_late_voice_is_replaced_by_the_time_aligned_dry_signal(tmp_path: Path) -> None:
    """A voice thread that blocks: dry blocks are played at their right times, and the voice again when it goes on."""
    write_tone(tmp_path / "tone.wav")
    blocked, go_on = threading.Event(), threading.Event()

    def function(samples: Mono) -> Mono:
        if blocked.is_set():
            go_on.wait(5.0)
        return samples

    ready = threading.Event()
    engine, clock, speaker, sent = make_rig(
        tmp_path / "tone.wav", load=lambda key: ScriptedVoice(function), wake=ready.set
    )
    go(engine, sent, "scripted.onnx")

    def until_played(blocks: int) -> None:
        end = time.monotonic() + 5
        while len(speaker.blocks) < blocks and time.monotonic() < end:
            engine.step()
            time.sleep(0.0005)

    for number in range(1, 21):
        clock.at += BLOCK / RATE
        until_played(number)
    blocked.set()
    speaker.buffered = 0.0
    for number in range(21, 26):
        clock.at += BLOCK / RATE
        until_played(number)
    assert engine.metrics().deadline_misses >= 4
    blocked.clear()
    go_on.set()
    speaker.buffered = 0.02
    for number in range(26, 60):
        clock.at += BLOCK / RATE
        until_played(number)
    engine.close()
    sound, _ = soundfile.read(tmp_path / "tone.wav", dtype="float32")
    output = speaker.sound[6 * BLOCK :]
    assert np.abs(output - sound[6 * BLOCK - LIMITER : 59 * BLOCK - LIMITER]).max() < 0.6, "at its place"
    assert np.allclose(output[30 * BLOCK :], sound[36 * BLOCK - LIMITER : 59 * BLOCK - LIMITER], atol=1e-6)
    assert np.abs(np.diff(output)).max() < 4 * STEEPEST, "no click"


def test_voice_too_slow_for_the_machine_is_refused(tmp_path: Path) -> None:
    write_tone(tmp_path / "tone.wav")
    slow = ScriptedVoice(lambda samples: samples)
    slow.process = lambda samples: (time.sleep(0.012), samples)[1]  # type: ignore[method-assign]
    sent: list[Event] = []
    engine = SoundEngine(
        SETTINGS, NullMicrophone(), RecordingSpeaker(), sent.append, ManualClock(), load=lambda key: slow
    )
    assert "too slow for this machine" in refusal(engine, sent, "slow.onnx")


def test_voice_that_became_too_slow_is_replaced(tmp_path: Path) -> None:
    engine, clock, speaker, sent = rig_on_stage(tmp_path, ScriptedVoice(lambda samples: samples))
    engine._runner.results = list  # type: ignore[method-assign]
    speaker.buffered = 0.0
    run_blocks(engine, clock, 180)
    engine.close()
    assert any(isinstance(event, Note) and "too slow" in event.text for event in sent)
    assert engine.metrics().voice == "bypass"


def test_a_cue_tells_how_many_blocks_were_late_before_it_was_heard(tmp_path: Path) -> None:
    then = ScriptedVoice(lambda samples: samples)
    engine, clock, speaker, sent = rig_on_stage(tmp_path, ScriptedVoice(lambda samples: samples), then=then)
    go(engine, sent, "then.onnx", cue=1)
    results = engine._runner.results
    engine._runner.results = list  # type: ignore[method-assign]
    speaker.buffered = 0.0
    run_blocks(engine, clock, 3)
    engine._runner.results = results  # type: ignore[method-assign]
    run_blocks(engine, clock, 2)
    engine.close()
    gaps = [(event.cue_index, event.gap_samples) for event in sent if isinstance(event, OnStage)]
    assert gaps == [(0, 0), (1, 3 * BLOCK)], "late, the block brings its cue all the same"


def test_without_a_microphone_a_cue_is_on_stage_at_once() -> None:
    sent: list[Event] = []
    engine = SoundEngine(SETTINGS, NullMicrophone(), RecordingSpeaker(), sent.append, ManualClock())
    go(engine, sent, "bypass", cue=2)
    engine.close()
    assert [event.cue_index for event in sent if isinstance(event, OnStage)] == [2]


def test_voice_slower_than_the_show_is_refused(tmp_path: Path) -> None:
    late = ScriptedVoice(lambda samples: samples)
    late.latency_samples = 5000
    sent: list[Event] = []
    engine = SoundEngine(
        SETTINGS, NullMicrophone(), RecordingSpeaker(), sent.append, ManualClock(), load=lambda key: late
    )
    assert "late.onnx is 104 ms late, and this show's sound 0 ms" in refusal(engine, sent, "late.onnx")


def test_reloaded_show_with_a_slower_voice_raises_the_latency(tmp_path: Path) -> None:
    engine, clock, speaker, _ = rig_on_stage(tmp_path, Dry(), voices=("bypass",))
    assert engine.metrics().latency_parts_ms["voice"] == 0.0
    engine.handle(Reload(1.0, 0.5, None, "silence", True, ("bypass", "whisper")))
    run_blocks(engine, clock, 20)
    late = round(engine.metrics().latency_parts_ms["voice"] * RATE / 1e3)
    assert late > 1000
    sound, _ = soundfile.read(tmp_path / "tone.wav", dtype="float32")
    assert np.allclose(
        speaker.sound[15 * BLOCK :], sound[15 * BLOCK - late - LIMITER : 30 * BLOCK - late - LIMITER], atol=1e-6
    )
    assert np.abs(np.diff(speaker.sound)).max() < 2 * STEEPEST
    engine.close()


def test_reloaded_show_with_faster_voices_keeps_the_latency(tmp_path: Path) -> None:
    slow = ScriptedVoice(lambda samples: samples)
    slow.latency_samples = 1000
    fast = ScriptedVoice(lambda samples: samples)
    engine, clock, _, sent = rig_on_stage(tmp_path, slow, then=fast, voices=("whisper",))
    late = engine.metrics().latency_parts_ms["voice"]
    go(engine, sent, "fast.onnx", cue=1, transition_s=0.2)
    run_blocks(engine, clock, 5)
    engine.handle(Reload(1.0, 0.5, None, "dry", True, ("bypass",)))
    run_blocks(engine, clock, 30)
    assert engine.metrics().voice == "fast.onnx"
    assert not any(isinstance(event, Note) for event in sent)
    assert engine.metrics().latency_parts_ms["voice"] == late
    engine.close()


def test_played_sound_is_sent_to_the_recorder(tmp_path: Path) -> None:
    engine, clock, speaker, sent = rig_on_stage(tmp_path, Dry(), recorded=True)
    run_blocks(engine, clock, 20)
    engine.close()
    chunks = [event for event in sent if isinstance(event, AudioChunk)]
    assert np.array_equal(np.concatenate([np.frombuffer(chunk.samples, "<f4") for chunk in chunks]), speaker.sound)
    ends = [chunk.at + len(chunk.samples) / 4 / RATE for chunk in chunks]
    assert np.allclose(ends[:-1], [chunk.at for chunk in chunks[1:]], atol=1e-6)
    assert chunks[0].at == pytest.approx(100.0 + BLOCK / RATE)


@pytest.mark.parametrize(
    "sound",
    [np.full(RATE, np.nan), np.random.default_rng(0).uniform(-1, 1, RATE) * 30, np.zeros(RATE)],
    ids=["nan", "far beyond full scale", "silence"],
)
@pytest.mark.parametrize("voice", ["octave-down", "child-quick", "bypass"])
def test_bad_input_stays_bounded(tmp_path: Path, sound: np.ndarray, voice: str) -> None:
    soundfile.write(tmp_path / "in.wav", sound, RATE, "FLOAT")
    engine, clock, speaker, sent = make_rig(tmp_path / "in.wav", replace(SETTINGS, voices=(voice,)))
    go(engine, sent, voice)
    engine.handle(SetParameter("sound/gain", 24.0))
    run_blocks(engine, clock, 60)
    engine.close()
    assert np.isfinite(speaker.sound).all()
    assert np.abs(speaker.sound).max() <= 10 ** (-1 / 20) + 1e-6
    if not sound.any():
        assert np.abs(speaker.sound).max() < 1e-3


@pytest.mark.parametrize("name", ["sound/wait_s", "sound/gain", "sound/pitch", "sound/gate", "sound/colour"])
@pytest.mark.parametrize("value", [1e306, -1e306, float("nan"), float("inf")])
def test_a_bad_value_ends_nothing(tmp_path: Path, name: str, value: float) -> None:
    engine, clock, speaker, _ = rig_on_stage(tmp_path, Dry())
    engine.handle(SetParameter(name, value))
    engine.handle(Go(1, "scripted.onnx", 0.0, {name: value}))
    run_blocks(engine, clock, 5)
    engine.close()
    assert np.isfinite(speaker.sound).all()
    assert len(speaker.blocks) == 15


def test_an_old_voice_that_fails_is_told_and_the_new_one_goes_on(tmp_path: Path) -> None:
    old, new = ScriptedVoice(lambda samples: samples), ScriptedVoice(lambda samples: np.float32(0.5) * samples)
    engine, clock, speaker, sent = rig_on_stage(tmp_path, old, then=new)
    go(engine, sent, "new.onnx", cue=1, transition_s=5.0)
    run_blocks(engine, clock, 5)
    old.function = fail
    run_blocks(engine, clock, 20)
    engine.close()
    (note,) = [event.text for event in sent if isinstance(event, Note)]
    assert note == "voice scripted.onnx: the network is gone; it was fading out"
    assert engine.metrics().voice == "new.onnx"
    assert np.abs(speaker.sound[-5 * BLOCK :]).max() == pytest.approx(0.25, abs=0.01)


def test_a_voice_that_diverges_is_not_heard_as_numbers_that_are_no_sound(tmp_path: Path) -> None:
    voice = ScriptedVoice(lambda samples: samples)
    engine, clock, speaker, sent = rig_on_stage(tmp_path, voice, "silence")
    engine.handle(SetParameter("sound/gain", 6.0))
    voice.function = lambda samples: np.full_like(samples, 2.9e38)
    run_blocks(engine, clock, 5)
    engine.handle(SetParameter("sound/mute", 1.0))
    run_blocks(engine, clock, 5)
    engine.close()
    assert np.isfinite(speaker.sound).all()
    assert any(isinstance(event, Note) and "far beyond full scale" in event.text for event in sent)
