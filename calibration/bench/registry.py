"""The benchmarks of `guise bench`, one line each: a module of this package, imported when it is run."""

from __future__ import annotations

from importlib import import_module
from typing import NamedTuple, cast

from calibration.bench.benchmark import Benchmark


class Entry(NamedTuple):
    """One benchmark: what it measures, the minutes it takes on 2 cores, and whether a bare `guise bench` runs it."""

    what: str
    minutes: float
    quick: bool


BENCHMARKS: dict[str, Entry] = {
    "speed": Entry("frames a second and latency, against face2face-demo's way", 1.0, True),
    "cue": Entry("gaps at a cue: cut, load while performing, dissolve", 1.5, True),
    "faces": Entry("faces kept, points against dlib's own, faces invented", 2.0, True),
    "start": Entry("from the command to the first frame on stage, and memory", 1.0, True),
    "memory": Entry("memory over 10 minutes, and what is left behind", 12.0, False),
    "likeness": Entry("whom a look trained on one take shows, and how well", 60.0, False),
    "reduction": Entry("looks of every size and precision, against the classic ngf 64", 1.0, False),
    "sound": Entry("voices that need no training: latency, cost, pitch, words, changes", 5.0, False),
    "soak": Entry("ten minutes or an hour of speech beside the picture", 11.0, False),
    "voices": Entry("whom learned voices sound like, and words kept; with --work, trained ones too", 3.0, False),
}
"""Name -> what it is; the module has the same name."""


def load_benchmark(name: str) -> Benchmark:
    """The module of benchmark `name`, one of BENCHMARKS."""
    return cast(Benchmark, import_module(f"calibration.bench.{name}"))
