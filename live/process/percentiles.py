"""Times as the operator and the report want them: percentiles of the last seconds, and of the whole run.

For whoever measures: both engines on their loops, the audience in its thread. Adding a time allocates nothing at
size. All figures leave here in ms.
"""

from __future__ import annotations

from collections import deque

import numpy as np

BIN_MS = 0.1
BINS = 20_000
"""Up to 2 s; what is longer counts as 2 s, its true value stands in `max`."""
RECENT = 300
"""About ten seconds of frames."""

Percentiles = dict[str, float | None]


class Durations:
    """Durations of one thing."""

    def __init__(self) -> None:
        self._bins = np.zeros(BINS + 1, np.int64)
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._longest_ms = 0.0
        self.count = 0

    def add(self, seconds: float) -> None:
        ms = seconds * 1e3
        self._bins[min(max(int(ms / BIN_MS), 0), BINS)] += 1
        self._recent.append(ms)
        self._longest_ms = max(self._longest_ms, ms)
        self.count += 1

    def recent(self) -> Percentiles:
        """Of the last seconds."""
        if not self._recent:
            return {"p50": None, "p95": None, "p99": None, "max": None}
        p50, p95, p99, top = np.percentile(np.array(self._recent), [50, 95, 99, 100])
        return {"p50": _rounded(p50), "p95": _rounded(p95), "p99": _rounded(p99), "max": _rounded(top)}

    def whole(self) -> Percentiles:
        """Of the whole run, to a tenth of a millisecond."""
        if not self.count:
            return {"p50": None, "p95": None, "p99": None, "max": None}
        total = np.cumsum(self._bins)
        at = [int(np.searchsorted(total, share * self.count)) for share in (0.5, 0.95, 0.99)]
        p50, p95, p99 = (min((i + 0.5) * BIN_MS, self._longest_ms) for i in at)
        return {"p50": _rounded(p50), "p95": _rounded(p95), "p99": _rounded(p99), "max": _rounded(self._longest_ms)}


def in_ms(seconds: float) -> float:
    """Seconds as the ms of a report: to a hundredth."""
    return _rounded(seconds * 1e3)


def _rounded(ms: float) -> float:
    return round(float(ms), 2)
