"""TensorRT's engines: built ahead, kept in the user's cache folder, found again by what they were built for.

An engine belongs to one model, one kind of GPU and one version of TensorRT and of ONNX Runtime: these are its key, and
with another key it is another engine. It lies there as ONNX Runtime's context model and the engine it names, which
load in a second where building takes minutes; beside them what we know about it. It is a cache, never a frozen model:
model_file.check_model refuses one, the folder may be deleted at any time, and a file that is not as it was written is
thrown away with its engine before TensorRT reads it.

    ~/.cache/guise/tensorrt/engines/KEY/     context.onnx, *.engine, facts.json
    ~/.cache/guise/tensorrt/timing/GPU/      how long kernels took: makes the next build shorter, whatever the model

Building is export.runtime.tensorrt_build's, in a process of its own: it takes gigabytes, and what it takes down is not
the stage. Free of torch. Thread: any, best a loader.
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

from export.artifact import bad_model, model_file
from export.artifact.fields import Precision
from export.artifact.manifest import Manifest
from export.runtime import providers
from export.runtime.cuda import CudaSession
from export.runtime.frozen_session import Arithmetic
from export.runtime.session_options import build_session, session_options

CONTEXT = "context.onnx"
FACTS = "facts.json"
_BROKEN_TIMING_CACHE = re.compile("timing cache|ended with signal")
"""What TensorRT's provider says of a timing cache it cannot read, and what a library that reads one may do."""


class NotBuilt(Exception):
    """There is no engine; the message is one line: why, and what to do."""


class EngineKey(BaseModel):
    """What an engine was built for. The driver is not part of it: TensorRT's engines outlive drivers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    """SHA-256 of the frozen model, which says its precision too."""
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
    def timing(self) -> Path:
        card = re.sub(r"[^A-Za-z0-9]+", "-", self.gpu)
        return cache_folder() / "timing" / f"{card}-{self.capability}-{self.tensorrt}"


class EngineTrial(BaseModel):
    """What the building process found out about its engine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    load_s: float
    """From the context model to a warmed session."""
    difference: float
    """The largest to the CPU's answers, in 1/255."""
    arithmetic: Arithmetic


class Engine(BaseModel):
    """An engine and what is known about it; facts.json."""

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
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "guise" / "tensorrt"


def engine_key(path: Path) -> EngineKey:
    """Only where providers.unavailable_reason("TensorRT") is None."""
    card = providers.gpu()
    return EngineKey(
        model=model_file.file_digest(path),
        gpu=card.name,
        capability=card.capability,
        tensorrt=providers.tensorrt_version(),
        runtime=ort.__version__,
    )


def find_engine(key: EngineKey) -> Engine | None:
    """The engine for `key`, every byte of it as it was written; one that is not is thrown away, and None the answer."""
    folder = key.folder
    try:
        engine = Engine.model_validate_json((folder / FACTS).read_bytes())
        whole = engine.key == key and all(
            model_file.file_digest(folder / name) == sha for name, sha in engine.files.items()
        )
    except (OSError, ValidationError):
        whole = False
    if whole:
        return engine
    remove_engine(key)
    return None


def remove_engine(key: EngineKey) -> None:
    shutil.rmtree(key.folder, ignore_errors=True)


def open_or_build(path: Path, manifest: Manifest, *, may_build: bool) -> CudaSession:
    """On TensorRT, from the cache; where there is nothing and it `may_build`, from what it builds, in minutes.

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
    """The engine in `folder`, in the place of the frozen model at `path`. Raises whatever ONNX Runtime raises."""

    def from_context(graph: bool) -> ort.InferenceSession:
        chosen = session_options()
        # The graph is one node, and ONNX Runtime itself advises to leave it alone.
        chosen.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        return build_session(folder / CONTEXT, "TensorRT", load_options(graph=graph), chosen)

    return CudaSession(path, manifest, "TensorRT", from_context, arithmetic)


def load_options(*, graph: bool) -> dict[str, str]:
    """For a context model."""
    return {"trt_cuda_graph_enable": "1" if graph else "0"}


def build_options(precision: Precision, folder: Path, timing: Path) -> dict[str, str]:
    """For building an engine and its context model into `folder`."""
    return {
        # The engine's own path must not be given: it would have to be relative, and lies beside the context model.
        "trt_engine_cache_enable": "1",
        "trt_dump_ep_context_model": "1",
        "trt_ep_context_file_path": str(folder / CONTEXT),
        # 0: the engine beside it, which loads sooner than one inside.
        "trt_ep_context_embed_mode": "0",
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(timing),
        "trt_fp16_enable": "0" if precision == "fp32" else "1",
    }


def build_engine(path: Path) -> Engine:
    """Builds, tries and keeps this GPU's engine for the frozen model at `path`; minutes. Raises NotBuilt."""
    key = engine_key(path)
    key.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix=".building-", dir=key.folder.parent) as workshop:
        folder = Path(workshop) / "engine"
        trial = _build_and_check(path, folder, key.timing)
        engine = Engine(
            key=key,
            build_s=round(time.perf_counter() - began, 1),
            trial=trial,
            files={file.name: model_file.file_digest(file) for file in sorted(folder.iterdir())},
        )
        (folder / FACTS).write_text(engine.model_dump_json(indent=1), "utf-8")
        remove_engine(key)
        folder.rename(key.folder)
    return engine


def _build_and_check(path: Path, folder: Path, timing: Path) -> EngineTrial:
    known = timing.is_dir() and any(timing.iterdir())
    try:
        return _run_builder(path, folder, timing)
    except NotBuilt as error:
        # What is known about kernels may itself be what is broken: once more without, unless it was something else.
        if not known or not _BROKEN_TIMING_CACHE.search(str(error)):
            raise
    shutil.rmtree(timing, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    return _run_builder(path, folder, timing)


def _run_builder(path: Path, folder: Path, timing: Path) -> EngineTrial:
    """Runs export.runtime.tensorrt_build, and waits. Raises NotBuilt with what it says, or what it died of."""
    folder.mkdir(mode=0o700)
    timing.mkdir(mode=0o700, parents=True, exist_ok=True)
    root = str(Path(__file__).resolve().parents[2])
    paths = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    # -P: a folder called export where somebody happens to work is not ours.
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
        # Held open: it ends itself when this pipe does, so that no build outlives a killed parent.
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": paths},
    ) as process:
        assert process.stdout is not None
        said = process.stdout.read().decode("utf-8", "replace").strip().rpartition("\n")[2]
    try:
        return EngineTrial.model_validate_json(said)
    except ValidationError:
        pass
    if process.returncode < 0:
        raise NotBuilt(f"building its engine ended with signal {-process.returncode}")
    raise NotBuilt(bad_model.one_line(said) or f"building its engine ended with code {process.returncode}")
