"""A checkpoint -> a frozen model: ONE .onnx file, checked against the network it comes from before it is there.

The graph is torch.export's, in standard operators with fixed shapes. Precision fp16 is fp16 STORAGE: weights lie in
the file as float16 followed by a cast, which ONNX Runtime folds away when it loads, so the file is half as large and
the arithmetic, on a CPU, is float32 all the same. Precision int8 is offered where it is sooner: both are run here, and
one that is not is refused. Offline; uses torch.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from onnx import ModelProto, TensorProto, helper, numpy_helper
from pydantic import ValidationError

from export.artifact import model_file
from export.artifact.fields import PRECISIONS, Precision
from export.artifact.manifest import Manifest
from export.freeze.subpixel_conv import to_subpixel_conv
from export.freeze.verify import parity, sample_inputs
from export.runtime.session import open_session
from export.runtime.speed import median_ratio, time_interleaved
from models.training.checkpoint import LoadedRun, load_run
from models.training.family import FreezePlan, WrongTarget, freeze_batch

OPSET = 18
"""The exporter's own: another would be reached by converting, and ONNX Runtime and TensorRT read this one."""

DTYPES = {
    torch.uint8: "uint8",
    torch.bool: "bool",
    torch.int32: "int32",
    torch.int64: "int64",
    torch.float16: "float16",
    torch.float32: "float32",
}
_MAX_FP16 = 65504.0
CALIBRATION_SAMPLES = 24
TIMED_ROUNDS = 40
MAX_TIME_RATIO = 0.9
"""int8 must take less than this share of fp32's time: it costs a level of the picture, and noise is no gain."""


class NotFrozen(Exception):
    """A run that cannot be frozen as asked; one line with what to do."""


class NotFaster(NotFrozen):
    """int8 takes as long as fp32 on this machine; one line with both figures."""


def freeze(
    run: Path,
    out: Path,
    subject: str,
    precision: Precision = "fp32",
    name: str | None = None,
    licence: str | None = None,
    target: str | None = None,
    step: int | None = None,
) -> Manifest:
    """Freezes a checkpoint of the training run in folder `run` to the file `out`, and returns its manifest: the newest,
    or that of `step`.

    Nothing is written unless it is whole, passes model_file.check_model, and says what the network says. `name`
    defaults to the name of `target`, of the data's person, or of the file. Raises NotFrozen,
    models.training.checkpoint.BadRun, export.freeze.verify.NotFaithful, BadModel, OSError.
    """
    _check_request(out, subject, precision)
    loaded = load_run(run, step)
    try:
        plan = loaded.run.family.freeze(loaded.networks, loaded.run.options, loaded.run.facts, target)
    except WrongTarget as error:
        raise NotFrozen(str(error)) from None
    fields = {
        "kind": loaded.run.family.kind,
        "family": loaded.run.family.name,
        "name": name or target or loaded.run.facts.get("name") or out.stem,
        "subject": subject,
        "licence": licence or "not stated",
        "training": _training_fields(loaded),
    }
    return freeze_from_plan(plan, out, fields, precision)


def freeze_from_plan(plan: FreezePlan, out: Path, fields: Mapping[str, Any], precision: Precision = "fp32") -> Manifest:
    """Freezes `plan` to `out`; `fields` are those of the manifest that the plan and the graph do not know.

    Raises as `freeze` does.
    """
    _check_request(out, str(fields.get("subject", "")), precision)
    plan.module.eval()
    ports = _port_fields(plan)
    try:
        manifest = Manifest(**{**fields, **plan.manifest, **ports, "precision": precision})
    except ValidationError as error:
        raise NotFrozen(f"{out} would have a manifest that does not hold: {model_file.first_error(error)}") from None
    model = to_onnx(replace(plan, module=to_subpixel_conv(plan.module)))
    if precision == "fp16":
        store_fp16(model)
    elif precision == "int8":
        model = _faster_int8(model, manifest)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".guise-", dir=out.parent) as folder:
        trial = Path(folder) / out.name
        model_file.write_model(trial, model, manifest)
        with open_session(trial, "cpu") as session:
            found = parity(plan, session)
    metrics = {**manifest.training.metrics, "parity": found.as_dict()}
    training = manifest.training.model_copy(update={"metrics": metrics})
    manifest = manifest.model_copy(update={"training": training})
    model_file.write_model(out, model, manifest)
    return manifest


def to_onnx(plan: FreezePlan) -> ModelProto:
    """`plan.module` as an ONNX model in standard operators, its shapes fixed, nothing in it about this machine."""
    with _quiet_export(), torch.no_grad():
        program = torch.export.export(plan.module, tuple(plan.inputs.values()), strict=False)
        exported = torch.onnx.export(
            program,
            (),
            dynamo=True,
            opset_version=OPSET,
            input_names=list(plan.inputs),
            output_names=list(plan.outputs),
            external_data=False,
            verbose=False,
        )
    assert exported is not None  # None is the answer of the old exporter alone.
    model: ModelProto = exported.model_proto
    _strip_metadata(model)
    return model


def store_fp16(model: ModelProto) -> None:
    """Changes `model`'s float32 weights of two dimensions and more to float16 and a cast; raises NotFrozen.

    Biases and the gains of norms stay: they are a thousandth of the file.
    """
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or len(tensor.dims) < 2:
            continue
        weights = numpy_helper.to_array(tensor)
        if not np.abs(weights).max(initial=0) <= _MAX_FP16:
            raise NotFrozen("the network has weights beyond what fp16 holds: export with --precision fp32")
        stored = f"{tensor.name}.half"
        casts.append(helper.make_node("Cast", [stored], [tensor.name], name=f"{stored}.cast", to=TensorProto.FLOAT))
        tensor.CopyFrom(numpy_helper.from_array(weights.astype(np.float16), stored))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def _faster_int8(model: ModelProto, manifest: Manifest) -> ModelProto:
    """`model` in int8; raises NotFaster unless that gains something on this machine's CPU, and NotFrozen."""
    # Imported here: the quantiser is slow to load, and the other precisions do without.
    from export.freeze.quantise import to_int8

    # Another seed than parity's, so that nothing is judged on what it was calibrated by.
    inputs = list(sample_inputs(manifest, np.random.default_rng(1), CALIBRATION_SAMPLES))
    if not inputs:
        raise NotFrozen("int8 is calibrated on drawings, and this reads none: export with --precision fp16")
    quantised = to_int8(model, inputs)
    _strip_metadata(quantised)
    with tempfile.TemporaryDirectory(prefix="guise-int8-") as folder, ExitStack() as opened:
        sessions = {}
        for name, each in (("fp32", model), ("int8", quantised)):
            path = Path(folder) / f"{name}.onnx"
            model_file.write_model(path, each, manifest)
            sessions[name] = opened.enter_context(open_session(path, "cpu"))
        taken = time_interleaved(sessions, inputs, TIMED_ROUNDS)
    if not median_ratio(taken["int8"], taken["fp32"]) < MAX_TIME_RATIO:
        raise NotFaster(
            f"int8 is not faster on this machine: {np.median(taken['int8']):.1f} ms against "
            f"{np.median(taken['fp32']):.1f} ms in fp32 (medians of {TIMED_ROUNDS} runs in turn); "
            "export with --precision fp16"
        )
    return quantised


def _check_request(out: Path, subject: str, precision: str) -> None:
    if not subject.strip():
        raise NotFrozen(
            "say whose likeness this is and on what consent: --subject fictional, --subject self, or a statement"
        )
    if precision not in PRECISIONS:
        raise NotFrozen(f"precision {precision} is not known: choose from {', '.join(PRECISIONS)}")
    if out.suffix != ".onnx":
        raise NotFrozen(f"{out} must end in .onnx: a frozen model is one .onnx file")


def _port_fields(plan: FreezePlan) -> dict[str, Any]:
    """The manifest's inputs and outputs, as the module has them."""
    answer = freeze_batch(plan.inputs, plan.module)
    if len(answer) != len(plan.outputs):
        raise NotFrozen(f"the network gives {len(answer)} outputs, where the family names {len(plan.outputs)}")
    outputs = dict(zip(plan.outputs, answer, strict=True))
    return {"inputs": _as_port_fields(plan.inputs), "outputs": _as_port_fields(outputs)}


def _as_port_fields(tensors: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    return {name: {"shape": tuple(t.shape), "dtype": DTYPES.get(t.dtype, str(t.dtype))} for name, t in tensors.items()}


def _training_fields(loaded: LoadedRun) -> dict[str, Any]:
    state, run = loaded.state, loaded.run
    return {
        "data_digest": str(run.facts.get("digest") or "not known"),
        "steps": int(state["step"]),
        "samples_seen": int(state["samples_seen"]),
        "minutes": round(float(state["seconds"]) / 60, 2),
        "revision": run.revision,
        "options": {**run.options.model_dump(mode="json"), "recipe": run.recipe, "seed": run.seed},
    }


def _strip_metadata(model: ModelProto) -> None:
    """Takes out what the exporter notes down about this machine's files, and the shapes between the operators."""
    graph = model.graph
    del graph.value_info[:]
    del model.metadata_props[:]
    del graph.metadata_props[:]
    described: Sequence[Any] = [*graph.node, *graph.input, *graph.output, *graph.initializer]
    for part in described:
        part.doc_string = ""
        del part.metadata_props[:]
    model.doc_string = graph.doc_string = ""


@contextmanager
def _quiet_export() -> Iterator[None]:
    """Holds back two things that torch says while exporting, each by its name; all else is heard."""
    registry = logging.getLogger("torch.onnx._internal.exporter._registration")
    before = registry.level
    # It tells four times that torchvision, which nothing here needs, is not installed.
    registry.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # torch copies its own tree specifications in a way that torch itself deprecates.
            warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning)
            yield
    finally:
        registry.setLevel(before)
