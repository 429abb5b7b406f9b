"""Frozen models that mean harm: each function writes one to `path`, past every check of ours.

They are looks of 16 pixels that read lines, and voices of sound at 16 kHz, some kilobytes each. `BAD_LOOKS` and
`BAD_VOICES` name them all; what should become of each is in its function's docstring.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

from export.artifact.fields import MCEPS
from export.artifact.model_file import MANIFEST_KEY
from tests.export.tiny_look import SIZE, look_fields

HOP = 160
FOR_EVER = 2**62
_SHARED = ("version", "name", "subject", "licence", "precision", "training")
Constants = Mapping[str, np.ndarray]


# ---------------------------------------------------------------- what never ends, or takes long


def endless_look(path: Path) -> None:
    """A loop of 2**62 turns: passes the check, is stopped when it is warmed."""
    write_look(path, _summed_in_a_loop("turns"), {"turns": np.array(FOR_EVER)})


def endless_on_stage_look(path: Path) -> None:
    """Loads and warms at once, because black ends its loop: it is stopped when it sees the first line."""
    nodes = [
        helper.make_node("ReduceMax", ["numbers"], ["brightest"], keepdims=0),
        helper.make_node("Cast", ["brightest"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Mul", ["whole", "many"], ["turns"]),
        *_summed_in_a_loop("turns"),
    ]
    write_look(path, nodes, {"many": np.array(2**54)})


def slow_look(path: Path, turns: int = 3_000_000) -> None:
    """Seconds a run: too slow for any stage, and may be rendered."""
    write_look(path, _summed_in_a_loop("turns"), {"turns": np.array(turns)})


def unstoppable_look(path: Path) -> None:
    """One operator that takes hours: ONNX Runtime cannot be told to stop within it."""
    nodes = [
        helper.make_node("ReduceMax", ["numbers"], ["brightest"]),
        *_hours_of("brightest", "averages"),
        helper.make_node("ReduceMax", ["averages"], ["one"]),
        helper.make_node("Add", ["numbers", "one"], ["result"]),
    ]
    write_look(path, nodes, {"large": np.array([1, 1, 4096, 4096])})


def slow_to_load_look(path: Path) -> None:
    """The same operator on constants: ONNX Runtime computes it while it loads."""
    nodes = [
        helper.make_node("ConstantOfShape", ["one_number"], ["zero"]),
        *_hours_of("zero", "averages"),
        helper.make_node("ReduceMax", ["averages"], ["one"]),
        helper.make_node("Add", ["numbers", "one"], ["result"]),
    ]
    write_look(path, nodes, {"large": np.array([1, 1, 4096, 4096]), "one_number": np.array([1, 1, 1, 1])})


def endless_voice(path: Path) -> None:
    """As endless_look."""
    write_voice(path, _summed_in_a_loop("turns", [1, HOP]), {"turns": np.array(FOR_EVER)})


def slow_voice(path: Path, turns: int = 3_000_000) -> None:
    """Seconds a hop."""
    write_voice(path, _summed_in_a_loop("turns", [1, HOP]), {"turns": np.array(turns)})


# ---------------------------------------------------------------- what is large


def huge_constant_look(path: Path, numbers: int = 500_000_000) -> None:
    """Claims gigabytes in a few bytes, and keeps them: refused by the check."""
    nodes = [
        helper.make_node("ConstantOfShape", ["large"], ["zeros"]),
        helper.make_node("ReduceMax", ["zeros"], ["one"], keepdims=0),
        helper.make_node("Add", ["numbers", "one"], ["result"]),
    ]
    write_look(path, nodes, {"large": np.array([numbers])})


def huge_run_look(path: Path, side: int = 40_000) -> None:
    """Needs gigabytes whenever it runs, by a shape that stands in the file: refused by the check, or at loading."""
    nodes = [
        helper.make_node("ReduceMax", ["numbers"], ["brightest"]),
        helper.make_node("Expand", ["brightest", "large"], ["spread"]),
        helper.make_node("ReduceMax", ["spread"], ["one"]),
        helper.make_node("Add", ["numbers", "one"], ["result"]),
    ]
    write_look(path, nodes, {"large": np.array([1, 1, side, side])})


def huge_hidden_look(path: Path, numbers: int = 800_000_000) -> None:
    """The same, by a shape that only running tells: refused when it is warmed."""
    nodes = [
        helper.make_node("ReduceMin", ["numbers"], ["darkest"], keepdims=0),
        helper.make_node("Cast", ["darkest"], ["zero"], to=TensorProto.INT64),
        helper.make_node("Add", ["zero", "large"], ["shape"]),
        helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
        helper.make_node("ReduceMax", ["zeros"], ["one"], keepdims=0),
        helper.make_node("Add", ["numbers", "one"], ["result"]),
    ]
    write_look(path, nodes, {"large": np.array([numbers])})


def huge_on_stage_look(path: Path) -> None:
    """Needs gigabytes only when it sees a line: its run fails, and nothing else does."""
    nodes = [
        helper.make_node("ReduceMax", ["numbers"], ["brightest"], keepdims=0),
        helper.make_node("Cast", ["brightest"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Mul", ["whole", "large"], ["shape"]),
        helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
        helper.make_node("ReduceSum", ["zeros"], ["one"], keepdims=0),
        helper.make_node("Add", ["numbers", "one"], ["result"]),
    ]
    write_look(path, nodes, {"large": np.array([40_000_000])})


# ---------------------------------------------------------------- what says nothing, or no numbers


def flat_look(path: Path) -> None:
    """One grey for every drawing."""
    nodes = [
        helper.make_node("Mul", ["numbers", "zero"], ["zeros"]),
        helper.make_node("Add", ["zeros", "grey"], ["result"]),
    ]
    write_look(path, nodes, {"zero": np.float32([0]), "grey": np.float32([128])})


def nan_look(path: Path) -> None:
    """A picture of what is not a number."""
    write_look(path, [helper.make_node("Add", ["numbers", "nan"], ["result"])], {"nan": np.float32([np.nan])})


def nan_voice(path: Path) -> None:
    """Sound that is not a number, from the first hop."""
    write_voice(path, [helper.make_node("Add", ["sound", "nan"], ["converted_sound"])], {"nan": np.float32([np.nan])})


def infinite_voice(path: Path) -> None:
    """Sound without bounds: the first word overflows."""
    nodes = [
        helper.make_node("Mul", ["sound", "huge"], ["loud"]),
        helper.make_node("Mul", ["loud", "huge"], ["converted_sound"]),
    ]
    write_voice(path, nodes, {"huge": np.float32([3e38])})


def silent_voice(path: Path) -> None:
    """Silence, whatever is said."""
    write_voice(path, [helper.make_node("Mul", ["sound", "zero"], ["converted_sound"])], {"zero": np.float32([0])})


def constant_voice(path: Path) -> None:
    """The same loud sample for ever."""
    nodes = [
        helper.make_node("Mul", ["sound", "zero"], ["silence"]),
        helper.make_node("Add", ["silence", "half"], ["converted_sound"]),
    ]
    write_voice(path, nodes, {"zero": np.float32([0]), "half": np.float32([0.5])})


# ---------------------------------------------------------------- what is not ONNX's, or does not fit its ports


def unknown_operator_look(path: Path) -> None:
    """An operator of ONNX's own domain that is none: refused by the check."""
    write_look(path, [helper.make_node("Imaginary", ["numbers"], ["result"])], {})


def later_operator_look(path: Path) -> None:
    """An operator that its version of ONNX did not have yet (Gelu came with 20): refused by the check."""
    write_look(path, [helper.make_node("Gelu", ["numbers"], ["result"])], {})


def custom_domain_look(path: Path) -> None:
    """An operator of somebody's own library: refused by the check."""
    write_look(path, [helper.make_node("Inverse", ["numbers"], ["result"], domain="com.example")], {})


def conditioned_look(path: Path, value: object, port: Mapping[str, object] | None = None) -> None:
    """A conditioning `value` that does not fit its port, float32 (1, 4) unless told: refused by the check."""
    _write_with_input(path, {"conditioning": {"mood": value}}, "mood", port or {"shape": [1, 4], "dtype": "float32"})


def parameter_look(path: Path, port: Mapping[str, object]) -> None:
    """A parameter whose port takes no single number: refused by the check."""
    parameter = {"low": 0.0, "high": 1.0, "default": 0.5}
    _write_with_input(path, {"parameters": {"smile": parameter}}, "smile", port)


BAD_LOOKS: Mapping[str, Callable[[Path], None]] = {
    "endless": endless_look,
    "endless on stage": endless_on_stage_look,
    "slow": slow_look,
    "unstoppable": unstoppable_look,
    "slow to load": slow_to_load_look,
    "huge constant": huge_constant_look,
    "huge run": huge_run_look,
    "huge hidden": huge_hidden_look,
    "huge on stage": huge_on_stage_look,
    "flat": flat_look,
    "nan": nan_look,
    "unknown operator": unknown_operator_look,
    "later operator": later_operator_look,
    "custom domain": custom_domain_look,
    "words for numbers": lambda path: conditioned_look(path, "cheerful"),
    "too many numbers": lambda path: conditioned_look(path, [0.0] * 9),
    "parameter of four": lambda path: parameter_look(path, {"shape": [1, 4], "dtype": "float32"}),
}
BAD_VOICES: Mapping[str, Callable[[Path], None]] = {
    "endless": endless_voice,
    "slow": slow_voice,
    "nan": nan_voice,
    "infinite": infinite_voice,
    "silent": silent_voice,
    "constant": constant_voice,
}


# ---------------------------------------------------------------- writing them


def write_look(
    path: Path,
    nodes: list[NodeProto],
    constants: Constants,
    fields: Mapping[str, Any] | None = None,
    opset: int = 18,
) -> None:
    """`nodes` read `numbers`, the lines as float32 (1, 16, 16, 3), and give `result`, of which the picture is cast."""
    fields = {**look_fields(), **(fields or {})}
    inner = [
        helper.make_node("Cast", ["lines"], ["numbers"], to=TensorProto.FLOAT),
        *nodes,
        helper.make_node("Cast", ["result"], ["picture"], to=TensorProto.UINT8),
    ]
    _write(path, inner, constants, fields, opset)


def write_voice(path: Path, nodes: list[NodeProto], constants: Constants, opset: int = 18) -> None:
    """`nodes` read `sound` and give `converted_sound`, float32 (1, HOP) each."""
    port = {"shape": [1, HOP], "dtype": "float32"}
    fields = {key: value for key, value in look_fields().items() if key in _SHARED} | {
        "kind": "voice",
        "form": "sound",
        "family": "statistics",
        "reads": ["sound"],
        "gives": ["converted_sound"],
        "inputs": {"sound": port},
        "outputs": {"converted_sound": port},
        "sample_rate": 16000,
        "hop": HOP,
        "lookahead": 0,
        "context": 0,
    }
    _write(path, nodes, constants, fields, opset)


def write_filter_voice(path: Path) -> None:
    """A voice of the form filter that changes nothing."""
    fields = {key: value for key, value in look_fields().items() if key in _SHARED} | {
        "kind": "voice",
        "form": "filter",
        "family": "statistics",
        "reads": ["sound", "lf0"],
        "gives": ["mcep_change", "converted_lf0"],
        "inputs": {
            "sound": {"shape": [1, 80], "dtype": "float32"},
            "lf0": {"shape": [1, 1], "dtype": "float32"},
        },
        "outputs": {
            "mcep_change": {"shape": [1, 1, MCEPS], "dtype": "float32"},
            "converted_lf0": {"shape": [1, 1], "dtype": "float32"},
        },
        "sample_rate": 16000,
        "hop": 80,
        "lookahead": 240,
        "context": 0,
    }
    nodes = [
        helper.make_node("Identity", ["lf0"], ["converted_lf0"]),
        helper.make_node("Identity", ["none"], ["mcep_change"]),
    ]
    _write(path, nodes, {"none": np.zeros((1, 1, MCEPS), np.float32)}, fields, 18)


def _write(path: Path, nodes: list[NodeProto], constants: Constants, fields: Mapping[str, Any], opset: int) -> None:
    graph = helper.make_graph(
        nodes,
        "bad",
        [_value_info(name, port) for name, port in fields["inputs"].items()],
        [_value_info(name, port) for name, port in fields["outputs"].items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    domains = {node.domain for node in nodes}
    imports = [helper.make_opsetid(domain, 1 if domain else opset) for domain in sorted(domains | {""})]
    model = helper.make_model(graph, opset_imports=imports, ir_version=10)
    model.metadata_props.add(key=MANIFEST_KEY, value=json.dumps(fields))
    path.write_bytes(model.SerializeToString())


def _write_with_input(path: Path, fields: Mapping[str, Any], name: str, port: Mapping[str, object]) -> None:
    inputs = look_fields()["inputs"] | {name: port}
    nodes = [
        helper.make_node("Cast", [name], ["given"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["given"], ["one"], keepdims=0),
        helper.make_node("Add", ["numbers", "one"], ["result"]),
    ]
    write_look(path, nodes, {}, {**fields, "inputs": inputs})


def _value_info(name: str, port: Mapping[str, Any]) -> Any:
    element = helper.np_dtype_to_tensor_dtype(np.dtype(port["dtype"]))
    return helper.make_tensor_value_info(name, element, port["shape"])


def _summed_in_a_loop(turns: str, shape: list[int] | None = None) -> list[NodeProto]:
    """What is read, and as many small numbers as there are `turns` (int64, no shape)."""
    source, result = ("sound", "converted_sound") if shape else ("numbers", "result")
    body = _loop_body(shape or [1, SIZE, SIZE, 3])
    small = helper.make_tensor("small", TensorProto.FLOAT, [1], [1e-6])
    return [
        helper.make_node("Constant", [], ["going"], value=helper.make_tensor("going", TensorProto.BOOL, [], [1])),
        helper.make_node("Constant", [], ["small"], value=small),
        helper.make_node("Loop", [turns, "going", source], [result], body=body),
    ]


def _loop_body(shape: list[int]) -> GraphProto:
    nodes = [
        helper.make_node("Identity", ["on"], ["still_on"]),
        helper.make_node("Add", ["sum", "small"], ["next_sum"]),
    ]
    on = [helper.make_tensor_value_info(name, TensorProto.BOOL, []) for name in ("on", "still_on")]
    sums = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("sum", "next_sum")]
    turn = helper.make_tensor_value_info("turn", TensorProto.INT64, [])
    return helper.make_graph(nodes, "body", [turn, on[0], sums[0]], [on[1], sums[1]])


def _hours_of(number: str, averages: str) -> list[NodeProto]:
    """The averages of 1001 x 1001 neighbours, ten million times; `large` is [1, 1, 4096, 4096]."""
    return [
        helper.make_node("Expand", [number, "large"], ["field"]),
        helper.make_node("AveragePool", ["field"], [averages], kernel_shape=[1001, 1001]),
    ]
