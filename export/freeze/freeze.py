"""A checkpoint -> a frozen model: ONE .onnx file, compared with the network it comes from before it is written.

The graph is torch.export's, in standard operators with fixed shapes. Precision fp16 is fp16 STORAGE: weights are stored
as float16 followed by a cast, which ONNX Runtime folds away when it loads, so the file is half as large and the
arithmetic, on a CPU, is float32 all the same. Precision int8 is offered only where it is faster: both are timed here,
and int8 that is not faster is refused. Offline; uses torch.
"""

from __future__ import annotations

import logging
import secrets
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from onnx import ModelProto, TensorProto, helper, numpy_helper
from pydantic import ValidationError

from export.artifact import model_file
from export.artifact.fields import PRECISIONS, Precision, Subject
from export.artifact.manifest import Manifest
from export.freeze.subpixel_conv import to_subpixel_conv
from export.freeze.verify import parity, sample_inputs
from export.runtime.session import open_session
from export.runtime.speed import median_ratio, time_interleaved
from models.training.checkpoint import LoadedRun, load_run
from models.training.family import FreezePlan, WrongTarget, freeze_batch

OPSET = 18
"""The exporter's own: any other would be reached by conversion, and ONNX Runtime and TensorRT both read this one."""

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
"""int8 must take less than this share of fp32's time: it costs up to a level of the picture, and a gain within the
noise of timing is none."""


class NotFrozen(Exception):
    """A run cannot be frozen as requested; the message is one line with what to do."""


class NotFaster(NotFrozen):
    """int8 takes as long as fp32 on this machine; the message is one line with both times."""


def freeze(
    run: Path,
    out: Path,
    subject: Subject | str,
    precision: Precision = "fp32",
    name: str | None = None,
    licence: str | None = None,
    target: str | None = None,
    step: int | None = None,
    set_id: str | None = None,
) -> Manifest:
    """Freezes a checkpoint of the training run in folder `run` to the file `out` and returns its manifest: the newest
    checkpoint, or that of `step`.

    The file is written only when it is complete, passes model_file.check_model, and gives the outputs of the network.
    `subject` may be its statement alone. `name` defaults to the name of `target`, of the data's person, or of the file.
    A look is of the set `set_id`, or of a new one. Raises NotFrozen, models.training.checkpoint.BadRun,
    export.freeze.verify.NotFaithful, BadModel, OSError.
    """
    _check_request(out, subject if isinstance(subject, str) else subject.statement, precision)
    loaded = load_run(run, step)
    try:
        plan = loaded.run.family.freeze(loaded.networks, loaded.run.options, loaded.run.facts, target)
    except WrongTarget as error:
        raise NotFrozen(str(error)) from None
    fields: dict[str, object] = {
        "kind": loaded.run.family.kind,
        "family": loaded.run.family.name,
        "name": name or target or loaded.run.facts.name or out.stem,
        "subject": subject,
        "licence": licence or "not stated",
        "training": _training_fields(loaded),
    }
    if loaded.run.family.kind == "look":
        fields["set"] = {
            "id": set_id or new_set_id(),
            "ngf": loaded.run.options.model_dump().get("ngf"),
            "size": plan.manifest["size"],
            "precision": precision,
        }
    return freeze_from_plan(plan, out, fields, precision)


def new_set_id() -> str:
    """The id of a set of looks: all sizes of one face get the same."""
    return secrets.token_hex(16)


def freeze_from_plan(
    plan: FreezePlan, out: Path, fields: Mapping[str, object], precision: Precision = "fp32"
) -> Manifest:
    """Freezes `plan` to `out`; `fields` are those of the manifest that neither the plan nor the graph provides.

    Raises as `freeze` does.
    """
    _check_request(out, str(fields.get("subject", "")), precision)
    plan.module.eval()
    _check_weights(plan)
    ports = _port_fields(plan)
    try:
        manifest = Manifest.model_validate({**fields, **plan.manifest, **ports, "precision": precision})
    except ValidationError as error:
        raise NotFrozen(f"{out} would have a manifest that does not hold: {model_file.first_error(error)}") from None
    onnx_model = to_onnx(replace(plan, module=to_subpixel_conv(plan.module)))
    if precision == "fp16":
        store_fp16(onnx_model)
    elif precision == "int8":
        onnx_model = _faster_int8(onnx_model, manifest)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".guise-", dir=out.parent) as folder:
        temporary = Path(folder) / out.name
        model_file.write_model(temporary, onnx_model, manifest)
        with open_session(temporary, "cpu") as session:
            parity_found = parity(plan, session)
        metrics = {**manifest.training.metrics, "parity": parity_found.as_dict()}
        training = manifest.training.model_copy(update={"metrics": metrics})
        manifest = manifest.model_copy(update={"training": training})
        model_file.replace_manifest(temporary, manifest)
        temporary.replace(out)
    return manifest


def to_onnx(plan: FreezePlan) -> ModelProto:
    """`plan.module` as an ONNX model in standard operators, with fixed shapes and nothing about this machine in it."""
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
    assert exported is not None  # Only the old exporter returns None.
    model: ModelProto = exported.model_proto
    _strip_metadata(model)
    return model


def store_fp16(model: ModelProto) -> None:
    """Changes float32 weights of two dimensions and more in `model` to float16 and a cast; raises NotFrozen.

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
    """`model` in int8. Raises NotFaster unless that is faster on this machine's CPU, and NotFrozen."""
    # Imported here: the quantiser is slow to load, and the other precisions do not need it.
    from export.graph.quantise import to_int8

    # Another seed than parity's, so that the test inputs are not those of the calibration.
    inputs = list(sample_inputs(manifest, np.random.default_rng(1), CALIBRATION_SAMPLES))
    if not inputs:
        raise NotFrozen("int8 is calibrated on drawings, and this reads none: export with --precision fp16")
    quantised = to_int8(model, inputs)
    _strip_metadata(quantised)
    with tempfile.TemporaryDirectory(prefix="guise-int8-") as folder, ExitStack() as stack:
        sessions = {}
        for name, candidate in (("fp32", model), ("int8", quantised)):
            path = Path(folder) / f"{name}.onnx"
            model_file.write_model(path, candidate, manifest)
            sessions[name] = stack.enter_context(open_session(path, "cpu"))
        times_ms = time_interleaved(sessions, inputs, TIMED_ROUNDS)
    if not median_ratio(times_ms["int8"], times_ms["fp32"]) < MAX_TIME_RATIO:
        raise NotFaster(
            f"int8 is not faster on this machine: {np.median(times_ms['int8']):.1f} ms against "
            f"{np.median(times_ms['fp32']):.1f} ms in fp32 (medians of {TIMED_ROUNDS} runs in turn); "
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


def _check_weights(plan: FreezePlan) -> None:
    for name, weights in plan.module.state_dict().items():
        if weights.is_floating_point() and not bool(torch.isfinite(weights).all()):
            raise NotFrozen(
                f"the network holds what is no number in {name}: its training diverged; train anew, or freeze an "
                "earlier checkpoint with --step"
            )


def _port_fields(plan: FreezePlan) -> dict[str, object]:
    """The manifest's inputs and outputs, from what the module takes and gives."""
    outputs_given = freeze_batch(plan.inputs, plan.module)
    if len(outputs_given) != len(plan.outputs):
        raise NotFrozen(f"the network gives {len(outputs_given)} outputs, where the family names {len(plan.outputs)}")
    outputs = dict(zip(plan.outputs, outputs_given, strict=True))
    return {"inputs": _as_port_fields(plan.inputs), "outputs": _as_port_fields(outputs)}


def _as_port_fields(tensors: Mapping[str, torch.Tensor]) -> dict[str, object]:
    return {name: {"shape": tuple(t.shape), "dtype": DTYPES.get(t.dtype, str(t.dtype))} for name, t in tensors.items()}


def _training_fields(loaded: LoadedRun) -> dict[str, object]:
    state, run = loaded.state, loaded.run
    return {
        "data_digest": str(run.facts.digest or "not known"),
        "steps": int(state["step"]),
        "samples_seen": int(state["samples_seen"]),
        "minutes": round(float(state["seconds"]) / 60, 2),
        "revision": run.revision,
        "options": {**run.options.model_dump(mode="json"), "recipe": run.recipe, "seed": run.seed},
    }


def _strip_metadata(model: ModelProto) -> None:
    """Removes what the exporter notes about files of this machine, and the shapes between the operators."""
    graph = model.graph
    del graph.value_info[:]
    del model.metadata_props[:]
    del graph.metadata_props[:]
    for part in (*graph.node, *graph.input, *graph.output, *graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]
    model.doc_string = graph.doc_string = ""


@contextmanager
def _quiet_export() -> Iterator[None]:
    """Suppresses two messages that torch emits while exporting, each by its name; all others pass."""
    registry = logging.getLogger("torch.onnx._internal.exporter._registration")
    before = registry.level
    # It says four times that torchvision is not installed, which nothing here needs.
    registry.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # torch copies its own tree specifications in a way that torch itself deprecates.
            warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning)
            yield
    finally:
        registry.setLevel(before)
