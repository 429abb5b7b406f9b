"""Precision, recall, density and coverage of two clouds of points: are the fake points where the real ones are, and
wherever the real ones are?

Naeem et al. 2020, "Reliable Fidelity and Diversity Metrics for Generative Models", arXiv 2002.09797. Distances are
Euclidean and computed in blocks of rows, so that memory grows with the number of points, not with its square. Thread:
any.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 5
"""The neighbour whose distance is the radius of a point's ball: the paper's choice."""
_BLOCK_ROWS = 1000

Cloud = NDArray[np.float64]


class Prdc(NamedTuple):
    """For two clouds of one distribution precision and recall depend on the dimension, density is 1, coverage 1 - 2 **
    -NEIGHBOURS = 0.97."""

    precision: float
    """The share of fake points in the ball of any real point."""
    recall: float
    """The share of real points in the ball of any fake point."""
    density: float
    """The number of real balls that a fake point is in, over NEIGHBOURS; above 1 where fake points are where the real
    ones are dense."""
    coverage: float
    """The share of real points with a fake point in their ball."""


def prdc(real: NDArray[np.floating], fake: NDArray[np.floating], nearest: int = NEIGHBOURS) -> Prdc:
    """(n, d) and (m, d); n and m should be about equal, because density and coverage grow with m. Raises ValueError
    where either has `nearest` points or fewer."""
    if min(len(real), len(fake)) <= nearest:
        raise ValueError(f"{nearest + 1} points of each are the least, not {len(real)} and {len(fake)}")
    # Squares are expanded below, which loses as many digits as the clouds' distance from zero has; so they are centred.
    mean = np.mean(real, axis=0, dtype=np.float64)
    real_centred, fake_centred = np.asarray(real - mean, np.float64), np.asarray(fake - mean, np.float64)
    real_radii, fake_radii = _squared_radii(real_centred, nearest), _squared_radii(fake_centred, nearest)
    balls_around_fake = np.zeros(len(fake_centred), np.int64)
    recalled, covered = 0, 0
    for rows, squares in _squared_distances(real_centred, fake_centred):
        real_radius = real_radii[rows, None]
        balls_around_fake += (squares < real_radius).sum(0)
        covered += int((squares < real_radius).any(1).sum())
        recalled += int((squares < fake_radii).any(1).sum())
    return Prdc(
        precision=float((balls_around_fake > 0).mean()),
        recall=recalled / len(real_centred),
        density=float(balls_around_fake.mean()) / nearest,
        coverage=covered / len(real_centred),
    )


def _squared_radii(points: Cloud, nearest: int) -> Cloud:
    """(n,) squared distances of each point to its `nearest`-th neighbour; the 0th is itself."""
    return np.concatenate(
        [np.partition(squares, nearest, axis=1)[:, nearest] for _, squares in _squared_distances(points, points)]
    )


def _squared_distances(some: Cloud, others: Cloud) -> Iterator[tuple[slice, Cloud]]:
    """Rows of `some`, and their squared distances to all of `others`, (rows, m)."""
    lengths = (others**2).sum(1)
    for begin in range(0, len(some), _BLOCK_ROWS):
        rows = slice(begin, begin + _BLOCK_ROWS)
        block = some[rows]
        yield rows, np.maximum((block**2).sum(1)[:, None] + lengths - 2 * block @ others.T, 0)
