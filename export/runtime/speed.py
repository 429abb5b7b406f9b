"""How long frozen models take, side by side: they are run in turn, again and again, so that a disturbance affects all
of them.

Thread: the calling one, which is blocked meanwhile. Free of torch.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from export.runtime.frozen_session import Arrays, FrozenSession


def time_interleaved(
    sessions: Mapping[str, FrozenSession], inputs: Sequence[Arrays], rounds: int
) -> dict[str, NDArray[np.float64]]:
    """Milliseconds of every run, (rounds,), by the names of the sessions; all sessions read the same `inputs`."""
    times_ms: dict[str, list[float]] = {name: [] for name in sessions}
    for session in sessions.values():
        session.warm()
    for round_number in range(rounds):
        arrays = inputs[round_number % len(inputs)]
        for name, session in sessions.items():
            started = time.perf_counter()
            session.run(**arrays)
            times_ms[name].append(1000 * (time.perf_counter() - started))
    return {name: np.array(times, np.float64) for name, times in times_ms.items()}


def median_ratio(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """How long `one` takes relative to `other`: the median of the ratios of neighbouring runs, one a round."""
    return float(np.median(one / other))
