"""The voice without a vocoder: its network's input and timing, the effect of its predictions, and no clicks."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import pyworld
import soundfile
import soxr

from models.features.block_adapter import BlockAdapter, streamed
from models.features.filtered_voice import SAMPLE_RATE, FilteredVoice
from models.features.room_tone import RoomTone
from models.features.speech import MCEPS
from models.features.types import Mono

LATE, HOP = 240, 80
Says = Callable[[int, float], tuple[np.ndarray, float]]


class Scripted:
    """A network with the answers a test needs."""

    context = 0

    def __init__(self, says: Says, lookahead: int = LATE) -> None:
        self.lookahead, self._says = lookahead, says
        self.heard: list[tuple[int, float]] = []
        self.ended = 0

    def predict(self, samples: Mono, lf0: float) -> tuple[np.ndarray, float]:
        self.ended += len(samples)
        self.heard.append((self.ended - self.lookahead, lf0))
        return self._says(*self.heard[-1])

    def reset(self) -> None:
        self.ended = 0
        self.heard.clear()

    def set(self, name: str, value: float) -> bool:
        return name == "source"


def nothing(at: int, lf0: float) -> tuple[np.ndarray, float]:
    return np.zeros(MCEPS, np.float32), lf0


def a_fifth_up(at: int, lf0: float) -> tuple[np.ndarray, float]:
    return np.zeros(MCEPS, np.float32), lf0 + float(np.log(1.5))


def restless(at: int, lf0: float) -> tuple[np.ndarray, float]:
    """Another filter and another pitch with each hop."""
    rng = np.random.default_rng(abs(at))
    return (rng.standard_normal(MCEPS) / np.arange(1, MCEPS + 1)).astype(np.float32), lf0 + 0.1 * rng.standard_normal()


@cache
def _read(path: Path) -> Mono:
    samples, rate = soundfile.read(path, dtype="float32")
    assert rate == SAMPLE_RATE
    return np.asarray(samples[rate // 2 : 3 * rate], np.float32)


@pytest.fixture
def woman(data: Path) -> Mono:
    return _read(data / "speech" / "librispeech_test-other" / "1998-15444-0001.flac")


def played(says: Says, sound: Mono, block: int = HOP) -> Mono:
    """With its latency removed."""
    return streamed(BlockAdapter(FilteredVoice(Scripted(says)), "test", SAMPLE_RATE, block), sound, block)


def test_where_nothing_is_asked_the_sound_comes_as_it_was_and_as_late_as_declared(woman: Mono) -> None:
    voice = BlockAdapter(FilteredVoice(Scripted(nothing)), "test", SAMPLE_RATE, HOP)
    assert voice.latency_samples == LATE
    output = voice.process(woman[: len(woman) // HOP * HOP])
    np.testing.assert_allclose(output[LATE:], woman[: len(output) - LATE], atol=1e-5)


def test_the_targets_room_tone_replaces_the_performers(woman: Mono) -> None:
    """A hum of 50 Hz under a woman's voice is gone; the target's is there, or nothing where it is off."""
    at = np.arange(len(woman)) / SAMPLE_RATE
    humming = (woman + 0.02 * np.sin(2 * np.pi * 50 * at)).astype(np.float32)

    def below(sound: Mono) -> tuple[float, float]:
        """Power at 50 Hz, and between 60 and 90."""
        power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
        hz = np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE)
        return float(power[np.abs(hz - 50) < 3].sum()), float(power[(hz > 60) & (hz < 90)].sum())

    def through(level_db: float) -> Mono:
        voice = FilteredVoice(Scripted(nothing), RoomTone(SAMPLE_RATE, [-90.0, -90.0, -20.0, -20.0, -90.0]))
        voice.set("room", level_db)
        return streamed(BlockAdapter(voice, "test", SAMPLE_RATE, HOP), humming, HOP)

    (hum, least), (left, heard), (_, none) = below(humming), below(through(0.0)), below(through(-60.0))
    assert left < 0.02 * hum
    assert heard > 10 * none
    assert none < least


def test_the_network_gets_the_pitch_of_the_sound_it_predicts() -> None:
    """A voice that rises an octave a second: 15 ms off would be 18 cents."""
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    turns = 120 * (2**time - 1) / np.log(2)
    buzz = sum(np.cos(2 * np.pi * k * turns) for k in range(1, 9)) / 16
    network = Scripted(nothing)
    voice = FilteredVoice(network)
    for begin in range(0, len(buzz), HOP):
        voice.process_hop(buzz[begin : begin + HOP].astype(np.float32))
    at, lf0 = (np.array(column) for column in zip(*network.heard, strict=True))
    known = (lf0 > 0) & (at > 0.1 * SAMPLE_RATE)
    assert known.sum() > 0.95 * (at > 0.1 * SAMPLE_RATE).sum()
    off = (lf0 - np.log(120) - np.log(2) * at / SAMPLE_RATE)[known] * 1200 / np.log(2)
    assert abs(np.median(off)) < 9
    assert np.percentile(np.abs(off), 95) < 20


def test_the_pitch_lands_where_it_is_to_be(woman: Mono) -> None:
    output = played(a_fifth_up, woman)
    before, after = (pyworld.harvest(sound.astype(np.float64), SAMPLE_RATE)[0] for sound in (woman, output))
    both = (before > 0) & (after > 0)
    assert both.sum() > 0.7 * (before > 0).sum()
    assert abs(1200 * np.median(np.log2(after[both] / before[both])) - 702) < 20


def test_the_filter_is_aligned_with_the_sound_it_was_predicted_for(woman: Mono) -> None:
    """Twice as loud from one sample on, which is found in the output."""
    change = np.zeros(MCEPS, np.float32)
    change[0] = 4.0
    begins = 16000

    def louder(at: int, lf0: float) -> tuple[np.ndarray, float]:
        return change * (at >= begins), lf0

    output, as_it_was = played(louder, woman), played(nothing, woman)
    assert np.array_equal(output[: begins - HOP], as_it_was[: begins - HOP])
    gain = np.abs(output[begins:]).sum() / np.abs(as_it_was[begins:]).sum()
    assert gain > 1.2
    np.testing.assert_allclose(output[begins + 300 :], gain * as_it_was[begins + 300 :], atol=0.01)


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
def test_the_output_does_not_depend_on_the_blocks(woman: Mono, rate: int) -> None:
    sound = soxr.resample(woman[:8000], SAMPLE_RATE, rate).astype(np.float32)

    def generated(block: int) -> BlockAdapter:
        return BlockAdapter(FilteredVoice(Scripted(restless)), "test", rate, block)

    for block in (128, 240, 441, 512):
        count = len(sound) // block * block
        blocks = generated(block)
        output = np.concatenate([blocks.process(sound[at : at + block]) for at in range(0, count, block)])
        assert np.abs(output).max() > 0.02
        np.testing.assert_array_equal(output, generated(block).process(sound[:count]))


def test_it_is_as_late_as_the_house_allows() -> None:
    """Block, two in hand, the limiter's millisecond and the voice: within 40 ms."""
    voice = BlockAdapter(FilteredVoice(Scripted(nothing)), "test", 48000, 240)
    assert 1e3 * (3 * 240 + 48 + voice.latency_samples) / 48000 <= 33.0


def test_no_click_however_the_filter_changes(woman: Mono) -> None:
    """Kinks at the borders of hops are no sharper than within hops."""
    output = played(restless, woman)
    kinks = np.abs(np.diff(output, 2))[HOP - 2 :]
    hops = kinks[: len(kinks) // HOP * HOP].reshape(-1, HOP)
    loud = hops.max(axis=1) > np.quantile(hops.max(axis=1), 0.5)
    borders, within = hops[loud, :2].max(axis=1), hops[loud, 2:].max(axis=1)
    assert (borders > within).mean() < 0.1
    assert (borders / within).max() < 2.5


def test_pitch_and_formant_are_the_operators_too(woman: Mono) -> None:
    voice = BlockAdapter(FilteredVoice(Scripted(nothing)), "test", SAMPLE_RATE, HOP)
    assert voice.set("pitch", 7.0)
    assert voice.set("formant", 2.0)
    assert voice.set("source", 1.0)
    assert not voice.set("breath", 1.0)
    output = streamed(voice, woman, HOP)
    before, after = (pyworld.harvest(sound.astype(np.float64), SAMPLE_RATE)[0] for sound in (woman, output))
    both = (before > 0) & (after > 0)
    assert abs(1200 * np.median(np.log2(after[both] / before[both])) - 700) < 25


def test_reset_forgets(woman: Mono) -> None:
    voice = BlockAdapter(FilteredVoice(Scripted(restless)), "test", SAMPLE_RATE, HOP)
    first = voice.process(woman[:8000])
    assert not np.array_equal(voice.process(woman[:8000]), first)
    voice.reset()
    assert np.array_equal(voice.process(woman[:8000]), first)


def test_silence_stays_silence_and_nothing_breaks_it() -> None:
    voice = FilteredVoice(Scripted(restless))
    assert not any(voice.process_hop(np.zeros(HOP, np.float32)).any() for _ in range(50))
    for sound in (np.full(HOP, 0.9, np.float32), np.eye(1, HOP, 30, dtype=np.float32)[0]):
        output = np.concatenate([voice.process_hop(sound) for _ in range(50)])
        assert np.isfinite(output).all()
        assert np.abs(output).max() <= 2.0
