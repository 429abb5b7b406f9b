"""Optimal transport from one speaker's distribution of cepstra to another's: the conversion without a network.

Cepstra are modelled as Gaussian and moved by the optimal transport between two Gaussians, which changes them as little
as possible (Olkin and Pukelsheim 1982; Peyre and Cuturi, "Computational Optimal Transport", arXiv 1803.00567, remark
2.31); levels, which are far from Gaussian, quantile by quantile. The usual conversion by mean and standard deviation of
each cepstrum leaves their correlations unchanged, by which a speaker is recognised as well.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from models.features.speech import MCEPS
from models.voices.running_correlation import inverse_root
from models.voices.speaker_stats import LEVEL_SCALE, LOUDEST_AT, prior_statistics

UNIVERSAL_PRIOR = Path(__file__).with_name("universal_prior_16k.npz")
"""correlation, levels: averages over 6 speakers, 3 of LibriSpeech, 2 of VCTK and LJ, each measured as
models.prepare.voice_data.measure does."""
SHRINKAGE = 0.01
"""Shrinkage of correlations towards the identity: a minute of speech does not determine the last percents."""
MAX_SLOPE = 2.0
"""Limit of the slope of the level's map, and of its inverse: a steeper one would make the noise in pauses flutter."""
MAX_CUT_NEPERS, MAX_BOOST_NEPERS = 8.0, 3.0
"""Limits of the level's change, 35 dB down or 13 up: pauses may become as silent as the target's, noise must not become
loud."""


class People(NamedTuple):
    """Some speakers, float64. means, stds: (n, MCEPS), ln F0 in place of c0; correlations: (n, MCEPS - 1, MCEPS - 1) of
    the MCEPs except c0; levels: (n, len(LEVELS)) quantiles of c0 below the loud level, nepers; see
    models.prepare.voice_data."""

    means: Tensor
    stds: Tensor
    correlations: Tensor
    levels: Tensor


def universal_prior(sample_rate: int, people: People) -> People:
    """The universal prior as one speaker: measured at 16 kHz; at other rates the average of `people`."""
    mean, std = prior_statistics(sample_rate, people.means, people.stds)
    if sample_rate == 16000:
        with np.load(UNIVERSAL_PRIOR, allow_pickle=False) as stored:
            correlation, levels = (torch.from_numpy(stored[name]).double() for name in ("correlation", "levels"))
    else:
        correlation, levels = people.correlations.mean(0), people.levels.mean(0)
    return People(mean[None], std[None], correlation[None], levels[None])


class Transport(nn.Module):
    """(N, MCEPS, T) frames as networks read them, see models.voices.learned_voice, of a source -> the target's.

    Each frame is converted independently.
    """

    maps: Tensor
    roots: Tensor
    source_std: Tensor
    target_std: Tensor
    prior: Tensor
    knots: Tensor
    start_offsets: Tensor
    slopes: Tensor

    def __init__(self, people: People, prior: People) -> None:
        """Targets are `people`, numbered from 0; sources are `prior`, 0, and then these. No buffer is saved in
        checkpoints: all follow from the run's facts."""
        super().__init__()
        sources = People(*(torch.cat(both) for both in zip(prior, people, strict=True)))
        covariances = [_covariance(sources, number) for number in range(len(sources.means))]
        maps = torch.stack(
            [torch.stack([_transport_map(one, other) for other in covariances[1:]]) for one in covariances]
        )
        # Input and output are normalised by mean and standard deviation.
        source_std, target_std = sources.stds[:, None, None, 1:], people.stds[:, 1:, None]
        self.register_buffer("maps", (maps * source_std / target_std).float(), persistent=False)
        # For a source with running correlations: the same map, written from the target's side, see `_adapted`.
        roots = torch.stack([_power(covariance, 0.5) for covariance in covariances[1:]])
        self.register_buffer("roots", roots.float(), persistent=False)
        self.register_buffer("source_std", prior.stds[0, 1:].float(), persistent=False)
        self.register_buffer("target_std", people.stds[:, 1:].float(), persistent=False)
        self.register_buffer("prior", prior.correlations[0].float(), persistent=False)
        offsets = (people.levels - sources.levels[:, None]).clamp(-MAX_CUT_NEPERS, MAX_BOOST_NEPERS)
        knots = sources.levels
        slopes = torch.diff(offsets) / torch.diff(knots).clamp(min=1e-3)[:, None]
        slopes = slopes.clamp(1 / MAX_SLOPE - 1, MAX_SLOPE - 1)
        # The loud level is unchanged; the clipped slopes are summed from there down.
        widths = torch.diff(knots)[:, None]
        start_offsets = offsets[..., -1] - (slopes * widths).sum(-1)
        self.register_buffer("knots", knots.float(), persistent=False)
        self.register_buffer("slopes", slopes.float(), persistent=False)
        self.register_buffer("start_offsets", start_offsets.float(), persistent=False)

    def forward(self, x: Tensor, source: Tensor, target: Tensor, correlations: Tensor | None = None) -> Tensor:
        """source: (N,) int64, 0 for an unknown speaker, then the speakers; target: (N,) int64, from 0; correlations: of
        the unknown speaker at each frame, (T, MCEPS - 1, MCEPS - 1); N is then 1."""
        moved = torch.matmul(self.maps[source, target], x[:, 1:])
        if correlations is not None:
            moved = torch.where((source == 0)[:, None, None], self._adapted(x[:, 1:], target, correlations), moved)
        return torch.cat([self._level(x[:, :1], source, target), moved], 1)

    def _adapted(self, x: Tensor, target: Tensor, correlations: Tensor) -> Tensor:
        """By the running correlations. With T the target's covariance and S the source's, T^1/2 (T^1/2 S T^1/2)^-1/2
        T^1/2 is the map from S to T, as S^-1/2 (S^1/2 T S^1/2)^1/2 S^-1/2 is; but only one root depends on the
        source."""
        identity = SHRINKAGE * torch.eye(MCEPS - 1, dtype=correlations.dtype, device=correlations.device)
        source = ((1 - SHRINKAGE) * correlations + identity) * self.source_std[:, None] * self.source_std
        root = self.roots[target]
        transport_map = torch.matmul(
            torch.matmul(root, inverse_root(torch.matmul(torch.matmul(root, source), root))), root
        )
        moved = torch.matmul(transport_map, (x[0] * self.source_std[:, None]).mT[:, :, None])[:, :, 0].mT
        return (moved / self.target_std[target].mT)[None]

    def _level(self, x: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """(N, 1, T) -> (N, 1, T)"""
        knots = self.knots[source]
        low, widths = knots[:, :-1, None], torch.diff(knots)[:, :, None]
        below_loud = (x - LOUDEST_AT) * LEVEL_SCALE
        inside = torch.minimum((below_loud - low).clamp(min=0), widths)
        offset = self.start_offsets[source, target][:, None] + (self.slopes[source, target][:, :, None] * inside).sum(1)
        return x + offset[:, None] / LEVEL_SCALE


def _covariance(people: People, number: int) -> Tensor:
    std = people.stds[number, 1:]
    identity = torch.eye(MCEPS - 1, dtype=torch.float64)
    correlation = (1 - SHRINKAGE) * people.correlations[number] + SHRINKAGE * identity
    return correlation * std[:, None] * std


def _transport_map(source: Tensor, target: Tensor) -> Tensor:
    """The matrix that maps covariance `source` to `target` by optimal transport."""
    root, inverse = _power(source, 0.5), _power(source, -0.5)
    return inverse @ _power(root @ target @ root, 0.5) @ inverse


def _power(matrix: Tensor, exponent: float) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    powered: Tensor = (vectors * values.clamp(min=1e-12) ** exponent) @ vectors.mT
    return powered
