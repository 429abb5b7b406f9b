"""Ten minutes of speech beside the picture: no xrun, no missed deadline, one latency.

`make slow PYTEST_ARGS="-k soak"`

The hour is `guise bench soak --minutes 60`; its report is in docs/figures.md.
"""

from __future__ import annotations

import numpy as np
import pytest

from calibration.bench.benchmark import BenchOptions
from calibration.bench.soak import run


@pytest.mark.slow
def test_a_soak_of_ten_minutes() -> None:
    metrics = run(BenchOptions(minutes=10.0))
    audio, latency_ms = metrics["audio"], np.array(metrics["latency_heard_ms"])
    assert audio["xruns"] == 0
    assert audio["deadline_misses"] == 0
    assert metrics["samples_missing_at_switches"] == 0
    assert len(latency_ms) > 100
    assert abs(np.median(latency_ms) - audio["latency"]) < 1.0
    assert abs(np.median(latency_ms[-20:]) - np.median(latency_ms[:20])) < 1.0
    assert metrics["switches"] > 25
