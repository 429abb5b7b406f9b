"""Room tone: measured, synthesised as measured, and only beside speech."""

from __future__ import annotations

import numpy as np
import pytest

from models.features.room_tone import BINS, WINDOW_S, RoomTone, room_tone

RATE = 16_000
HUM = [-40.0, -45.0, -50.0, -55.0, -60.0]


def rumble(seconds: float, seed: int, rate: int = RATE) -> np.ndarray:
    """Noise of those densities, by itself."""
    count = round(seconds * rate)
    hz = np.fft.rfftfreq(count, 1 / rate)
    density = 10 ** (np.interp(hz, np.arange(BINS.start, BINS.stop) / WINDOW_S, HUM) / 10) * (hz < 200)
    noise = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    return np.fft.irfft(noise * np.sqrt(density), count).astype(np.float32)


@pytest.mark.parametrize("rate", [16_000, 24_000])
def test_the_room_tone_lies_under_speech(rate: int) -> None:
    sounds = []
    for seed in range(6):
        sound = rumble(3.0, seed, rate)
        at = np.arange(len(sound) // 2) / rate
        sound[: len(at)] += 0.2 * np.sin(2 * np.pi * 220 * at).astype(np.float32)
        sounds.append(sound)
    assert np.abs(np.array(room_tone(sounds, rate)) - HUM).max() < 3.0


def test_what_was_measured_is_spoken() -> None:
    tone = RoomTone(RATE, HUM)
    spoken = np.concatenate([tone.push(320, True) for _ in range(500)])
    assert np.abs(np.array(room_tone([spoken[RATE:]], RATE)) - HUM).max() < 4.0  # nothing is below the lowest
    above = np.abs(np.fft.rfft(spoken)) ** 2
    hz = np.fft.rfftfreq(len(spoken), 1 / RATE)
    assert above[hz > 130].sum() < 1e-3 * above.sum()


def test_it_opens_and_closes_with_the_performer_without_a_step() -> None:
    tone = RoomTone(RATE, HUM)
    assert not tone.push(320, False).any()
    speaking = np.concatenate([tone.push(320, True) for _ in range(50)])
    after = np.concatenate([tone.push(320, False) for _ in range(100)])
    assert np.abs(speaking[RATE // 2 :]).max() > 0
    assert not after[-320:].any()
    whole = np.concatenate([speaking, after])
    assert np.abs(np.diff(whole)).max() < 0.1 * np.abs(whole).max()


def test_no_hum_is_too_loud_for_a_hall() -> None:
    tone = RoomTone(RATE, [30.0] * 5)
    spoken = np.concatenate([tone.push(320, True) for _ in range(500)])
    assert np.sqrt(np.mean(spoken**2)) <= 0.0101


def test_it_begins_anew_and_blocks_are_no_matter() -> None:
    tone = RoomTone(RATE, HUM)
    first = np.concatenate([tone.push(320, True) for _ in range(20)])
    tone.reset()
    assert np.array_equal(first, np.concatenate([tone.push(320, True) for _ in range(20)]))


def test_too_short_to_be_measured() -> None:
    assert room_tone([np.zeros(100, np.float32)], RATE) == []
    assert room_tone([], RATE) == []
    assert len(room_tone([np.zeros(RATE, np.float32)], RATE)) == 5


def test_one_who_wants_no_room_has_none() -> None:
    tone = RoomTone(RATE, HUM)
    tone.push(3200, True)
    tone.set_level_db(-60.0)
    tone.push(RATE, True)
    assert not tone.push(320, True).any()


def test_it_is_turned_down_to_a_level_and_never_up() -> None:
    tone, fainter, louder = RoomTone(RATE, HUM), RoomTone(RATE, HUM), RoomTone(RATE, HUM)
    fainter.set_level_db(-12.0)
    louder.set_level_db(20.0)
    recorded, less, more = (np.concatenate([t.push(320, True) for _ in range(50)]) for t in (tone, fainter, louder))
    assert np.allclose(less[RATE // 2 :], 10 ** (-12 / 20) * recorded[RATE // 2 :], atol=1e-7)
    assert np.array_equal(more, recorded)
