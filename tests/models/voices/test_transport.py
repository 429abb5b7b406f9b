"""One speaker's cepstra and levels mapped to another's."""

from __future__ import annotations

import numpy as np
import torch

from models.features.speech import MCEPS
from models.prepare.voice_data import LEVELS
from models.voices.running_correlation import WIDTH, RunningCorrelation, inverse_root
from models.voices.speaker_stats import LEVEL_SCALE, LOUDEST_AT, NormalizedFrames
from models.voices.transport import MAX_CUT_NEPERS, MAX_SLOPE, People, Transport, universal_prior

rng = np.random.default_rng(0)


def _people(count: int) -> People:
    mixed = rng.standard_normal((count, MCEPS - 1, 3 * MCEPS))
    covariance = torch.from_numpy(mixed @ mixed.transpose(0, 2, 1))
    std = covariance.diagonal(dim1=1, dim2=2).sqrt()
    correlation = covariance / std[:, :, None] / std[:, None]
    levels = torch.from_numpy(-np.sort(rng.uniform(0, 12, (count, len(LEVELS))))[:, ::-1].copy())
    levels[:, -1] = 0
    means = torch.from_numpy(rng.standard_normal((count, MCEPS)))
    return People(means, torch.cat([torch.ones(count, 1), 0.05 * std], 1).double(), correlation, levels)


def _one(people: People, number: int) -> People:
    return People(*(part[number : number + 1] for part in people))


def test_who_was_spread_like_one_is_spread_like_the_other() -> None:
    people = _people(2)
    transport = Transport(people, _one(people, 0))
    frames = rng.multivariate_normal(np.zeros(MCEPS - 1), people.correlations[0].numpy(), 200_000)
    x = torch.from_numpy(np.concatenate([np.zeros((len(frames), 1)), frames], 1)).float().T[None]
    moved = transport(x, torch.tensor([1]), torch.tensor([1]))[0, 1:].numpy()
    # Normalised frames have the target's correlations; a fiftieth is shrunk away.
    np.testing.assert_allclose(np.cov(moved), people.correlations[1].numpy(), atol=0.04)
    # And it does not rotate: each cepstrum is still correlated with itself.
    assert np.diag(np.corrcoef(moved, frames.T)[: MCEPS - 1, MCEPS - 1 :]).min() > 0.5


def test_the_target_itself_is_unchanged() -> None:
    people = _people(2)
    transport = Transport(people, _one(people, 1))
    x = torch.from_numpy(rng.standard_normal((3, MCEPS, 40))).float()
    for source, target in ((1, 0), (2, 1), (0, 1)):
        moved = transport(x, torch.full((3,), source), torch.full((3,), target))
        torch.testing.assert_close(moved, x, atol=1e-3, rtol=0)


def test_levels_go_quantile_by_quantile_never_steeply_never_far() -> None:
    people = _people(2)
    levels = torch.linspace(-8, 0, len(LEVELS)).double()
    people.levels[0], people.levels[1] = levels, 1.25 * levels
    nepers = torch.linspace(-15, 2, 400)
    x = torch.zeros(1, MCEPS, 400)
    x[0, 0] = nepers / LEVEL_SCALE + LOUDEST_AT

    def moved(people: People) -> torch.Tensor:
        output = Transport(people, _one(people, 0))(x, torch.tensor([1]), torch.tensor([1]))
        return (output[0, 0] - LOUDEST_AT) * LEVEL_SCALE

    inside = (nepers > -8) & (nepers < 0)
    torch.testing.assert_close(moved(people)[inside], 1.25 * nepers[inside], atol=1e-4, rtol=0)
    torch.testing.assert_close(moved(people)[nepers > 0], nepers[nepers > 0], atol=1e-4, rtol=0)
    people.levels[1] = torch.cat([torch.full((5,), -11.9), torch.linspace(-2, 0, 6)]).double()
    steep = moved(people)
    assert (steep - nepers).abs().max() < MAX_CUT_NEPERS + 1.5
    assert torch.diff(steep).max() / torch.diff(nepers).max() < MAX_SLOPE + 1e-3
    assert torch.diff(steep).min() > 0


def test_at_other_rates_the_prior_is_the_average_of_the_run() -> None:
    people = _people(3)
    other = universal_prior(24000, people)
    torch.testing.assert_close(other.levels[0], people.levels.mean(0))
    measured = universal_prior(16000, people)
    assert measured.correlations.shape == (1, MCEPS - 1, MCEPS - 1)
    torch.testing.assert_close(measured.correlations.diagonal(dim1=1, dim2=2), torch.ones(1, MCEPS - 1).double())


def test_running_correlations_give_the_map_of_measured_ones() -> None:
    """Source 0 with source 1's correlations, at the prior's standard deviations, is source 1."""
    people = _people(2)
    people.stds[0] = people.stds[1]
    transport = Transport(people, _one(people, 1))
    x = torch.from_numpy(rng.standard_normal((1, MCEPS, 12))).float()
    found = people.correlations[:1].float().expand(12, -1, -1)
    by_number = transport(x, torch.tensor([1]), torch.tensor([1]))
    running = transport(x, torch.tensor([0]), torch.tensor([1]), found)
    torch.testing.assert_close(running[:, 1:], by_number[:, 1:], atol=0.02, rtol=0.01)
    # A known source is not measured again.
    torch.testing.assert_close(transport(x, torch.tensor([1]), torch.tensor([1]), -found), by_number)


def test_what_times_itself_is_the_inverse() -> None:
    mixed = torch.from_numpy(rng.standard_normal((3, 35, 35))).float()
    matrices = mixed @ mixed.mT * torch.logspace(0, -1.5, 35)[:, None] * torch.logspace(0, -1.5, 35) + 1e-3 * torch.eye(
        35
    )
    root = inverse_root(matrices)
    torch.testing.assert_close(root @ root @ matrices, torch.eye(35).expand(3, -1, -1), atol=0.02, rtol=0)


def test_correlations_are_found_in_some_seconds_and_pauses_teach_nothing() -> None:
    people = _people(2)
    running = RunningCorrelation(people.correlations[0])
    frames = rng.multivariate_normal(np.zeros(MCEPS - 1), people.correlations[1].numpy(), 4000)
    values = torch.from_numpy(np.concatenate([np.zeros((4000, 1)), frames], 1)).float()[None]
    shares = (1 / torch.arange(601, 4601))[None, :, None]
    found, state = running(NormalizedFrames(values, shares, shares), torch.zeros(1, WIDTH))
    before, after = ((found[at] - people.correlations[1]).abs().mean() for at in (0, -1))
    assert after < 0.35 * before
    _, still = running(NormalizedFrames(values, shares, 0 * shares), state)
    assert torch.equal(still, state)
    # In hops as at once.
    parts, state = [], torch.zeros(1, WIDTH)
    for begin in range(0, 40, 4):
        part, state = running(NormalizedFrames(*(x[:, begin : begin + 4] for x in (values, shares, shares))), state)
        parts.append(part)
    torch.testing.assert_close(torch.cat(parts), found[:40])
