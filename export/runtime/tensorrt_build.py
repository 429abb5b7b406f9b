"""Builds one engine, loads it as the stage does, and holds it against the CPU: a process for export.runtime.tensorrt.

    python -m export.runtime.tensorrt_build MODEL FOLDER TIMING

Its last line says what it found, export.runtime.tensorrt.EngineTrial as JSON, or in plain words why there is no engine;
its code is 0 or 1. It ends when its standard input does. Free of torch.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from export.artifact import model_file
from export.artifact.bad_model import BadModel
from export.artifact.manifest import Manifest
from export.runtime import comparison
from export.runtime.frozen_session import Arithmetic
from export.runtime.providers import unavailable_reason
from export.runtime.session import open_session
from export.runtime.session_options import build_session, first_line, session_options
from export.runtime.tensorrt import CONTEXT, EngineTrial, NotBuilt, build_options, open_engine

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto


def main(arguments: Sequence[str]) -> int:
    """Says one line and gives the exit code."""
    threading.Thread(target=_exit_with_parent, name="parent", daemon=True).start()
    path, folder, timing = map(Path, arguments)
    try:
        print(build_and_check(path, folder, timing).model_dump_json())
    except (NotBuilt, BadModel) as error:
        print(error)
        return 1
    except Exception as error:  # ONNX Runtime's own exceptions derive from Exception alone.
        print(f"TensorRT: {first_line(error)}")
        return 1
    return 0


def build_and_check(path: Path, folder: Path, timing: Path) -> EngineTrial:
    """Builds into `folder`. Raises NotBuilt, BadModel, or whatever ONNX Runtime raises."""
    manifest = model_file.check_model(path)
    if manifest.precision == "fp32":
        # Before a library of NVIDIA's is loaded: they read it once. TensorRT takes tf32 for fp32 else, and ONNX
        # Runtime has no option against it.
        os.environ["NVIDIA_TF32_OVERRIDE"] = "0"
    reason = unavailable_reason("TensorRT")
    if reason is not None:
        raise NotBuilt(reason)
    _build_engine(path, manifest, folder, timing)
    arithmetic: Arithmetic = "fp32" if manifest.precision == "fp32" else "fp16"
    began = time.perf_counter()
    with open_engine(path, manifest, folder, arithmetic) as engine:
        engine.warm()
        load_s = time.perf_counter() - began
        with open_session(path, "cpu") as truth:
            difference = comparison.largest_difference(truth, engine)
    allowed = comparison.MAX_DIFFERENCE[manifest.precision]
    if not difference <= allowed:
        raise NotBuilt(
            f"the engine differs from the model by {difference:.1f}/255, where {manifest.precision} allows {allowed:g}"
        )
    return EngineTrial(load_s=round(load_s, 2), difference=round(difference, 3), arithmetic=arithmetic)


def _build_engine(path: Path, manifest: Manifest, folder: Path, timing: Path) -> None:
    import onnx

    model = onnx.load(path)
    cast_before_transpose(model)
    # Beside the folder and not in it: what lies in there is the engine's.
    with tempfile.TemporaryDirectory(prefix="model-", dir=folder.parent) as name:
        rewritten = Path(name) / "model.onnx"
        onnx.save(model, rewritten)
        del model
        build_session(rewritten, "TensorRT", build_options(manifest.precision, folder, timing), session_options())
    if not (folder / CONTEXT).is_file():
        raise NotBuilt("TensorRT takes a part of this model only, and an engine must be the whole of it")


def cast_before_transpose(model: ModelProto) -> None:
    """Turns bytes into numbers before they are moved about, where a graph moves them first; the same answer.

    TensorRT takes bytes at the graph's doors alone, to be cast at once: a transposition of bytes would stay outside,
    and what is not whole has neither a context model nor a graph.
    """
    from onnx import TensorProto

    graph = model.graph
    doors = {port.name for port in graph.input if port.type.tensor_type.elem_type == TensorProto.UINT8}
    for move in graph.node:
        if move.op_type != "Transpose" or move.input[0] not in doors:
            continue
        readers = [node for node in graph.node if move.output[0] in node.input]
        if len(readers) == 1 and readers[0].op_type == "Cast":
            _swap(move, readers[0])


def _swap(move: NodeProto, cast: NodeProto) -> None:
    """move -> cast becomes cast -> move, under the names that others read; the nodes keep their places in the list."""
    door, between, after = move.input[0], move.output[0], cast.output[0]
    keep = type(move)()
    keep.CopyFrom(move)
    move.CopyFrom(cast)
    cast.CopyFrom(keep)
    move.input[:], move.output[:] = [door], [between]
    cast.input[:], cast.output[:] = [between], [after]


def _exit_with_parent() -> None:
    # Not sys.stdin: Python aborts when it ends while a thread waits in there.
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
