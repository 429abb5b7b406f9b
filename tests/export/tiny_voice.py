"""A voice of some kilobytes, built with onnx alone: it gives back the features that it reads."""

from __future__ import annotations

from onnx import ModelProto, TensorProto, helper

from tests.export.voice_fields import voice_fields

GIVEN = {"converted_mcep": "mcep", "converted_lf0": "lf0", "converted_voiced": "voiced", "next_heard": "heard"}
_TYPES = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64}


def voice_model() -> ModelProto:
    """The graph of `voice_fields`."""
    fields = voice_fields()
    inputs, outputs = (
        [helper.make_tensor_value_info(n, _TYPES[p["dtype"]], p["shape"]) for n, p in fields[side].items()]
        for side in ("inputs", "outputs")
    )
    nodes = [helper.make_node("Identity", [read], [given]) for given, read in GIVEN.items()]
    graph = helper.make_graph(nodes, "voice", inputs, outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
