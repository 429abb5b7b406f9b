"""Changing voices: nothing missing, no click, one latency before, during and after."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from live.show.show_file import PRESET_NAMES, VOICE_PRESETS
from live.sound.delay import Delay
from live.sound.mixer import Dry, MixedBlock, Silence, VoiceMixer
from live.sound.presets import preset_voices
from live.sound.voice import Voice
from live.sound.voices import open_voice, voice_latency_samples

RATE, BLOCK = 48_000, 480


class DelayedVoice:
    """Returns its input, delayed; counts the samples it was fed."""

    def __init__(self, latency: int, context: int = 0, gain: float = 1.0) -> None:
        self.name = f"late by {latency}"
        self.latency_samples, self.context, self._gain = latency, context, gain
        self.reset()

    def reset(self) -> None:
        self._held = np.zeros(self.latency_samples, np.float32)
        self.fed = 0

    def process(self, samples: np.ndarray) -> np.ndarray:
        self.fed += len(samples)
        both = np.concatenate([self._held, samples])
        self._held = both[len(samples) :]
        return np.float32(self._gain) * both[: len(samples)]

    def set(self, name: str, value: float) -> bool:
        return False


def run_blocks(mixer: VoiceMixer, sound: np.ndarray) -> Iterator[MixedBlock]:
    return (mixer.process(sound[at : at + BLOCK]) for at in range(0, len(sound), BLOCK))


def run(mixer: VoiceMixer, sound: np.ndarray) -> np.ndarray:
    return np.concatenate([block.samples for block in run_blocks(mixer, sound)])


def speech(data: Path, seconds: float) -> np.ndarray:
    parts = []
    for path in sorted((data / "speech" / "ljspeech").glob("*.wav")):
        samples, own = soundfile.read(path, dtype="float32")
        parts.append(soxr.resample(samples, own, RATE))
    whole = np.concatenate(parts).astype(np.float32)
    return np.resize(whole, round(seconds * RATE) // BLOCK * BLOCK)


def test_every_voice_has_the_latency_of_the_show() -> None:
    rng = np.random.default_rng(0)
    sound = rng.normal(0, 0.1, 200 * BLOCK).astype(np.float32)
    for voice in (Dry(), DelayedVoice(700, 3000), DelayedVoice(1500)):
        mixer = VoiceMixer(RATE, BLOCK, 1500, real_time=False)
        mixer.change(voice, 0.0)
        played = run(mixer, sound)
        after = slice(60 * BLOCK, 200 * BLOCK)
        assert np.allclose(played[after], sound[60 * BLOCK - 1500 : 200 * BLOCK - 1500], atol=1e-6)


def test_voice_has_its_context_when_it_comes_on() -> None:
    """It was fed its whole context before its fade begins, and no sound is missing meanwhile."""
    sound = np.random.default_rng(0).normal(0, 0.1, 400 * BLOCK).astype(np.float32)
    mixer = VoiceMixer(RATE, BLOCK, 2000, real_time=False)
    mixer.change(Dry(), 0.0)
    run(mixer, sound[: 200 * BLOCK])
    late = DelayedVoice(2000, context=9000)
    mixer.change(late, 0.0, 5)
    blocks, fed = [], []
    for block in run_blocks(mixer, sound[200 * BLOCK :]):
        blocks.append(block)
        fed.append(late.fed)
    assert fed[[block.arrived for block in blocks].index((5,))] >= 9000
    played = np.concatenate([block.samples for block in blocks])
    # Two equal voices add up to more in the middle of an equal-power fade, never to less.
    original = sound[200 * BLOCK - 2000 : 400 * BLOCK - 2000]
    assert (np.abs(played) >= np.abs(original) - 1e-6).all()
    assert (np.abs(played) <= 1.5 * np.abs(original) + 1e-6).all()


def test_power_is_constant_through_a_fade() -> None:
    """Two uncorrelated voices: the power stays the same, within 0.7 dB at every moment."""
    rng = np.random.default_rng(3)
    sound = rng.normal(0, 0.1, 600 * BLOCK).astype(np.float32)

    class NoiseVoice(Dry):
        def process(self, samples: np.ndarray) -> np.ndarray:
            return rng.normal(0, 0.1, len(samples)).astype(np.float32)

    mixer = VoiceMixer(RATE, BLOCK, 0, real_time=False)
    mixer.change(Dry(), 0.0)
    run(mixer, sound[: 10 * BLOCK])
    mixer.change(NoiseVoice("noise"), 4.0)
    played = run(mixer, sound[10 * BLOCK :])
    power = np.square(played).reshape(-1, 10 * BLOCK).mean(axis=1)
    assert np.abs(10 * np.log10(power / 0.01)).max() < 0.7


def test_newest_request_wins() -> None:
    sound = np.ones(300 * BLOCK, np.float32)
    mixer = VoiceMixer(RATE, BLOCK, 0, real_time=False)
    mixer.change(DelayedVoice(0, gain=0.2), 0.0)
    run(mixer, sound[: 20 * BLOCK])
    arrived = []
    for cue, gain in enumerate((0.4, 0.6, 0.8)):
        mixer.change(DelayedVoice(0, gain=gain), 1.0, cue)
        arrived.append(mixer.process(sound[:BLOCK]).arrived)
    blocks = list(run_blocks(mixer, sound))
    arrived += [block.arrived for block in blocks]
    assert [cues for cues in arrived if cues] == [(0,), (2,)]
    assert blocks[-1].samples[-1] == pytest.approx(0.8)
    assert not mixer.fading


def test_voice_slower_than_the_mixer_is_refused() -> None:
    with pytest.raises(ValueError, match="slower"):
        VoiceMixer(RATE, BLOCK, 100).change(DelayedVoice(101), 0.0)


def test_latency_is_raised_and_never_lowered() -> None:
    sound = np.random.default_rng(0).normal(0, 0.1, 90 * BLOCK).astype(np.float32)
    mixer = VoiceMixer(RATE, BLOCK, 1000, real_time=False)
    mixer.change(DelayedVoice(1000), 0.0)
    played = []
    for latency, late in ((1000, 1000), (200, 1000), (1500, 1500)):
        mixer.raise_latency(latency)
        assert mixer.latency_samples == late
        begin = len(played) * 30 * BLOCK
        played.append(run(mixer, sound[begin : begin + 30 * BLOCK]))
        settled = slice(begin + 20 * BLOCK, begin + 30 * BLOCK)
        original = sound[settled.start - late : settled.stop - late]
        assert np.allclose(np.concatenate(played)[settled], original, atol=1e-6)


def test_the_voice_that_is_on_stage_arrives_with_the_next_block() -> None:
    mixer, voice = VoiceMixer(RATE, BLOCK, 0), Dry()
    mixer.change(voice, 0.0, 1)
    mixer.change(voice, 0.0, 2)
    arrived = [mixer.process(np.ones(BLOCK, np.float32)).arrived for _ in range(3)]
    assert arrived == [(2,), (), ()], "the request before it never came on"
    while mixer.fading:
        mixer.process(np.ones(BLOCK, np.float32))
    mixer.change(voice, 0.0, 3)
    assert mixer.process(np.ones(BLOCK, np.float32)).arrived == (3,)


class RaisingVoice(Dry):
    """Raises from the moment it is told to."""

    raises = True

    def process(self, samples: np.ndarray) -> np.ndarray:
        if self.raises:
            raise RuntimeError("gone")
        return samples


ONES = np.ones(BLOCK, np.float32)


def test_a_voice_that_raises_takes_no_cue_with_it() -> None:
    mixer, voice = VoiceMixer(RATE, BLOCK, 0), RaisingVoice()
    mixer.change(voice, 0.0, 7)
    mixed = mixer.process(ONES)
    assert mixed.arrived == (7,)
    assert [(failure.voice, failure.why) for failure in mixed.failures] == [(voice, "gone")]
    assert mixed.lost
    assert not mixer.process(ONES).failures, "it is off the stage"


def test_an_old_voice_that_raises_does_not_take_the_new_one_with_it() -> None:
    mixer, old, new = VoiceMixer(RATE, BLOCK, 0), RaisingVoice("old"), DelayedVoice(0)
    old.raises = False
    mixer.change(old, 0.0)
    run(mixer, np.ones(20 * BLOCK, np.float32))
    mixer.change(new, 5.0, 3)
    assert mixer.process(ONES).arrived == (3,)
    old.raises = True
    failed = mixer.process(ONES)
    assert [failure.voice for failure in failed.failures] == [old]
    assert not failed.lost
    blocks = list(run_blocks(mixer, np.ones(10 * BLOCK, np.float32)))
    assert blocks[-1].samples[-1] == 1.0, "the new one is there at once"
    assert not any(block.failures or block.lost for block in blocks)


def test_a_new_voice_that_raises_leaves_the_old_one_on_stage() -> None:
    mixer, old, new = VoiceMixer(RATE, BLOCK, 0), DelayedVoice(0), RaisingVoice("new")
    new.context = 100 * BLOCK
    mixer.change(old, 0.0)
    run(mixer, np.ones(20 * BLOCK, np.float32))
    mixer.change(new, 0.0, 3)
    failed = mixer.process(ONES)
    assert [failure.voice for failure in failed.failures] == [new]
    assert (failed.lost, failed.arrived) == (False, (3,))
    assert np.array_equal(failed.samples, ONES)


@pytest.mark.parametrize("value", [np.nan, np.inf, 2.9e38, -4.1])
def test_what_is_no_sound_gives_the_voice_up(value: float) -> None:
    mixer, voice = VoiceMixer(RATE, BLOCK, 0), DelayedVoice(0, gain=value)
    mixer.change(voice, 0.0)
    mixed = mixer.process(ONES)
    assert [failure.voice for failure in mixed.failures] == [voice]
    assert not mixed.samples.any()


def test_cut_removes_a_failed_voice_at_once() -> None:
    mixer = VoiceMixer(RATE, BLOCK, 0)
    mixer.change(DelayedVoice(0), 1.0)
    mixer.process(np.ones(BLOCK, np.float32))
    mixer.cut(Silence("silence"))
    assert not mixer.process(np.ones(BLOCK, np.float32)).samples.any()


def test_two_hundred_changes_on_real_speech(data: Path) -> None:
    """Among bypass and presets, at random moments: no sample missing, and no jump larger than in the speech nearby."""
    names = ["bypass", "octave-down", "whisper", "child-quick", "giant-quick", "bypass", "robot", "octave-up-quick"]
    voices: list[Voice] = [open_voice(name, RATE, BLOCK) for name in names]
    latency = max(voice.latency_samples for voice in voices)
    mixer = VoiceMixer(RATE, BLOCK, latency, real_time=False)
    sound = speech(data, 48.0)
    rng = np.random.default_rng(7)
    changed, played, came = 0, [], []
    mixer.change(voices[0], 0.0)
    for number, at in enumerate(range(0, len(sound), BLOCK)):
        if number > 20 and not mixer.fading and changed < 200 and rng.random() < 0.3:
            changed += 1
            mixer.change(voices[changed % len(voices)], float(rng.choice([0.0, 0.0, 0.05])), at)
        mixed = mixer.process(sound[at : at + BLOCK])
        played.append(mixed.samples)
        came += mixed.arrived
    output = np.concatenate(played)
    assert changed == 200
    assert len(came) >= 199
    assert len(output) == len(sound)
    assert np.isfinite(output).all()
    # A click is a jump of the slope far beyond those of the 20 ms around it.
    jumps = np.abs(np.diff(output, 2))
    for at in came:
        here = jumps[at : at + 2 * BLOCK].max()
        around = np.concatenate([jumps[max(at - 6 * BLOCK, 0) : at], jumps[at + 2 * BLOCK : at + 8 * BLOCK]]).max()
        assert here < max(4.0 * around, 0.02), (at / RATE, here, around)


def test_delay_changes_without_a_click() -> None:
    delay = Delay(0, RATE)
    tone = 0.5 * np.sin(2 * np.pi * 200 * np.arange(100 * BLOCK) / RATE).astype(np.float32)
    played = []
    for at in range(0, len(tone), BLOCK):
        if at == 50 * BLOCK:
            delay.set(777)
        played.append(delay.process(tone[at : at + BLOCK]))
    output = np.concatenate(played)
    assert np.array_equal(output[: 50 * BLOCK], tone[: 50 * BLOCK])
    assert np.allclose(output[51 * BLOCK :], tone[51 * BLOCK - 777 : -777])
    assert np.abs(np.diff(output)).max() < 2.5 * np.abs(np.diff(tone)).max()


def test_the_show_knows_every_preset() -> None:
    assert set(VOICE_PRESETS) == {"bypass", "silence", *preset_voices()}
    assert {f"{name}-quick" for name in PRESET_NAMES} < set(VOICE_PRESETS)


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_latencies_of_the_presets(rate: int) -> None:
    """Block, set point of two blocks and limiter included: WORLD within 100 ms, the quick ones within 40."""
    for name in PRESET_NAMES:
        block = rate // 100
        assert (3 * block + voice_latency_samples(name, rate, block)) / rate + 0.001 <= 0.100
        block = rate // 200
        assert (3 * block + voice_latency_samples(f"{name}-quick", rate, block)) / rate + 0.001 <= 0.040


def test_unknown_voice_is_refused_in_one_line() -> None:
    with pytest.raises(ValueError, match='no voice "octave-sideways": choose one of bypass'):
        open_voice("octave-sideways", RATE, BLOCK)
