"""Chunks of sound placed by their times: complete, without gaps, without clicks."""

from __future__ import annotations

import numpy as np
import pytest

from live.movie.sound_timeline import FADE_S, SILENCE_S, TOLERANCE_S, SoundTimeline
from live.process.frames import Samples

RATE = 48_000
PIECE = 1920


def hum(seconds: float, hz: float = 100.0) -> Samples:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE))[:, None].astype(np.float32)


def laid(line: SoundTimeline, pieces: list[tuple[Samples, float]]) -> Samples:
    return np.concatenate([np.zeros((0, 1), np.float32), *[p for s, at in pieces for p in line.place(s, at)]])


def pieces_of(sound: Samples, begin_s: float = 0.0) -> list[tuple[Samples, float]]:
    return [(sound[n : n + PIECE], begin_s + n / RATE) for n in range(0, len(sound), PIECE)]


def steepest(sound: Samples) -> float:
    return float(np.abs(np.diff(sound[:, 0])).max())


def test_pieces_that_follow_each_other_are_left_as_they_are() -> None:
    sound = hum(2.0)
    line = SoundTimeline(RATE)
    out = laid(line, pieces_of(sound))
    faded = round(FADE_S * RATE)
    np.testing.assert_array_equal(out[faded:], sound[faded:])
    assert line.position == len(sound)


def test_jitter_of_the_times_changes_nothing() -> None:
    sound = hum(20.0)
    random = np.random.default_rng(1)
    jittered = [(piece, at + random.uniform(-0.008, 0.008)) for piece, at in pieces_of(sound)]
    jittered[0] = jittered[0][0], 0.0
    out = laid(SoundTimeline(RATE), jittered)
    assert len(out) == len(sound)
    np.testing.assert_array_equal(out[1000:], sound[1000:])


def test_what_lies_before_the_beginning_is_cut() -> None:
    sound = hum(1.0)
    out = laid(SoundTimeline(RATE, begin=1024), pieces_of(sound, begin_s=-0.25))
    cut = round(0.25 * RATE) + 1024
    assert len(out) == len(sound) - cut
    np.testing.assert_array_equal(out[200:], sound[cut + 200 :])


@pytest.mark.parametrize("hole_s", [TOLERANCE_S + 0.001, 0.5, 3.25])
def test_an_interruption_is_silence_of_its_length(hole_s: float) -> None:
    first, second = hum(0.9975), hum(1.0)
    out = laid(SoundTimeline(RATE), [(first, 0.0), (second, 0.9975 + hole_s)])
    assert len(out) == len(first) + len(second) + round(hole_s * RATE)
    silence = out[len(first) + 100 : -len(second)]
    assert not silence.any()
    assert steepest(out) < 2 * steepest(first), "neither end clicks"


def test_silence_is_never_held_as_a_whole() -> None:
    line = SoundTimeline(RATE, 2)
    longest = max(len(piece) for piece in line.place(np.zeros((10, 2), np.float32), 600.0))
    assert longest <= SILENCE_S * RATE
    assert line.position == 600 * RATE + 10


@pytest.mark.parametrize("overlap_s", [0.025, 0.1])
def test_what_comes_twice_is_heard_once(overlap_s: float) -> None:
    first, again = hum(1.0), hum(1.0, 110)
    out = laid(SoundTimeline(RATE), [*pieces_of(first), *pieces_of(again, 1.0 - overlap_s)])
    assert len(out) == pytest.approx((2.0 - overlap_s) * RATE, abs=1)
    assert steepest(out) < 2 * steepest(again)
    np.testing.assert_array_equal(out[-RATE // 2 :], again[-RATE // 2 :])


@pytest.mark.parametrize("ppm", [-300, -50, 50, 300])
def test_slow_drift_is_taken_back_unheard(ppm: int) -> None:
    """The loudspeaker's clock is not the computer's: `at` moves away from the count of samples."""
    sound = hum(60.0)
    line = SoundTimeline(RATE)
    random = np.random.default_rng(2)
    out = []
    for piece, at in pieces_of(sound):
        heard_s = at * (1 + ppm * 1e-6)
        assert abs(line.position / RATE - heard_s) < 0.004
        out += list(line.place(piece, heard_s + random.uniform(-0.001, 0.001)))
    whole = np.concatenate(out)
    assert len(whole) / RATE == pytest.approx(60 * (1 + ppm * 1e-6), abs=0.004)
    assert steepest(whole[RATE:]) < 1.01 * steepest(sound)
    assert np.abs(whole[RATE:]).max() == pytest.approx(0.5, abs=0.01)


def test_silence_fills_what_does_not_come_and_sound_goes_on_at_its_time() -> None:
    line = SoundTimeline(RATE)
    begun = laid(line, [(hum(0.5), 0.0)])
    filled = np.concatenate(list(line.pad_to(2.0)))
    assert list(line.pad_to(1.0)) == []
    after = laid(line, [(hum(0.5), 1.9)])
    assert (len(begun), len(filled)) == (RATE // 2, 3 * RATE // 2)
    assert len(after) == round(0.4 * RATE), "what should have been heard by then is cut"
    assert line.position == round(2.4 * RATE)
