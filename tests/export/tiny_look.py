"""A look of some kilobytes, built with onnx alone: it inverts the lines."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

SIZE = 16


def look_model() -> ModelProto:
    """uint8 (1, 16, 16, 3) lines -> 255 - lines."""
    shape = [1, SIZE, SIZE, 3]
    nodes = [
        helper.make_node("Cast", ["lines"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["white", "floats"], ["inverted"]),
        helper.make_node("Cast", ["inverted"], ["picture"], to=TensorProto.UINT8),
    ]
    graph = helper.make_graph(
        nodes,
        "look",
        [helper.make_tensor_value_info("lines", TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("picture", TensorProto.UINT8, shape)],
        [numpy_helper.from_array(np.full((1, 1, 1, 3), 255, np.float32), "white")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def target_facts(size: int) -> dict[str, Any]:
    """The geometry of a synthetic face: enough for a manifest and for drawing."""
    around = np.linspace(0, 2 * np.pi, 68)
    neutral = size * np.stack([0.5 + 0.3 * np.cos(around), 0.5 + 0.4 * np.sin(around)], 1)
    return {
        "neutral": neutral.tolist(),
        "residual_low": np.full((68, 2), -size / 64).tolist(),
        "residual_high": np.full((68, 2), size / 64).tolist(),
        "roll": [-0.1, 0.1],
        "scale": [0.9, 1.1],
        "shift_x": [-0.2, 0.2],
        "shift_y": [-0.2, 0.2],
        "openings": {part: [0.0, 0.1, 0.3] for part in ("mouth", "left_eye", "right_eye")},
    }


def look_fields() -> dict[str, Any]:
    """The manifest of `look_model`, as plain data of version 2."""
    port = {"shape": [1, SIZE, SIZE, 3], "dtype": "uint8"}
    return {
        "version": 2,
        "kind": "look",
        "family": "pix2pix",
        "name": "porcelain",
        "subject": {"statement": "fictional"},
        "licence": "CC0-1.0",
        "reads": ["lines"],
        "gives": ["picture"],
        "inputs": {"lines": port},
        "outputs": {"picture": port},
        "size": SIZE,
        "lines": {"style": "smooth"},
        "target": target_facts(SIZE),
        "precision": "fp32",
        "training": {"data_digest": "0" * 64, "steps": 10, "samples_seen": 20, "minutes": 0.5, "revision": None},
    }


def look_fields_of_version_1() -> dict[str, Any]:
    """The same, as a file from before version 2 holds it."""
    return look_fields() | {"version": 1, "subject": "fictional"}
