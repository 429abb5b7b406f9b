"""Percentiles of measured durations: of the last seconds for the operator, of the whole run for the report.

Used in both engines' loops and in the audience's thread. Adding a duration allocates nothing of notable size. All
results are in ms.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from live.process.metrics import Percentiles, no_percentiles

BIN_MS = 0.1
BINS = 20_000
"""Up to 2 s; a longer duration counts as 2 s, and `max` holds its true value."""
RECENT = 300
"""How many durations `recent` covers: about ten seconds of frames."""


class Durations:
    """The durations of one operation. Not thread-safe."""

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
        """p50, p95, p99 and max of the newest RECENT durations, in ms; None before the first."""
        if not self._recent:
            return no_percentiles()
        p50, p95, p99, top = np.percentile(np.array(self._recent), [50, 95, 99, 100])
        return {"p50": _rounded(p50), "p95": _rounded(p95), "p99": _rounded(p99), "max": _rounded(top)}

    def whole(self) -> Percentiles:
        """p50, p95 and p99 of the whole run, to a tenth of a millisecond, and max, in ms; None before the first."""
        if not self.count:
            return no_percentiles()
        total = np.cumsum(self._bins)
        bins = [int(np.searchsorted(total, fraction * self.count)) for fraction in (0.5, 0.95, 0.99)]
        p50, p95, p99 = (min((i + 0.5) * BIN_MS, self._longest_ms) for i in bins)
        return {"p50": _rounded(p50), "p95": _rounded(p95), "p99": _rounded(p99), "max": _rounded(self._longest_ms)}


def in_ms(seconds: float) -> float:
    """Seconds as a report's ms, rounded to a hundredth."""
    return _rounded(seconds * 1e3)


def _rounded(ms: float) -> float:
    return round(float(ms), 2)
