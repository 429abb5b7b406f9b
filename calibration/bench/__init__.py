"""`guise bench`: one measurement a file, each a `run(options) -> figures` that prints its table.

Machines are noisy and differ: ratios, medians and the number of runs are printed, beside the targets of the design.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


@dataclass(frozen=True)
class BenchOptions:
    """What `guise bench` was told; None: the measurement's own default."""

    look: Path | None = None
    """A frozen look to measure with."""
    footage: Path | None = None
    """The folder of real footage; else $GUISE_DATA/video, else ../shared/data/video."""
    work: Path | None = None
    """Where long measurements keep what they made, and go on from."""
    minutes: float | None = None
    """memory, soak: of performing; likeness, voices: of training."""
    runs: int | None = None


class Bench(NamedTuple):
    """One measurement: where it lives, what it measures, how long it takes on 2 cores, and whether a bare `guise bench`
    runs it."""

    where: str
    what: str
    minutes: float
    quick: bool


class CannotMeasure(Exception):
    """A measurement could not be made; the message is one line that says what is missing or went wrong."""


BENCHES: dict[str, Bench] = {
    "speed": Bench(
        "calibration.bench.speed:run", "frames a second and latency, against face2face-demo's way", 1.0, True
    ),
    "cue": Bench("calibration.bench.cue:run", "gaps at a cue: cut, load while performing, dissolve", 1.5, True),
    "faces": Bench("calibration.bench.faces:run", "faces kept, points against dlib's own, faces invented", 2.0, True),
    "start": Bench(
        "calibration.bench.start:run", "from the command to the first frame on stage, and memory", 1.0, True
    ),
    "memory": Bench("calibration.bench.memory:run", "memory over 10 minutes, and what is left behind", 12.0, False),
    "likeness": Bench(
        "calibration.bench.likeness:run", "whom a look trained on one take shows, and how well", 60.0, False
    ),
    "reduction": Bench(
        "calibration.bench.reduction:run", "looks of every size and precision, against the classic ngf 64", 1.0, False
    ),
    "sound": Bench(
        "calibration.bench.sound:run", "voices that need no training: latency, cost, pitch, words, changes", 5.0, False
    ),
    "soak": Bench("calibration.bench.soak:run", "ten minutes or an hour of speech beside the picture", 11.0, False),
    "voices": Bench(
        "calibration.bench.voices:run",
        "whom learned voices sound like, and words kept; with --work, trained ones too",
        3.0,
        False,
    ),
}
