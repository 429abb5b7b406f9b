"""Random frozen models: damaged bytes, damaged graphs, and manifests that say what is not so."""

from __future__ import annotations

import json
from copy import deepcopy
from functools import cache
from pathlib import Path
from random import Random

from onnx import ModelProto, helper

from export.artifact.bad_model import BadModel
from export.artifact.manifest import Manifest
from export.artifact.model_file import MANIFEST_KEY, check_model, write_model
from live.show.show_models import shows_frame
from tests.export.tiny_look import look_fields, look_model
from tests.export.tiny_voice import voice_model
from tests.export.voice_fields import voice_fields

DEMO = Path(__file__).resolve().parents[2] / "live" / "demo"
LEAVES = (
    *(None, True, False, 0, -1, 1, 3, 16, 17, 2**31, 2**63, 10**400, 0.5, -0.0, 1e308, float("nan"), float("inf")),
    *(
        "",
        "x",
        "look",
        "voice",
        "lines",
        "frame",
        "mask",
        "float32",
        "object",
        "\x1b[31m",
        "\u202e",
        "a\nb",
        "x" * 100_000,
    ),
    *([], {}, [[]], [1, 2], {"a": {}}, [None] * 1000),
)
OPERATORS = (
    "Loop",
    "If",
    "Scan",
    "Identity",
    "NoSuchOperator",
    "ConstantOfShape",
    "Cast",
    "",
    "\x1b[31m",
    "x" * 10_000,
)
DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft", "org.nobody", "\u202e")


def check_one(random: Random, folder: Path) -> str:
    """Checks one random frozen model, as `guise inspect` and the reader of a show do."""
    path = folder / "model.onnx"
    path.write_bytes(_model(random))
    try:
        manifest = check_model(path, random.choice((None, "look", "voice")))
    except BadModel as error:
        text = str(error)
        assert text.isprintable(), text
        assert len(text) < 2000, text
        return "refused"
    if manifest.kind == "look":
        shows_frame(manifest)
    return "passed"


@cache
def _bases() -> tuple[bytes, ...]:
    """Small models alone: the demo's are megabytes."""
    return _written(look_model(), look_fields()), _written(voice_model(), voice_fields())


def _written(model: ModelProto, fields: dict[str, object]) -> bytes:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        write_model(Path(folder) / "model.onnx", model, Manifest.model_validate(fields))
        return (Path(folder) / "model.onnx").read_bytes()


def _model(random: Random) -> bytes:
    base = random.choice(_bases())
    if random.random() < 0.01:
        base = random.choice(sorted(DEMO.glob("*/*.onnx"))).read_bytes()
    return random.choice((_damaged_bytes, _damaged_manifest, _damaged_manifest, _damaged_graph))(random, base)


def _damaged_bytes(random: Random, raw: bytes) -> bytes:
    for _ in range(random.choice((1, 3, 30))):
        at = random.randrange(len(raw) + 1)
        cut = min(at + random.choice((0, 1, 1, 8, 1000)), len(raw))
        put = random.choice((b"", b"\xff" * 10, random.randbytes(1), random.randbytes(8), raw[at:cut] * 2))
        raw = raw[:at] + put + raw[cut:]
    return raw[: random.randrange(len(raw) + 1)] if random.random() < 0.2 else raw


def _damaged_manifest(random: Random, raw: bytes) -> bytes:
    model = ModelProto.FromString(raw)
    (entry,) = (entry for entry in model.metadata_props if entry.key == MANIFEST_KEY)
    fields = json.loads(entry.value)
    for _ in range(random.choice((1, 1, 2, 5))):
        _replace_some_value(random, fields)
    entry.value = json.dumps(fields).encode("utf-8", "replace").decode()
    if random.random() < 0.1:
        entry.value = random.choice(("[" * 5000, entry.value[:-5], "null", "NaN", "", '{"a":' * 3000))
    if random.random() < 0.1:
        model.metadata_props.append(entry)
    return model.SerializeToString()


def _replace_some_value(random: Random, fields: dict[str, object]) -> None:
    inside: object = fields
    while True:
        if isinstance(inside, dict) and inside:
            key = random.choice(list(inside))
            deeper = inside[key]
        elif isinstance(inside, list) and inside:
            key = random.randrange(len(inside))
            deeper = inside[key]
        else:
            return
        if isinstance(deeper, dict | list) and deeper and random.random() < 0.7:
            inside = deeper
            continue
        if random.random() < 0.2:
            del inside[key]
        else:
            inside[key] = deepcopy(random.choice((*LEAVES, deeper)))
        if isinstance(inside, dict) and random.random() < 0.1:
            inside[random.choice(("x", "\x1b", "kind", "version"))] = deepcopy(random.choice(LEAVES))
        return


def _damaged_graph(random: Random, raw: bytes) -> bytes:
    model = ModelProto.FromString(raw)
    for _ in range(random.choice((1, 1, 3))):
        random.choice((_damaged_node, _damaged_port, _damaged_weights, _damaged_head))(random, model)
    return model.SerializeToString()


def _damaged_node(random: Random, model: ModelProto) -> None:
    if not model.graph.node:
        return
    node = random.choice(model.graph.node)
    match random.randrange(5):
        case 0:
            node.op_type = random.choice(OPERATORS)
        case 1:
            node.domain = random.choice(DOMAINS)
        case 2:
            node.attribute.append(
                helper.make_attribute(random.choice(("body", "to", "axis")), random.choice((1, "x", 0.5)))
            )
        case 3:
            model.graph.node.append(node)
        case 4 if node.input:
            node.input[0] = random.choice(("", "nothing", "x" * 1000))


def _damaged_port(random: Random, model: ModelProto) -> None:
    ports = [*model.graph.input, *model.graph.output]
    if not ports:
        return
    port = random.choice(ports)
    tensor = port.type.tensor_type
    match random.randrange(4):
        case 0:
            tensor.elem_type = random.choice((0, 1, 2, 10, 16, 99))
        case 1 if tensor.shape.dim:
            random.choice(tensor.shape.dim).dim_value = random.choice((0, -1, 2, 2**31, 2**62))
        case 2 if tensor.shape.dim:
            random.choice(tensor.shape.dim).dim_param = "n"
        case 3:
            port.name = random.choice(("", "lines", "frame", "\x1b[31m"))


def _damaged_weights(random: Random, model: ModelProto) -> None:
    if not model.graph.initializer:
        return
    tensor = random.choice(model.graph.initializer)
    match random.randrange(4):
        case 0:
            tensor.data_location = 1
            tensor.external_data.add(key="location", value=random.choice(("/etc/passwd", "../x", "")))
        case 1:
            tensor.dims.append(random.choice((0, -1, 2**40)))
        case 2:
            tensor.data_type = random.choice((0, 8, 99))
        case 3:
            tensor.raw_data = tensor.raw_data[: random.randrange(len(tensor.raw_data) + 1)]


def _damaged_head(random: Random, model: ModelProto) -> None:
    match random.randrange(4):
        case 0:
            model.ir_version = random.choice((0, -1, 3, 99, 2**62))
        case 1:
            model.opset_import.append(helper.make_opsetid(random.choice(DOMAINS), random.choice((0, 1, 99, -1))))
        case 2:
            del model.opset_import[:]
        case 3:
            model.functions.append(helper.make_function("", "Cast", ["a"], ["b"], [], [helper.make_opsetid("", 18)]))
