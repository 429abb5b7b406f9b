"""A look in every size it can be had in, each with what it costs and what it is worth, for the artist to choose from.

    NAME.onnx           the network as it was trained, fp32
    NAME-fp16.onnx      half the file, the same arithmetic on a CPU
    NAME-int8.onnx      a quarter of the file; only where it is sooner and faithful
    NAME-ngf16.onnx     a smaller network of the same face, fp16; see models.families.pix2pix_student
    reduction.json      the figures

All are run in turn, on the provider and with the threads that the stage takes. Nothing is pruned: zeros in a
convolution are multiplied like any other number, and whole channels are what a student leaves out. Offline; uses torch.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.artifact.fields import PRECISIONS, Precision
from export.artifact.manifest import Manifest
from export.freeze.freeze import NotFaster, NotFrozen, freeze
from export.freeze.held_out import HeldOutMetrics, HeldOutPairs
from export.freeze.verify import NotFaithful, sample_inputs
from export.runtime.frozen_session import FrozenSession
from export.runtime.session import open_session
from export.runtime.speed import Inputs, time_interleaved
from models.training.checkpoint import Run, read_run

TIMED_ROUNDS = 60
SAMPLES = 16

OnStep = Callable[[str], None]


@dataclass(frozen=True)
class ReducedModel:
    """One file; differences are to the first, the full network, in 1/255."""

    file: str
    precision: Precision
    megabytes: float
    p50_ms: float
    p95_ms: float
    difference_mean: float
    difference_max: float
    quality: HeldOutMetrics | None


@dataclass(frozen=True)
class Reduction:
    """What `reduce` wrote and measured."""

    name: str
    provider: str
    rounds: int
    pictures: int
    """How many each painted; held-out ones, or drawings of the target's face in motion."""
    left_out: str | None
    """Why there is no int8; None when there is."""
    files: tuple[ReducedModel, ...]

    def as_dict(self) -> dict[str, Any]:
        """As reduction.json holds it."""
        files = [{**asdict(f), "quality": f.quality.as_dict() if f.quality else None} for f in self.files]
        return {**asdict(self), "files": files}


def reduce(
    run: Path,
    out: Path,
    subject: str,
    *,
    students: Sequence[Path] = (),
    data: Path | None = None,
    licence: str | None = None,
    tell: OnStep = lambda _: None,
) -> Reduction:
    """Writes the files and reduction.json into folder `out`, and measures them; `tell` hears what is being done.

    `students` are runs of smaller networks, of the data that `run` learned from. With `data`, which must be that too,
    each is held against film. Raises what export.freeze.freeze.freeze does, DataError, LandmarkFileMissing.
    """
    full = _read_look_run(run)
    for student in students:
        if _read_look_run(student).facts.get("digest") != full.facts.get("digest"):
            raise NotFrozen(f"{student} did not learn from what {run} learned from: name a student of that run")
    held_out = None if data is None else _read_held_out(data, run, full)
    name = str(full.facts.get("name") or run.name)
    stem = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "look"
    written: dict[Path, Manifest] = {}
    left_out = None
    for precision in PRECISIONS:
        path = out / (f"{stem}.onnx" if precision == "fp32" else f"{stem}-{precision}.onnx")
        tell(f"freezing {path.name}")
        try:
            written[path] = freeze(run, path, subject, precision, licence=licence)
        except (NotFaster, NotFaithful) as why:
            if precision != "int8":
                raise
            left_out = str(why)
            # One of an earlier machine or run would be taken for this one's.
            path.unlink(missing_ok=True)
    for student in students:
        path = _free_path(out / f"{stem}-ngf{read_run(student).options.model_dump().get('ngf', '')}.onnx", written)
        tell(f"freezing {path.name}")
        written[path] = freeze(student, path, subject, "fp16", licence=licence)
    reduction = _measure(name, written, held_out, left_out, tell)
    (out / "reduction.json").write_text(json.dumps(reduction.as_dict(), indent=1), "utf-8")
    return reduction


def _read_look_run(run: Path) -> Run:
    found = read_run(run)
    if found.family.kind != "look":
        raise NotFrozen(f"{run} is a run of {found.family.name}: what is reduced are looks")
    return found


def _read_held_out(data: Path, run: Path, full: Run) -> HeldOutPairs:
    known: Mapping[str, Any] = {**full.facts.get("teacher", {}), **full.options.model_dump()}
    found = HeldOutPairs(data, known["size"], known["lines"])
    if found.digest != full.facts.get("digest"):
        raise NotFrozen(f"{data} is not the data that {run} learned from: name that")
    return found


def _free_path(path: Path, written: Mapping[Path, Manifest]) -> Path:
    """`path`, or the first numbered one after it: two students may be of one size."""
    number, free = 2, path
    while free in written:
        number, free = number + 1, path.with_stem(f"{path.stem}-{number}")
    return free


def _measure(
    name: str, written: Mapping[Path, Manifest], held_out: HeldOutPairs | None, left_out: str | None, tell: OnStep
) -> Reduction:
    inputs: list[Inputs]
    if held_out is None:
        inputs = list(sample_inputs(next(iter(written.values())), np.random.default_rng(2), SAMPLES))
    else:
        inputs = [{"lines": lines[None]} for lines in held_out.lines]
    with ExitStack() as opened:
        sessions = {path.name: opened.enter_context(open_session(path)) for path in written}
        tell(f"running each {TIMED_ROUNDS} times, in turn")
        taken = time_interleaved(sessions, inputs, TIMED_ROUNDS)
        provider = next(iter(sessions.values())).provider
        painted = {file: _run_all(session, inputs) for file, session in sessions.items()}
    full = next(iter(painted.values()))
    files = []
    for path, manifest in written.items():
        pictures = painted[path.name]
        apart = np.abs(pictures.astype(np.int16) - full)
        quality = None
        if held_out is not None:
            tell(f"holding {path.name} against film")
            quality = held_out.measure(list(pictures))
        p50, p95 = np.percentile(taken[path.name], [50, 95])
        files.append(
            ReducedModel(
                file=path.name,
                precision=manifest.precision,
                megabytes=round(path.stat().st_size / 1e6, 3),
                p50_ms=round(float(p50), 3),
                p95_ms=round(float(p95), 3),
                difference_mean=round(float(apart.mean()), 4),
                difference_max=float(apart.max()),
                quality=quality,
            )
        )
    return Reduction(name, provider, TIMED_ROUNDS, len(inputs), left_out, tuple(files))


def _run_all(session: FrozenSession, inputs: Sequence[Inputs]) -> NDArray[np.uint8]:
    """(n, size, size, 3)."""
    pictures: NDArray[np.uint8] = np.concatenate([session.run(**given)["picture"].copy() for given in inputs])
    return pictures
