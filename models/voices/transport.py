"""From how one person's cepstra lie to how another's lie, by what can be counted: the voice before any network.

Cepstra are taken for Gaussian, and moved by the optimal transport between two Gaussians, which turns and stretches as
little as it must (Olkin and Pukelsheim 1982; Peyre and Cuturi, "Computational Optimal Transport", arXiv 1803.00567,
remark 2.31); levels, which are nothing like Gaussian, quantile by quantile. Moving mean and spread of each cepstrum for
itself, as the field does, leaves how they move together, by which a person is known as well.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from models.features.speech import MCEPS
from models.voices.running_correlation import inverse_root
from models.voices.speaker_stats import LEVEL_SPREAD, LOUDEST_AT, prior_statistics

ANYBODY = Path(__file__).with_name("universal_prior_16k.npz")
"""correlation, levels: averages over 6 speakers, 3 of LibriSpeech, 2 of VCTK and LJ, each measured as
models.prepare.voice_data.measure does."""
KEPT_APART = 0.01
"""Of a correlation this share is taken away: a minute of speech does not know the last percents."""
STEEPEST = 2.0
"""A decibel of the performer's becomes at most so many of the target's, or one of so many: more would make a pause's
noise flutter."""
QUIETER_NEPERS, LOUDER_NEPERS = 8.0, 3.0
"""No level is moved further, 35 dB down or 13 up: pauses may become as still as the target's, noise not a roar."""


class People(NamedTuple):
    """Some persons, float64. means, spreads: (n, MCEPS), ln F0 in place of c0; correlations: (n, MCEPS - 1, MCEPS - 1)
    of the MCEPs but c0; levels: (n, len(LEVELS)) quantiles of c0 below the loud level, nepers; see
    models.prepare.voice_data."""

    means: Tensor
    spreads: Tensor
    correlations: Tensor
    levels: Tensor


def anybody(sample_rate: int, people: People) -> People:
    """Nobody in particular, alone: what people are, at 16 kHz, for which it was measured; else what `people` are on
    average."""
    mean, spread = prior_statistics(sample_rate, people.means, people.spreads)
    if sample_rate == 16000:
        with np.load(ANYBODY, allow_pickle=False) as stored:
            correlation, levels = (torch.from_numpy(stored[name]).double() for name in ("correlation", "levels"))
    else:
        correlation, levels = people.correlations.mean(0), people.levels.mean(0)
    return People(mean[None], spread[None], correlation[None], levels[None])


class Transport(nn.Module):
    """(N, MCEPS, T) frames as networks read them, see models.voices.learned_voice, of a source -> the target's.

    Frame by frame: it needs no past and no future.
    """

    turns: Tensor
    roots: Tensor
    read: Tensor
    given: Tensor
    prior: Tensor
    places: Tensor
    begins: Tensor
    slopes: Tensor

    def __init__(self, people: People, prior: People) -> None:
        """Targets are `people`, numbered from 0 on; sources are `prior`, 0, and then these. No checkpoint need hold it:
        it follows from the run's facts."""
        super().__init__()
        sources = People(*(torch.cat(both) for both in zip(prior, people, strict=True)))
        covariances = [_covariance(sources, number) for number in range(len(sources.means))]
        turns = torch.stack([torch.stack([_turn(one, other) for other in covariances[1:]]) for one in covariances])
        # What is read and given is normalised by mean and spread.
        read, given = sources.spreads[:, None, None, 1:], people.spreads[:, 1:, None]
        self.register_buffer("turns", (turns * read / given).float(), persistent=False)
        # For a source whose correlations are told: the same turn, written from the target's side, see `_turned`.
        roots = torch.stack([_power(covariance, 0.5) for covariance in covariances[1:]])
        self.register_buffer("roots", roots.float(), persistent=False)
        self.register_buffer("read", prior.spreads[0, 1:].float(), persistent=False)
        self.register_buffer("given", people.spreads[:, 1:].float(), persistent=False)
        self.register_buffer("prior", prior.correlations[0].float(), persistent=False)
        offsets = (people.levels - sources.levels[:, None]).clamp(-QUIETER_NEPERS, LOUDER_NEPERS)
        places = sources.levels
        slopes = torch.diff(offsets) / torch.diff(places).clamp(min=1e-3)[:, None]
        slopes = slopes.clamp(1 / STEEPEST - 1, STEEPEST - 1)
        # The loud level stays where it is; slopes that were held add up from there down.
        widths = torch.diff(places)[:, None]
        begins = offsets[..., -1] - (slopes * widths).sum(-1)
        self.register_buffer("places", places.float(), persistent=False)
        self.register_buffer("slopes", slopes.float(), persistent=False)
        self.register_buffer("begins", begins.float(), persistent=False)

    def forward(self, x: Tensor, source: Tensor, target: Tensor, found: Tensor | None = None) -> Tensor:
        """source: (N,) int64, 0 for whoever speaks, then the speakers; target: (N,) int64, from 0 on; found: what is
        known by now of whoever speaks, (T, MCEPS - 1, MCEPS - 1), his correlations at each frame; N is then 1."""
        moved = torch.matmul(self.turns[source, target], x[:, 1:])
        if found is not None:
            moved = torch.where((source == 0)[:, None, None], self._turned(x[:, 1:], target, found), moved)
        return torch.cat([self._level(x[:, :1], source, target), moved], 1)

    def _turned(self, x: Tensor, target: Tensor, found: Tensor) -> Tensor:
        """By what was found. With T the target's covariance and S the source's, T^1/2 (T^1/2 S T^1/2)^-1/2 T^1/2 is the
        turn from S to T, as S^-1/2 (S^1/2 T S^1/2)^1/2 S^-1/2 is; but only one root depends on the source."""
        apart = KEPT_APART * torch.eye(MCEPS - 1, dtype=found.dtype, device=found.device)
        source = ((1 - KEPT_APART) * found + apart) * self.read[:, None] * self.read
        root = self.roots[target]
        turn = torch.matmul(torch.matmul(root, inverse_root(torch.matmul(torch.matmul(root, source), root))), root)
        moved = torch.matmul(turn, (x[0] * self.read[:, None]).mT[:, :, None])[:, :, 0].mT
        return (moved / self.given[target].mT)[None]

    def _level(self, x: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """(N, 1, T) -> (N, 1, T)"""
        places = self.places[source]
        low, widths = places[:, :-1, None], torch.diff(places)[:, :, None]
        nepers = (x - LOUDEST_AT) * LEVEL_SPREAD
        inside = torch.minimum((nepers - low).clamp(min=0), widths)
        off = self.begins[source, target][:, None] + (self.slopes[source, target][:, :, None] * inside).sum(1)
        return x + off[:, None] / LEVEL_SPREAD


def _covariance(people: People, number: int) -> Tensor:
    spread = people.spreads[number, 1:]
    apart = torch.eye(MCEPS - 1, dtype=torch.float64)
    correlation = (1 - KEPT_APART) * people.correlations[number] + KEPT_APART * apart
    return correlation * spread[:, None] * spread


def _turn(source: Tensor, target: Tensor) -> Tensor:
    """The matrix that turns covariance `source` into `target` by the least movement."""
    root, back = _power(source, 0.5), _power(source, -0.5)
    return back @ _power(root @ target @ root, 0.5) @ back


def _power(matrix: Tensor, exponent: float) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    powered: Tensor = (vectors * values.clamp(min=1e-12) ** exponent) @ vectors.mT
    return powered
