"""What every benchmark is: a module with `run`, and the options that `guise bench` hands to it.

A benchmark's `run` measures, prints its table through calibration.bench.table and returns its metrics, which
`guise bench --json` writes. Machines are noisy and differ from each other: tables hold ratios, medians and the number
of runs, beside the targets of the design. Runs in the calling thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class BenchOptions:
    """The options of `guise bench`; None stands for the benchmark's own default."""

    look: Path | None = None
    """A frozen look to measure with."""
    footage: Path | None = None
    """The folder of real footage; else $GUISE_DATA/video, else ../shared/data/video."""
    work: Path | None = None
    """Where long benchmarks keep what they made, and resume from."""
    minutes: float | None = None
    """memory, soak: of performing; likeness, voices: of training."""
    runs: int | None = None


class NotMeasured(Exception):
    """A benchmark could not be carried out; the message is one line that says what is missing or went wrong."""


class Benchmark(Protocol):
    """A module of this package that calibration.bench.registry names."""

    def run(self, options: BenchOptions) -> Mapping[str, object]:
        """Measures, prints the table and returns the metrics, as JSON takes them. Raises NotMeasured."""
