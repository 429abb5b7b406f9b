"""One channel out of several: the plain mean, the better channel, the one that sounds, and no constant offset."""

from __future__ import annotations

import numpy as np
import pytest

from models.features.channel_mix import ChannelMix
from models.features.media.mixdown import Channel

RATE = 48_000
LATER = RATE // 2
"""By then everything is decided."""


def speech(seed: int = 0, seconds: float = 2.0) -> np.ndarray:
    """Something with speech's rhythm, (n,)."""
    t = np.arange(round(seconds * RATE)) / RATE
    rng = np.random.default_rng(seed)
    buzz = np.sign(np.sin(2 * np.pi * (120 + 10 * seed) * t)) + 0.3 * rng.standard_normal(len(t))
    return np.asarray(0.1 * np.abs(np.sin(2 * np.pi * 1.7 * t + seed)) * buzz, np.float32)


def mixed(channels: list[np.ndarray], choice: Channel = "auto", block: int = 480) -> tuple[np.ndarray, str]:
    sound = np.column_stack(channels).astype(np.float32)
    mix = ChannelMix(len(channels), RATE, choice)
    parts = [mix.process(sound[at : at + block]) for at in range(0, len(sound), block)]
    return np.concatenate(parts), mix.note


@pytest.mark.parametrize(
    "channels",
    [
        [speech()],
        [speech(), speech()],
        [speech(), 0.5 * speech()],
        [speech(1), speech(2)],
        [speech(1), -0.3 * speech(1) + speech(2)],
        [np.zeros(RATE), np.zeros(RATE)],
    ],
    ids=["one", "equal", "panned", "unrelated", "wide", "silence"],
)
def test_ordinary_channels_give_the_plain_mean_to_the_bit(channels: list[np.ndarray]) -> None:
    sound, note = mixed(channels)
    assert np.array_equal(sound, np.column_stack(channels).astype(np.float32).mean(axis=1))
    assert note == ""


def test_of_a_pair_that_cancels_the_better_channel_is_heard() -> None:
    sound, note = mixed([0.9 * speech(), -speech()])
    assert np.allclose(sound[LATER:], -speech()[LATER:], atol=1e-6)
    assert "cancel" in note
    assert "channel 2" in note


@pytest.mark.parametrize(("count", "used"), [(2, 1), (8, 5)])
def test_one_channel_with_sound_is_heard_in_full(count: int, used: int) -> None:
    noise = np.random.default_rng(3).normal(0, 1e-4, (count, len(speech())))
    channels = list(noise)
    channels[used] = speech()
    sound, note = mixed(channels)
    assert np.allclose(sound[LATER:], speech()[LATER:], atol=1e-6)
    assert f"only {used + 1} has sound" in note
    assert np.abs(np.diff(sound)).max() <= np.abs(np.diff(speech())).max() * 1.01, "no click"


def test_two_people_with_a_microphone_each_are_both_heard() -> None:
    first, second = speech(1), speech(2)
    quiet = np.zeros_like(first)
    sound, note = mixed([np.concatenate([first, quiet, first]), np.concatenate([quiet, second, quiet])])
    there = slice(len(first) + LATER, 2 * len(first))
    assert np.allclose(sound[there], second[LATER:] / 2, atol=1e-6)
    assert note == ""


@pytest.mark.parametrize("channels", [1, 2])
def test_a_constant_offset_is_taken_away(channels: int) -> None:
    sound, note = mixed([speech() + 0.05] * channels)
    assert abs(float(sound[LATER:].mean())) < 2e-3
    assert np.corrcoef(sound[LATER:], speech()[LATER:])[0, 1] > 0.999
    assert "offset of 0.05" in note
    assert np.abs(sound).max() < np.abs(speech()).max() + 0.051


def test_a_deep_note_is_no_offset() -> None:
    note = np.asarray(0.5 * np.sin(2 * np.pi * 30 * np.arange(RATE) / RATE), np.float32)
    assert np.array_equal(mixed([note])[0], note)


@pytest.mark.parametrize("kind", ["cancels", "one-sided", "offset"])
def test_the_result_does_not_depend_on_the_blocks(kind: str) -> None:
    other = {"cancels": -speech(), "one-sided": np.zeros_like(speech()), "offset": speech() + 0.05}[kind]
    whole, _ = mixed([speech(), other], block=len(other))
    assert np.allclose(mixed([speech(), other], block=333)[0], whole, atol=1e-7)


def test_choices_of_the_user() -> None:
    one, other = speech(1), -speech(1)
    assert np.array_equal(mixed([one, other], 2)[0], other)
    assert not mixed([one, other], "sum")[0].any()
    with pytest.raises(ValueError, match="no channel 3"):
        ChannelMix(2, RATE, 3)
