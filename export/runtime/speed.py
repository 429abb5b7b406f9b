"""How long frozen models take, side by side: each in turn, again and again, so that what disturbs one disturbs all.

Thread: the caller's, for as long as it takes. Free of torch.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.runtime.frozen_session import FrozenSession

Inputs = Mapping[str, NDArray[Any]]


def time_interleaved(
    sessions: Mapping[str, FrozenSession], inputs: Sequence[Inputs], rounds: int
) -> dict[str, NDArray[np.float64]]:
    """Milliseconds of every run, (rounds,), by the sessions' names; all sessions read the same `inputs`."""
    taken: dict[str, list[float]] = {name: [] for name in sessions}
    for session in sessions.values():
        session.warm()
    for number in range(rounds):
        given = inputs[number % len(inputs)]
        for name, session in sessions.items():
            begun = time.perf_counter()
            session.run(**given)
            taken[name].append(1000 * (time.perf_counter() - begun))
    return {name: np.array(times, np.float64) for name, times in taken.items()}


def median_ratio(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """How long `one` takes of what `other` takes: the median over the rounds, of which each compares neighbours."""
    return float(np.median(one / other))
