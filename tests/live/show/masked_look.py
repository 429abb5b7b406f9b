"""A look of some kilobytes that gives a mask: its picture covers the performer's face in the frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from tests.export.tiny_look import SIZE, look_fields


def masked_model(size: int) -> ModelProto:
    """uint8 (1, size, size, 3) lines -> the same as picture, and a mask of 255 everywhere."""
    shape, flat = [1, size, size, 3], [1, size, size, 1]
    nodes = [helper.make_node("Identity", ["lines"], ["picture"]), helper.make_node("Identity", ["whole"], ["mask"])]
    graph = helper.make_graph(
        nodes,
        "masked",
        [helper.make_tensor_value_info("lines", TensorProto.UINT8, shape)],
        [
            helper.make_tensor_value_info("picture", TensorProto.UINT8, shape),
            helper.make_tensor_value_info("mask", TensorProto.UINT8, flat),
        ],
        [numpy_helper.from_array(np.full(flat, 255, np.uint8), "whole")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def masked_fields() -> dict[str, Any]:
    """The manifest of `masked_model(SIZE)`, as plain data."""
    fields = look_fields()
    mask = {"shape": [1, SIZE, SIZE, 1], "dtype": "uint8"}
    return fields | {"gives": ["picture", "mask"], "outputs": {**fields["outputs"], "mask": mask}}
