"""Clock drift compensation: the sound in flight between two clocks stays constant, inaudibly."""

from __future__ import annotations

import numpy as np
import pytest

from live.sound.drift import SLEW_PPM_S, DriftControl, DriftResampler, Feed

RATE, BLOCK = 48_000, 480


def tone(hz: float, seconds: float, rate: int = RATE) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def signal_to_noise_db(sound: np.ndarray, hz: float, rate: float = RATE) -> float:
    """The level of this tone over that of everything else."""
    t = np.arange(len(sound)) / rate
    parts = np.stack([np.sin(2 * np.pi * hz * t), np.cos(2 * np.pi * hz * t)], axis=1)
    found = parts @ np.linalg.lstsq(parts, sound.astype(float), rcond=None)[0]
    return float(10 * np.log10(np.mean(found**2) / np.mean((sound - found) ** 2)))


# ---- the resampler


@pytest.mark.parametrize("ppm", [0, 300, -300, 1000, -1000])
def test_tone_is_resampled_without_distortion(ppm: int) -> None:
    resampler, ratio = DriftResampler(), 1 + ppm * 1e-6
    sound = tone(1000, 4)
    played = np.concatenate([resampler.process(block, ratio) for block in np.split(sound, 400)])
    assert abs(len(played) - len(sound) / ratio) <= 1
    assert signal_to_noise_db(played[1000:], 1000 * ratio) > 95
    spectrum = np.abs(np.fft.rfft(played[1000:97_000] * np.blackman(96_000)))
    harmonics = spectrum[[round(k * 2000 * ratio) for k in range(2, 8)]]
    assert 20 * np.log10(np.sqrt(np.sum(harmonics**2)) / spectrum.max()) < -100


@pytest.mark.parametrize(
    ("from_rate", "to_rate"), [(44_100, 48_000), (48_000, 44_100), (16_000, 48_000), (48_000, 16_000)]
)
def test_other_rate_without_distortion_and_with_the_declared_latency(from_rate: int, to_rate: int) -> None:
    ratio = from_rate / to_rate
    resampler = DriftResampler(ratio)
    sound = tone(1000, 2, from_rate)
    played = np.concatenate([resampler.process(block, ratio) for block in np.split(sound, 200)])
    assert resampler.latency_samples / from_rate <= 0.002
    begun = 2000
    assert signal_to_noise_db(played[begun:], 1000, to_rate) > 95
    asked = 0.5 * np.sin(
        2 * np.pi * 1000 * (np.arange(begun, len(played)) / to_rate - resampler.latency_samples / from_rate)
    )
    assert np.abs(played[begun:] - asked).max() < 1e-4


def test_ratio_of_one_is_a_pure_delay() -> None:
    sound = np.random.default_rng(0).standard_normal(9600).astype(np.float32)
    resampler = DriftResampler()
    played = np.concatenate([resampler.process(block, 1.0) for block in np.split(sound, 20)])
    assert np.array_equal(played[resampler.latency_samples :], sound[: -resampler.latency_samples])


def test_result_is_independent_of_the_block_length() -> None:
    sound = np.random.default_rng(0).standard_normal(9600).astype(np.float32)
    whole = DriftResampler().process(sound, 1.0003)
    for length in (64, 441, 1024):
        resampler = DriftResampler()
        parts = [resampler.process(sound[at : at + length], 1.0003) for at in range(0, len(sound), length)]
        assert np.abs(np.concatenate(parts) - whole).max() < 1e-4


def test_changing_ratio_does_not_click() -> None:
    resampler = DriftResampler()
    sound = tone(1000, 10)
    ratios = 1 + 1e-3 * np.sin(np.arange(1000) / 50)
    played = np.concatenate([resampler.process(b, r) for b, r in zip(np.split(sound, 1000), ratios, strict=True)])
    bends = np.abs(np.diff(played[100:], 3)).max()
    assert bends < 1.02 * np.abs(np.diff(sound, 3)).max()


# ---- the control, between two devices


class TwoDevices:
    """A simulated microphone and loudspeaker, each with its own clock and step size; a loop that passes whole blocks
    from one to the other, and drift control that measures at random times."""

    def __init__(self, ppm: float, in_step: int, out_step: int) -> None:
        self.ppm, self.in_step, self.out_step = ppm, in_step, out_step
        self.set_point = 2 * BLOCK + in_step + out_step
        self.control = DriftControl()
        self.at = self.updated_at = 0.0
        self.recorded = self.read = self.played = 0
        self.written = float(self.set_point)
        self.dry = 0
        self._random = np.random.default_rng(1)

    def advance(self, seconds: float) -> None:
        """Let time pass, and all that happens in it."""
        self.at += seconds
        in_rate = RATE * (1 + self.ppm * 1e-6)
        self.recorded = int(self.at * in_rate / self.in_step) * self.in_step
        played = int((self.at * RATE + 100) / self.out_step) * self.out_step
        while self.recorded - self.read >= BLOCK:
            self.read += BLOCK
            self.written += BLOCK / self.control.ratio
        if played > self.written:
            self.dry += 1
        self.played = played

    def update_control(self) -> None:
        """Update the control with the level beyond the set point."""
        excess_s = (self.recorded - self.read + self.written - self.played - self.set_point) / RATE
        self.control.update(excess_s, self.at - self.updated_at)
        self.updated_at = self.at

    @property
    def true_excess_s(self) -> float:
        """By the clocks themselves, not by the steps."""
        between = self.at * RATE * (1 + self.ppm * 1e-6) - self.read + self.written - (self.at * RATE + 100)
        return (between - self.set_point) / RATE


@pytest.mark.parametrize(("ppm", "steps"), [(300, (480, 480)), (-300, (441, 128)), (300, (256, 1024))])
def test_half_an_hour_of_two_clocks(ppm: int, steps: tuple[int, int]) -> None:
    devices = TwoDevices(ppm, *steps)
    waits = np.random.default_rng(2).uniform(0.005, 0.015, 30 * 60 * 100)
    levels, ratios = [], []
    for wait in waits:
        devices.advance(float(wait))
        devices.update_control()
        levels.append(devices.true_excess_s)
        ratios.append(devices.control.ratio)
    late, played = np.array(levels), np.array(ratios)
    settled = 2 * 60 * 100
    block_s = BLOCK / RATE
    assert devices.dry == 0
    assert np.abs(late - np.median(late)).max() < block_s, "within a block from the start"
    assert np.ptp(late[settled:]) < 0.001, "and the latency drifts by less than 1 ms"
    assert devices.control.ppm == pytest.approx(ppm, rel=0.04)
    seconds = played[settled::100] * 1e6
    assert np.abs(np.diff(seconds)).max() < SLEW_PPM_S
    assert np.std(seconds) < 20, "no wobble: a cent is 578 ppm"


def test_ratio_is_limited_and_the_integral_does_not_wind_up() -> None:
    control = DriftControl()
    for _ in range(6000):
        assert abs(control.update(0.5, 0.01) - 1) <= 1001e-6
    for _ in range(6000):
        control.update(-0.001, 0.01)
    assert control.ratio < 1.0005, "no integration while saturated"


# ---- into a ring buffer


def test_late_sound_that_piled_up_is_skipped_without_a_click() -> None:
    feed = Feed(RATE, RATE, 0.02, drifts=False)
    sound = tone(300, 1.0)
    level, played = 0.0, []
    for index, block in enumerate(np.split(sound, 100)):
        suspended = 40 <= index < 50  # ten blocks come at once
        out = feed.process(block, level)
        level += len(out) / RATE - (0.0 if suspended else 0.01)
        played.append(out)
    assert feed.skips == 1
    assert level == pytest.approx(0.0, abs=1e-9), "back at its set point"
    heard = np.concatenate(played)
    assert np.array_equal(heard[: 40 * BLOCK], sound[: 40 * BLOCK])
    steepest = np.abs(np.diff(sound)).max()
    assert np.abs(np.diff(heard)).max() < 1.5 * steepest


def test_after_an_underrun_late_blocks_are_skipped() -> None:
    feed = Feed(RATE, RATE, 0.02, drifts=False)
    feed.restart()
    level, wrote = 0.0, []
    for index in range(10):
        out = feed.process(np.ones(BLOCK, np.float32), level)
        wrote.append(len(out))
        # The first two come at once, 4 ms late; the others in time.
        level += len(out) / RATE - (0.0 if index == 0 else 0.006 if index == 1 else 0.01)
    assert wrote[0] == BLOCK
    assert 0 in wrote
    assert level == pytest.approx(0.0, abs=2e-5)
    assert feed.skips == 0, "it belongs to the xrun"
