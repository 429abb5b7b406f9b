"""Precision, recall, density and coverage of two clouds of points: do the made ones lie where the real ones do, and
everywhere they do?

Naeem et al. 2020, "Reliable Fidelity and Diversity Metrics for Generative Models", arXiv 2002.09797. Distances are
Euclidean and come in blocks of rows, so that memory grows with the number of points, not with its square.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 5
"""The neighbour whose distance is the radius of a point's ball: the paper's choice."""
_BLOCK_ROWS = 1000

Cloud = NDArray[np.float64]


class Prdc(NamedTuple):
    """Two clouds of one distribution: precision and recall as the dimension has it, density 1, coverage
    1 - 2 ** -NEIGHBOURS = 0.97."""

    precision: float
    """How many of the made lie in the ball of any real one."""
    recall: float
    """How many of the real lie in the ball of any made one."""
    density: float
    """In how many of the real ones' balls a made one lies, over NEIGHBOURS; more than 1 where the real crowd."""
    coverage: float
    """How many of the real have a made one in their ball."""


def prdc(real: NDArray[Any], made: NDArray[Any], nearest: int = NEIGHBOURS) -> Prdc:
    """(n, d) and (m, d); n and m had better be alike, for density and coverage grow with m. Raises ValueError where one
    has `nearest` points or fewer."""
    if min(len(real), len(made)) <= nearest:
        raise ValueError(f"{nearest + 1} points of each are the least, not {len(real)} and {len(made)}")
    # Squares are expanded below, which costs the digits that the clouds' distance from zero takes.
    middle = np.mean(real, axis=0, dtype=np.float64)
    true, false = np.asarray(real - middle, np.float64), np.asarray(made - middle, np.float64)
    reach, made_reach = _squared_radii(true, nearest), _squared_radii(false, nearest)
    balls = np.zeros(len(false), np.int64)
    reached, covered = 0, 0
    for rows, squares in _squared_distances(true, false):
        own = reach[rows, None]
        balls += (squares < own).sum(0)
        covered += int((squares < own).any(1).sum())
        reached += int((squares < made_reach).any(1).sum())
    return Prdc(
        precision=float((balls > 0).mean()),
        recall=reached / len(true),
        density=float(balls.mean()) / nearest,
        coverage=covered / len(true),
    )


def _squared_radii(points: Cloud, nearest: int) -> Cloud:
    """(n,) squared distances of each to its `nearest`-th neighbour; the 0th is itself."""
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
