"""The sound engine, file to file, with presets: no sample missing, the latency it declares, correct counters."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from live.process.messages import (
    Note,
    OnStage,
    Panic,
    Prepare,
    Refused,
    SetParameter,
)
from live.sound.engine import SoundEngine
from live.sound.null_devices import NullMicrophone, NullSpeaker
from tests.live.sound.engine_rig import (
    BLOCK,
    LIMITER,
    RATE,
    SETTINGS,
    STEEPEST,
    ManualClock,
    Rig,
    go,
    make_rig,
    run_blocks,
    write_tone,
)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A tone into a recording loudspeaker, under a manual clock."""
    write_tone(tmp_path / "tone.wav")
    rig = make_rig(tmp_path / "tone.wav")
    yield rig
    rig.engine.close()


def test_dry_signal_is_unchanged_and_the_file_loops(rig: Rig, tmp_path: Path) -> None:
    engine, clock, speaker, sent = rig
    go(engine, sent, "bypass")
    run_blocks(engine, clock, 230)
    sound, _ = soundfile.read(tmp_path / "tone.wav", dtype="float32")
    expected = np.concatenate([sound, sound, sound])[: 230 * BLOCK]
    faded_in = round(0.05 * RATE)
    assert np.allclose(speaker.sound[faded_in + LIMITER :], expected[faded_in:-LIMITER], atol=1e-6)
    assert any(isinstance(event, OnStage) and event.cue_index == 0 for event in sent)
    metrics = engine.metrics()
    assert (metrics.blocks, metrics.xruns, metrics.deadline_misses) == (230, 0, 0)
    assert metrics.latency_ms == pytest.approx(10.0 + 1e3 * LIMITER / RATE, abs=0.01)
    assert metrics.in_peak == pytest.approx(0.5, abs=0.01)
    assert metrics.out_rms == pytest.approx(0.5 / np.sqrt(2), abs=0.01)
    audio = engine.report()["audio"]
    assert (audio["sample_rate"], audio["block"], audio["blocks"]) == (RATE, BLOCK, 230)


def test_output_is_silent_before_the_first_cue(rig: Rig) -> None:
    engine, clock, speaker, _ = rig
    run_blocks(engine, clock, 5)
    assert not speaker.sound.any()


@pytest.mark.parametrize("command", [Panic(True), SetParameter("sound/mute", 1.0), SetParameter("sound/gain", -120.0)])
def test_silence_within_three_blocks_and_without_a_click(rig: Rig, command: Panic | SetParameter) -> None:
    engine, clock, speaker, sent = rig
    go(engine, sent, "bypass")
    run_blocks(engine, clock, 10)
    engine.handle(command)
    run_blocks(engine, clock, 10)
    assert np.abs(speaker.sound[13 * BLOCK :]).max() < 1e-5
    assert np.abs(np.diff(speaker.sound)).max() < STEEPEST * 1.2, "no jump larger than the tone's own"


def test_transition_lasts_as_long_as_asked(rig: Rig) -> None:
    engine, clock, speaker, sent = rig
    go(engine, sent, "bypass")
    run_blocks(engine, clock, 10)
    go(engine, sent, "silence", 1, transition_s=0.2)
    run_blocks(engine, clock, 30)
    peaks = np.abs(speaker.sound).reshape(-1, BLOCK).max(axis=1)
    assert peaks[20] == pytest.approx(0.5 * np.sin(np.pi / 4), abs=0.04), "equal power"
    assert peaks[31:].max() == 0.0


def test_unknown_voice_is_refused_and_unknown_parameter_noted(rig: Rig) -> None:
    engine, _, _, sent = rig
    engine.handle(Prepare("/somewhere/voice.onnx"))
    until = time.monotonic() + 5
    while not sent and time.monotonic() < until:
        engine.send_events()
    assert isinstance(sent[0], Refused)
    assert "voice.onnx" in sent[0].why
    engine.handle(SetParameter("sound/colour", 1.0))
    engine.step()
    assert isinstance(sent[-1], Note)
    assert "sound/colour" in sent[-1].text


def test_blocks_missed_during_a_suspend_are_counted(rig: Rig) -> None:
    engine, clock, speaker, sent = rig
    go(engine, sent, "bypass")
    run_blocks(engine, clock, 10)
    clock.at += 5.0
    run_blocks(engine, clock, 10)
    assert 495 <= engine.metrics().deadline_misses <= 510
    assert len(speaker.blocks) <= 22, "missed blocks are not played in a burst"


def test_file_of_another_rate_and_two_channels(tmp_path: Path) -> None:
    write_tone(tmp_path / "tone.flac.wav", 2.0, 16_000, 2)
    engine, clock, speaker, sent = make_rig(tmp_path / "tone.flac.wav")
    go(engine, sent, "bypass")
    run_blocks(engine, clock, 150)
    engine.close()
    spectrum = np.abs(np.fft.rfft(speaker.sound[RATE // 2 : RATE // 2 + RATE // 2]))
    assert np.argmax(spectrum) * 2 == pytest.approx(440, abs=4)


def test_without_a_microphone_no_figure_is_made_up() -> None:
    engine = SoundEngine(SETTINGS, NullMicrophone(), NullSpeaker(), clock=ManualClock())
    metrics, audio = engine.metrics(), engine.report()["audio"]
    engine.close()
    assert (metrics.rtf, metrics.xruns, metrics.deadline_misses, metrics.latency_ms) == (None, None, None, None)
    assert (metrics.in_peak, metrics.in_rms, metrics.out_peak, metrics.out_rms) == (None, None, None, None)
    assert (audio["rtf"], audio["xruns"], audio["deadline_misses"]) == (None, None, None)
    assert set(audio["compute"].values()) == {None}
