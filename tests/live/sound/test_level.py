"""Gate, limiter, gliding gain, meters: exact where they promise it, and independent of the block length."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from live.sound.level import Gate, Limiter, Meter, Ramp, amplitude, sanitise
from models.features.types import Mono

RATE = 48_000
LENGTHS = (16, 64, 128, 441, 480, 1024)


def in_blocks(process: Callable[[Mono], Mono], sound: Mono, length: int) -> Mono:
    return np.concatenate([process(sound[at : at + length]) for at in range(0, len(sound), length)])


def speech(seconds: float = 3.0, seed: int = 0) -> Mono:
    """Bursts of noise with pauses between, some of them soft."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * RATE)) / RATE
    loud = np.clip(np.sin(2 * np.pi * 0.9 * t), 0, 1) * rng.choice([0.02, 0.2, 1.0], 12)[(t * 4).astype(int) % 12]
    return (loud * rng.standard_normal(len(t)) * 0.4).astype(np.float32)


# ---- limiter


@pytest.mark.parametrize("gain_db", [0, 12, 24])
@pytest.mark.parametrize("length", [7, 128, 480])
def test_no_sample_exceeds_the_ceiling(gain_db: int, length: int) -> None:
    rng = np.random.default_rng(gain_db)
    noise = rng.uniform(-1, 1, RATE // 2)
    noise[::97] = rng.choice([-1.0, 1.0, 4.0], len(noise[::97]))
    square = np.sign(np.sin(np.arange(RATE // 4) / 50))
    sound = np.concatenate([noise, np.zeros(500), square, speech(0.5)]).astype(np.float32)
    limited = in_blocks(Limiter(RATE).process, sound * np.float32(amplitude(gain_db)), length)
    assert np.abs(limited).max() <= np.float32(amplitude(-1.0))
    assert np.abs(limited).max() > 0.85, "without losing loudness"


def test_limiter_below_the_ceiling_is_a_pure_delay() -> None:
    limiter = Limiter(RATE)
    sound = np.clip(speech(), -0.88, 0.88)
    assert limiter.latency_samples == 48
    limited = in_blocks(limiter.process, sound, 480)
    assert np.array_equal(limited[limiter.latency_samples :], sound[: -limiter.latency_samples])
    assert limiter.gain == 1.0


def test_limiter_recovers_within_its_release() -> None:
    limiter = Limiter(RATE)
    quiet = np.full(RATE // 2, 0.1, np.float32)
    limiter.process(np.full(480, 4.0, np.float32))
    limited = limiter.process(quiet)
    assert limited[200] < 0.05
    back = np.flatnonzero(limited == np.float32(0.1))[0] / RATE
    assert 0.04 < back < 0.085
    assert np.abs(np.diff(limited[limiter.latency_samples + 1 :])).max() < 1e-3, "no corner is a click"


# ---- gate


def test_gate_that_is_off_returns_its_input() -> None:
    sound = speech()
    assert Gate(RATE).process(sound) is sound


def test_gate_opens_holds_and_closes() -> None:
    gate = Gate(RATE, threshold_db=-40)
    hiss = np.full(RATE, amplitude(-60), np.float32)
    word = np.full(RATE // 2, 0.5, np.float32)
    gated = in_blocks(gate.process, np.concatenate([hiss, word, hiss]), 480)
    assert not gated[RATE - 480 : RATE].any(), "closed on hiss"
    assert gated[RATE + 240] == 0.5, "open 5 ms after the first sample"
    assert np.all(gated[RATE + 240 : RATE + len(word)] == 0.5)
    after = gated[RATE + len(word) :]
    held = round(0.15 * RATE)
    assert np.array_equal(after[: held - 1], hiss[: held - 1]), "held"
    assert not after[held + round(0.061 * RATE) :].any(), "and closed 60 ms later"


def test_hysteresis_keeps_an_open_gate_open_and_a_closed_one_closed() -> None:
    soft = np.full(RATE, amplitude(-44), np.float32)
    gate = Gate(RATE, threshold_db=-40, hysteresis_db=6)
    gate.process(np.zeros(RATE, np.float32))
    assert not gate.process(soft).any()
    gate.process(np.full(480, 0.5, np.float32))
    assert np.array_equal(gate.process(soft), soft)


def test_closed_gate_switched_off_opens_without_a_click() -> None:
    gate = Gate(RATE, threshold_db=-20)
    level = np.full(RATE, amplitude(-30), np.float32)
    assert not gate.process(level)[-1]
    gate.threshold_db = None
    gated = gate.process(level)
    assert np.abs(np.diff(gated, prepend=0.0)).max() < level[0] / 200
    assert np.array_equal(gate.process(level), level)


# ---- gain


def test_gain_glides_in_a_straight_line() -> None:
    ramp = Ramp(RATE, 0.0)
    ones = np.ones(480, np.float32)
    assert not ramp.process(ones).any()
    ramp.to(1.0, 0.02)
    first, second = ramp.process(ones), ramp.process(ones)
    assert np.allclose(np.concatenate([first, second]), np.arange(1, 961) / 960)
    assert ramp.process(ones) is ones, "at 1 it returns its input"
    ramp.to(0.5, 0.02)
    half_way = ramp.process(ones)[-1]
    ramp.to(1.0, 0.01)
    assert ramp.process(ones)[0] == pytest.approx(half_way, abs=2e-3), "a new target starts from the present gain"
    assert ramp.gain == 1.0


# ---- independent of the block length


@pytest.mark.parametrize(
    "make",
    [lambda: Gate(RATE, threshold_db=-30), lambda: Limiter(RATE, ceiling_db=-12), lambda: gliding()],
    ids=["gate", "limiter", "ramp"],
)
def test_result_is_independent_of_the_block_length(make: Callable[[], Gate | Limiter | Ramp]) -> None:
    sound = speech(1.5, seed=3)
    whole = make().process(sound)
    assert not np.array_equal(whole, sound)
    for length in LENGTHS:
        assert np.abs(in_blocks(make().process, sound, length) - whole).max() < 1e-6, length


def gliding() -> Ramp:
    ramp = Ramp(RATE, 0.1)
    ramp.to(0.9, 1.0)
    return ramp


# ---- meters and bad samples


def test_meter_shows_the_latest_sound() -> None:
    meter = Meter(RATE, window_s=0.3)
    assert (meter.peak, meter.rms) == (0.0, 0.0)
    tone = np.sin(2 * np.pi * 100 * np.arange(RATE) / RATE).astype(np.float32)[:, None]
    for block in np.split(tone, 100):
        meter.measure(block)
    assert meter.peak == pytest.approx(1.0, abs=1e-3)
    assert meter.rms == pytest.approx(np.sqrt(0.5), abs=1e-2)
    for _ in range(30):
        meter.measure(np.full((480, 1), -0.25, np.float32))
    assert (meter.peak, meter.rms) == (0.25, 0.25)


def test_bad_samples_become_silence_and_are_counted() -> None:
    good = speech(0.1)
    same, bad = sanitise(good)
    assert same is good
    assert bad == 0
    clean, bad = sanitise(np.array([0.5, np.nan, np.inf, -np.inf, 9.0, -4.0], np.float32))
    assert clean.tolist() == [0.5, 0.0, 0.0, 0.0, 4.0, -4.0]
    assert bad == 4
