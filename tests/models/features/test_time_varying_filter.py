"""The time-varying filter: its magnitude is as asked, it has no delay, and no change of it is audible."""

from __future__ import annotations

import numpy as np
import pytest

from models.features.speech import MCEPS, decode_envelope
from models.features.time_varying_filter import TimeVaryingFilter

RATE, HOP = 16000, 80


def drawn(seed: int, size: float = 1.0) -> np.ndarray:
    """A change as a network would predict it: the first cepstra move most."""
    return size * np.random.default_rng(seed).standard_normal(MCEPS) / np.arange(1, MCEPS + 1)


def played(sound: np.ndarray, changes: np.ndarray) -> np.ndarray:
    """changes: one a hop."""
    filtered = TimeVaryingFilter(RATE, HOP)
    hops = sound.astype(np.float32).reshape(-1, HOP)
    return np.concatenate([filtered.process(hop, change) for hop, change in zip(hops, changes, strict=True)])


def test_nothing_to_change_changes_nothing() -> None:
    sound = np.random.default_rng(0).standard_normal(40 * HOP).astype(np.float32)
    np.testing.assert_allclose(played(sound, np.zeros((40, MCEPS))), sound, atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_its_spectrum_is_the_ratio_of_two_envelopes(seed: int) -> None:
    """As decoded cepstra have it: what is added to cepstra multiplies envelopes."""
    change = drawn(seed, 0.7)
    impulse = np.zeros(20 * HOP)
    impulse[4 * HOP] = 1.0  # while the filter is constant
    answer = played(impulse, np.repeat(change[None], 20, 0))[4 * HOP :]
    expected = 10 * np.log10(decode_envelope(change[None], RATE)[0])
    got = 20 * np.log10(np.abs(np.fft.rfft(answer, 2 * (len(expected) - 1))))
    assert np.abs(expected).max() > 2.5
    assert np.abs(got - expected).max() < 0.7
    # Of all filters with that magnitude the one whose energy comes first.
    assert (answer[:16] ** 2).sum() > 0.75 * (answer**2).sum()


def test_from_hop_to_hop_nothing_clicks() -> None:
    """A tone through a filter that jumps at every hop: no sample is sharper than the loudest tone would be."""
    hops = 200
    time = np.arange(hops * HOP) / RATE
    tone = np.sin(2 * np.pi * 200 * time)
    changes = np.array([drawn(k % 2, 1.0 if k % 2 else -1.0) for k in range(hops)])
    output = played(tone, changes)[10 * HOP :]
    kinks = np.abs(np.diff(output, 2))
    smooth = np.abs(output).max() * (2 * np.pi * 200 / RATE) ** 2
    borders = kinks[HOP - 2 :: HOP].max(), kinks[HOP - 1 :: HOP].max()
    assert max(borders) < 4 * smooth
    # Without the crossfade the borders are audible.
    still = [played(tone, np.repeat(change[None], hops, 0)).reshape(-1, HOP) for change in changes[:2]]
    jumping = np.where(np.arange(hops)[:, None] % 2, still[1], still[0]).ravel()[10 * HOP :]
    assert np.abs(np.diff(jumping, 2))[HOP - 2 :: HOP].max() > 10 * smooth


def test_a_network_that_errs_deafens_nobody() -> None:
    noise = 0.1 * np.random.default_rng(1).standard_normal(50 * HOP)
    change = np.zeros(MCEPS)
    change[:2] = 40.0, -25.0
    output = played(noise, np.repeat(change[None], 50, 0))
    assert np.isfinite(output).all()
    assert output.std() <= 10 * noise.std()


def test_reset_forgets() -> None:
    filtered = TimeVaryingFilter(RATE, HOP)
    sound = np.random.default_rng(2).standard_normal(HOP).astype(np.float32)
    first = filtered.process(sound, drawn(1))
    assert not np.array_equal(filtered.process(sound, drawn(1)), first)
    filtered.reset()
    assert np.array_equal(filtered.process(sound, drawn(1)), first)
