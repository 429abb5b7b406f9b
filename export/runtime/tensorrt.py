"""TensorRT engines: built ahead, kept in the user's cache folder, found again by what they were built for.

An engine belongs to one model, one kind of GPU and one version of TensorRT and of ONNX Runtime: these are its key, and
another key means another engine. It is stored as ONNX Runtime's context model and the engine that the model names,
which load in a second where building takes minutes; facts.json beside them says what is known about it. It is a cache,
never a frozen model: model_file.check_model refuses one, the folder may be deleted at any time, and when a file differs
from what was written, the engine is removed before TensorRT reads it.

    ~/.cache/guise/tensorrt/engines/KEY/     context.onnx, *.engine, facts.json
    ~/.cache/guise/tensorrt/timing/GPU/      measured times of kernels: shortens the next build of any model

export.runtime.tensorrt_build builds in a process of its own: building takes gigabytes, and a crash there does not take
down the stage. Free of torch. Thread: any, best a loader.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import onnxruntime as ort
from pydantic import BaseModel, ConfigDict, ValidationError

from export.artifact import model_file
from export.artifact.fields import Precision
from export.artifact.manifest import Manifest
from export.runtime import providers
from export.runtime.cuda import CudaSession
from export.runtime.frozen_session import Arithmetic
from export.runtime.session_options import build_session, session_options
from models.command_line import one_line

CONTEXT = "context.onnx"
FACTS = "facts.json"
_BROKEN_TIMING_CACHE = re.compile("timing cache|ended with signal")
"""What TensorRT's provider reports of a timing cache that it cannot read, or how a library that reads one may end."""


class NotBuilt(Exception):
    """There is no engine; the message is one line: why, and what to do."""


class EngineKey(BaseModel):
    """What an engine was built for. The driver is not part of it: TensorRT engines outlive drivers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    """SHA-256 of the frozen model, whose manifest also gives the precision."""
    gpu: str
    capability: str
    tensorrt: int
    runtime: str
    """ONNX Runtime's version."""

    @property
    def folder(self) -> Path:
        name = hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:32]
        return cache_folder() / "engines" / name

    @property
    def timing_folder(self) -> Path:
        card = re.sub(r"[^A-Za-z0-9]+", "-", self.gpu)
        return cache_folder() / "timing" / f"{card}-{self.capability}-{self.tensorrt}"


class EngineTrial(BaseModel):
    """What the building process measured of its engine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    load_s: float
    """From the context model to a warmed session."""
    difference: float
    """The largest from the CPU's output, in 1/255."""
    arithmetic: Arithmetic


class Engine(BaseModel):
    """An engine and what is known about it; the content of facts.json."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: EngineKey
    build_s: float
    trial: EngineTrial
    files: dict[str, str]
    """Name -> SHA-256."""

    @property
    def megabytes(self) -> float:
        return sum((self.key.folder / name).stat().st_size for name in self.files) / 1e6


def cache_folder() -> Path:
    root = os.environ.get("XDG_CACHE_HOME", "")
    # As its specification says, a relative one counts for nothing.
    return (Path(root) if os.path.isabs(root) else Path.home() / ".cache") / "guise" / "tensorrt"


def engine_key(path: Path) -> EngineKey:
    """The key for the frozen model at `path` on this machine. Call only where providers.unavailable_reason("TensorRT")
    is None."""
    card = providers.gpu()
    return EngineKey(
        model=model_file.file_digest(path),
        gpu=card.name,
        capability=card.capability,
        tensorrt=providers.tensorrt_version(),
        runtime=ort.__version__,
    )


def find_engine(key: EngineKey) -> Engine | None:
    """The engine for `key`, every byte of it as it was written; otherwise None, and a damaged engine is removed."""
    folder = key.folder
    try:
        check_private(folder)
        engine = Engine.model_validate_json((folder / FACTS).read_bytes())
        intact = engine.key == key and _is_whole(engine, folder)
    except (OSError, ValidationError):
        intact = False
    if intact:
        return engine
    remove_engine(key)
    return None


def _is_whole(engine: Engine, folder: Path) -> bool:
    """Whether the files are those that were written, the context among them, and no others are there to be read."""
    there = {file.name for file in folder.iterdir()} - {FACTS}
    return (
        CONTEXT in engine.files
        and there == set(engine.files)
        and all(name == Path(name).name for name in engine.files)
        and all(model_file.file_digest(folder / name) == sha for name, sha in engine.files.items())
    )


def check_private(folder: Path) -> None:
    """Raises NotBuilt when others may write to `folder` or to a folder of Guise's above it: TensorRT's engines are
    programs."""
    for place in (folder, *folder.parents):
        if not place.is_relative_to(cache_folder().parent):
            return
        try:
            found = place.stat()
        except FileNotFoundError:
            continue
        if found.st_mode & 0o022 or (hasattr(os, "getuid") and found.st_uid != os.getuid()):
            raise NotBuilt(f"{place} belongs to another user, or others may write there: chmod go-w it, or remove it")


def make_private(folder: Path) -> None:
    """Makes `folder` and Guise's folders above it, for this user alone. Raises OSError, NotBuilt."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    for place in reversed(missing):
        place.mkdir(mode=0o700, exist_ok=True)
    check_private(folder)


def remove_engine(key: EngineKey) -> None:
    shutil.rmtree(key.folder, ignore_errors=True)


def open_or_build(path: Path, manifest: Manifest, *, may_build: bool) -> CudaSession:
    """A session on TensorRT from the cached engine; where there is none and it `may_build`, from a new one, which takes
    minutes.

    Raises NotBuilt, or whatever ONNX Runtime raises.
    """
    key = engine_key(path)
    engine = find_engine(key)
    if engine is not None:
        try:
            return open_engine(path, manifest, key.folder, engine.trial.arithmetic)
        except Exception:
            remove_engine(key)
            if not may_build:
                raise
    if not may_build:
        raise NotBuilt("no engine is built for this model on this GPU (guise export --tensorrt builds it ahead)")
    engine = build_engine(path)
    return open_engine(path, manifest, key.folder, engine.trial.arithmetic)


def open_engine(path: Path, manifest: Manifest, folder: Path, arithmetic: Arithmetic) -> CudaSession:
    """A session of the engine in `folder`, which stands for the frozen model at `path`. Raises whatever ONNX Runtime
    raises."""

    def build_from_context(graph: bool) -> ort.InferenceSession:
        options = session_options()
        # The graph is one node, and ONNX Runtime itself advises not to optimise it.
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        return build_session(folder / CONTEXT, "TensorRT", load_options(graph=graph), options)

    return CudaSession(path, manifest, "TensorRT", build_from_context, arithmetic)


def load_options(*, graph: bool) -> dict[str, str]:
    """Provider options for loading a context model."""
    return {"trt_cuda_graph_enable": "1" if graph else "0"}


def build_options(precision: Precision, folder: Path, timing: Path) -> dict[str, str]:
    """Provider options for building an engine and its context model into `folder`."""
    return {
        # The path of the engine must not be given: it would have to be relative, and is that of the context model.
        "trt_engine_cache_enable": "1",
        "trt_dump_ep_context_model": "1",
        "trt_ep_context_file_path": str(folder / CONTEXT),
        # 0: the engine in a file beside it, which loads sooner than one inside.
        "trt_ep_context_embed_mode": "0",
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(timing),
        "trt_fp16_enable": "0" if precision == "fp32" else "1",
    }


def build_engine(path: Path) -> Engine:
    """Builds, checks and stores the engine of this GPU for the frozen model at `path`; takes minutes. Raises
    NotBuilt."""
    key = engine_key(path)
    make_private(key.folder.parent)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix=".building-", dir=key.folder.parent) as temporary:
        folder = Path(temporary) / "engine"
        trial = _build_and_check(path, folder, key.timing_folder)
        engine = Engine(
            key=key,
            build_s=round(time.perf_counter() - started, 1),
            trial=trial,
            files={file.name: model_file.file_digest(file) for file in sorted(folder.iterdir())},
        )
        (folder / FACTS).write_text(engine.model_dump_json(indent=1), "utf-8")
        remove_engine(key)
        folder.rename(key.folder)
    return engine


def _build_and_check(path: Path, folder: Path, timing: Path) -> EngineTrial:
    has_timings = timing.is_dir() and any(timing.iterdir())
    try:
        return _run_builder(path, folder, timing)
    except NotBuilt as error:
        # The timing cache itself may be broken: once more without it, unless the error was another.
        if not has_timings or not _BROKEN_TIMING_CACHE.search(str(error)):
            raise
    shutil.rmtree(timing, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    return _run_builder(path, folder, timing)


def _run_builder(path: Path, folder: Path, timing: Path) -> EngineTrial:
    """Runs export.runtime.tensorrt_build and waits. Raises NotBuilt with its last line, or with the signal or code it
    ended with."""
    folder.mkdir(mode=0o700)
    make_private(timing)
    root = str(Path(__file__).resolve().parents[2])
    paths = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    # -P: a folder called export in the current directory is not ours.
    command = [
        sys.executable,
        "-P",
        "-m",
        "export.runtime.tensorrt_build",
        str(path.resolve()),
        str(folder),
        str(timing),
    ]
    with subprocess.Popen(
        command,
        # Held open: the process ends itself when this pipe closes, so that no build outlives a killed parent.
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": paths},
    ) as process:
        assert process.stdout is not None
        last_line = process.stdout.read().decode("utf-8", "replace").strip().rpartition("\n")[2]
    try:
        return EngineTrial.model_validate_json(last_line)
    except ValidationError:
        pass
    if process.returncode < 0:
        raise NotBuilt(f"building its engine ended with signal {-process.returncode}")
    raise NotBuilt(one_line(last_line) or f"building its engine ended with code {process.returncode}")
