"""Convolutions in int8: a quarter of the file, and faster on a CPU with vector instructions for bytes.

Static quantisation in standard operators (QuantizeLinear, DequantizeLinear), calibrated on drawings of the target's own
face. Variants tried on a trained look of ngf 32, with the mean difference to fp32 on held-out lines in 1/255, on a CPU
with AVX-512 VNNI:

    all convolutions, weights by the channel            0.76, 0.4 of the time
    the last one, or the last two, left in fp32         0.53, 0.20, at the same time
    activations in 16 bits                              0.12, 1.6 of the time
    unsigned weights, not by the channel                1.20, 0.7 of the time

Weights use 7 of their 8 bits: without VNNI a CPU adds pairs of products in 16 bits, which full weights overflow, and
the file may be used on another machine than this. It costs 0.01. Offline; uses ONNX Runtime's quantiser.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

LAST_IN_FP32 = 2
"""Convolutions at the end that stay in fp32: their errors are visible, those of the others are evened out by the norms.
"""


def to_int8(model: ModelProto, inputs: Sequence[Mapping[str, NDArray[np.generic]]]) -> ModelProto:
    """`model` with all convolutions except the last ones in int8, their ranges calibrated on `inputs`, of which there
    must be one or more.

    `model` itself is left unchanged.
    """
    convolutions = [node.name for node in model.graph.node if node.op_type == "Conv"]
    with tempfile.TemporaryDirectory(prefix="guise-int8-") as folder:
        shaped, quantised = Path(folder) / "shaped.onnx", Path(folder) / "int8.onnx"
        quant_pre_process(model, shaped, skip_optimization=True, skip_symbolic_shape=True)
        quantize_static(
            shaped,
            quantised,
            _CalibrationReader(inputs),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            nodes_to_exclude=convolutions[-LAST_IN_FP32:],
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
        return onnx.load(quantised)


class _CalibrationReader(CalibrationDataReader):  # type: ignore[misc]
    """The inputs one by one, as the quantiser asks for them."""

    def __init__(self, inputs: Sequence[Mapping[str, NDArray[np.generic]]]) -> None:
        self._left: Iterator[Mapping[str, NDArray[np.generic]]] = iter(inputs)

    def get_next(self) -> dict[str, NDArray[np.generic]] | None:
        given = next(self._left, None)
        return None if given is None else dict(given)
