"""Builds one engine, loads it as the stage does, and compares it with the CPU: the process that export.runtime.tensorrt
runs.

    python -m export.runtime.tensorrt_build MODEL FOLDER TIMING

Its last line is the result: export.runtime.tensorrt.EngineTrial as JSON, or one plain sentence that says why there is
no engine. Its exit code is 0 or 1. It ends when its standard input does. Free of torch.
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
    """Prints the line and returns the exit code."""
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
        # Before a library of NVIDIA's is loaded: they read it once. TensorRT uses tf32 for fp32 otherwise, and ONNX
        # Runtime has no option against it.
        os.environ["NVIDIA_TF32_OVERRIDE"] = "0"
    reason = unavailable_reason("TensorRT")
    if reason is not None:
        raise NotBuilt(reason)
    _build_engine(path, manifest, folder, timing)
    arithmetic: Arithmetic = "fp32" if manifest.precision == "fp32" else "fp16"
    started = time.perf_counter()
    with open_engine(path, manifest, folder, arithmetic) as engine:
        engine.warm()
        load_s = time.perf_counter() - started
        with open_session(path, "cpu") as reference:
            difference = comparison.largest_difference(reference, engine)
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
    # Beside the folder and not in it: everything in the folder belongs to the engine.
    with tempfile.TemporaryDirectory(prefix="model-", dir=folder.parent) as name:
        rewritten = Path(name) / "model.onnx"
        onnx.save(model, rewritten)
        del model
        build_session(rewritten, "TensorRT", build_options(manifest.precision, folder, timing), session_options())
    if not (folder / CONTEXT).is_file():
        raise NotBuilt("TensorRT takes a part of this model only, and an engine must be the whole of it")


def cast_before_transpose(model: ModelProto) -> None:
    """Casts bytes to numbers before they are transposed, where a graph transposes first; the output is the same.

    TensorRT takes bytes only at the inputs of the graph, to be cast at once: a transposition of bytes would be left to
    another provider, and a model that is not wholly TensorRT's has neither a context model nor a CUDA graph.
    """
    from onnx import TensorProto

    graph = model.graph
    byte_inputs = {port.name for port in graph.input if port.type.tensor_type.elem_type == TensorProto.UINT8}
    for transpose in graph.node:
        if transpose.op_type != "Transpose" or transpose.input[0] not in byte_inputs:
            continue
        readers = [node for node in graph.node if transpose.output[0] in node.input]
        if len(readers) == 1 and readers[0].op_type == "Cast":
            _swap(transpose, readers[0])


def _swap(transpose: NodeProto, cast: NodeProto) -> None:
    """transpose -> cast becomes cast -> transpose, under the names that other nodes read; the nodes keep their places
    in the list."""
    source, between, after = transpose.input[0], transpose.output[0], cast.output[0]
    copy = type(transpose)()
    copy.CopyFrom(transpose)
    transpose.CopyFrom(cast)
    cast.CopyFrom(copy)
    transpose.input[:], transpose.output[:] = [source], [between]
    cast.input[:], cast.output[:] = [between], [after]


def _exit_with_parent() -> None:
    """Ends this process when standard input ends. Runs in a thread of its own."""
    # Not sys.stdin: Python aborts when it exits while a thread waits in there.
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
