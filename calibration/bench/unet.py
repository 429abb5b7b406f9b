"""pix2pix's U-Net with random weights, built as an ONNX graph without torch: looks for measuring speed and switching.

Isola et al. (arXiv 1611.07004) as in models.families.pix2pix: log2(size) 4x4 stride-2 downs of ngf x 1, 2, 4, 8, 8,
..., as many ups with skips, instance norms, none on the first, the last and the bottleneck; uint8 pictures in and out.
It paints noise over one colour, in the time of a trained one; with `subpixel` convolutions in the time of a frozen one.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from export.artifact import model_file
from export.artifact.manifest import Manifest
from models.features.retarget import target_facts
from models.features.types import Points

OPSET = 18
Colour = tuple[int, int, int]


class _GraphBuilder:
    """Collects nodes and weights."""

    def __init__(self, half: bool, seed: int) -> None:
        self.nodes: list[NodeProto] = []
        self.weights: list[TensorProto] = []
        self._half = half
        self._rng = np.random.default_rng(seed)

    def add(self, operator: str, inputs: list[str], **attributes: int | float | list[int]) -> str:
        out = f"x{len(self.nodes)}"
        node = helper.make_node(operator, inputs, [out], name=f"{operator}{len(self.nodes)}")
        node.attribute.extend(helper.make_attribute(name, value) for name, value in sorted(attributes.items()))
        self.nodes.append(node)
        return out

    def constant(self, name: str, value: NDArray[np.generic]) -> str:
        self.weights.append(numpy_helper.from_array(value, name))
        return name

    def weight(self, name: str, value: NDArray[np.float32]) -> str:
        """A weight; where half precision was asked for, stored in 16 bits with a cast."""
        if not self._half or value.ndim < 2:
            return self.constant(name, value)
        self.constant(f"{name}.half", value.astype(np.float16))
        return self.add("Cast", [f"{name}.half"], to=TensorProto.FLOAT)

    def random_weight(self, name: str, *shape: int) -> str:
        return self.weight(name, self._rng.normal(0, 0.02, shape).astype(np.float32))

    def conv(self, x: str, name: str, inside: int, outside: int, *, up: bool, bias: NDArray[np.float32] | None) -> str:
        """4x4, stride 2."""
        shape = (inside, outside, 4, 4) if up else (outside, inside, 4, 4)
        inputs = [x, self.random_weight(f"{name}.weight", *shape)]
        if bias is not None:
            inputs.append(self.weight(f"{name}.bias", bias))
        operator = "ConvTranspose" if up else "Conv"
        return self.add(operator, inputs, kernel_shape=[4, 4], strides=[2, 2], pads=[1, 1, 1, 1])

    def upsample_subpixel(
        self, x: str, name: str, inside: int, outside: int, side: int, bias: NDArray[np.float32]
    ) -> str:
        """A transposed convolution of a square of `side` as in export.freeze.subpixel_conv."""
        weight = self.random_weight(f"{name}.weight", 4 * outside, inside, 2, 2)
        four = self.add(
            "Conv",
            [x, weight, self.weight(f"{name}.bias", np.tile(bias, 4))],
            kernel_shape=[2, 2],
            pads=[1, 1, 1, 1],
        )
        rows = []
        for row in (0, 1):
            pair = []
            for column in (0, 1):
                at = f"{name}.{row}{column}"
                first = (2 * row + column) * outside
                starts = self.constant(f"{at}.starts", np.array([first, row, column], np.int64))
                ends = self.constant(f"{at}.ends", np.array([first + outside, row + side, column + side], np.int64))
                axes = self.constant(f"{at}.axes", np.array([1, 2, 3], np.int64))
                last = self.constant(f"{at}.last", np.array([4], np.int64))
                pair.append(self.add("Unsqueeze", [self.add("Slice", [four, starts, ends, axes]), last]))
            wide = self.constant(f"{name}.{row}.shape", np.array([1, outside, side, 1, 2 * side], np.int64))
            rows.append(self.add("Reshape", [self.add("Concat", pair, axis=4), wide]))
        shape = self.constant(f"{name}.shape", np.array([1, outside, 2 * side, 2 * side], np.int64))
        return self.add("Reshape", [self.add("Concat", rows, axis=3), shape])

    def norm(self, x: str, name: str, channels: int) -> str:
        gain = self.weight(f"{name}.gain", np.ones(channels, np.float32))
        shift = self.weight(f"{name}.shift", np.zeros(channels, np.float32))
        return self.add("InstanceNormalization", [x, gain, shift], epsilon=1e-5)


def build_unet(
    ngf: int,
    size: int = 256,
    *,
    half: bool = False,
    seed: int = 0,
    colour: Colour = (128, 128, 128),
    subpixel: bool = False,
) -> ModelProto:
    """uint8 `lines` (1, size, size, 3) -> uint8 `picture` of the same shape; `size` is a power of two."""
    if size < 16 or size & (size - 1):
        raise ValueError(f"size {size} is no power of two of 16 or more")
    builder = _GraphBuilder(half, seed)
    widths = [ngf * min(2**level, 8) for level in range(int(math.log2(size)))]
    x, skips = _down(builder, _to_unit_range(builder, "lines"), widths)
    x, inside = _up(builder, x, skips, widths, subpixel)
    bias = np.arctanh(np.clip(np.array(colour, np.float64) / 127.5 - 1, -0.99, 0.99)).astype(np.float32)
    x = builder.add("Relu", [x])
    if subpixel:
        x = builder.upsample_subpixel(x, "last", inside, 3, size // 2, bias)
    else:
        x = builder.conv(x, "last", inside, 3, up=True, bias=bias)
    _to_bytes(builder, x, "picture")
    shape = [1, size, size, 3]
    graph = helper.make_graph(
        builder.nodes,
        "random_unet",
        [helper.make_tensor_value_info("lines", TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("picture", TensorProto.UINT8, shape)],
        builder.weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="guise bench")
    model.ir_version = 10
    return model


def _to_unit_range(builder: _GraphBuilder, name: str) -> str:
    """uint8 (1, h, w, 3) -> float32 (1, 3, h, w), -1..1."""
    x = builder.add("Cast", [name], to=TensorProto.FLOAT)
    x = builder.add("Transpose", [x], perm=[0, 3, 1, 2])
    x = builder.add("Mul", [x, builder.constant("to_unit", np.array(2 / 255, np.float32))])
    return builder.add("Sub", [x, builder.constant("one", np.array(1, np.float32))])


def _down(builder: _GraphBuilder, x: str, widths: list[int]) -> tuple[str, list[str]]:
    """The bottleneck, and the output of every level above it."""
    skips = []
    inside = 3
    for level, width in enumerate(widths):
        ends = level in (0, len(widths) - 1)
        if level:
            x = builder.add("LeakyRelu", [x], alpha=0.2)
        x = builder.conv(x, f"down{level}", inside, width, up=False, bias=np.zeros(width, np.float32) if ends else None)
        if not ends:
            x = builder.norm(x, f"down{level}", width)
        skips.append(x)
        inside = width
    return x, skips[:-1]


def _up(builder: _GraphBuilder, x: str, skips: list[str], widths: list[int], subpixel: bool) -> tuple[str, int]:
    """The input of the last layer, and its channels."""
    inside = widths[-1]
    for level in reversed(range(len(skips))):
        width = widths[level]
        x = builder.add("Relu", [x])
        if subpixel:
            side = 2 ** (len(widths) - level - 2)
            x = builder.upsample_subpixel(x, f"up{level}", inside, width, side, np.zeros(width, np.float32))
        else:
            x = builder.conv(x, f"up{level}", inside, width, up=True, bias=None)
        x = builder.norm(x, f"up{level}", width)
        x = builder.add("Concat", [x, skips[level]], axis=1)
        inside = 2 * width
    return x, inside


def _to_bytes(builder: _GraphBuilder, x: str, name: str) -> None:
    """float32 (1, 3, h, w) -> uint8 (1, h, w, 3) under `name`."""
    x = builder.add("Tanh", [x])
    x = builder.add("Add", [x, "one"])
    x = builder.add("Mul", [x, builder.constant("to_bytes", np.array(127.5, np.float32))])
    x = builder.add("Transpose", [x], perm=[0, 2, 3, 1])
    x = builder.add("Add", [x, builder.constant("rounding", np.array(0.5, np.float32))])
    builder.nodes.append(helper.make_node("Cast", [x], [name], name=name, to=TensorProto.UINT8))


def write_look(
    path: Path, ngf: int, size: int = 256, *, half: bool = False, seed: int = 0, colour: Colour = (128, 128, 128)
) -> Manifest:
    """Writes a frozen model that performs to `path`: the U-Net above, with a manifest whose subject is fictional."""
    manifest = _manifest(path.stem, size, half)
    model_file.write_model(path, build_unet(ngf, size, half=half, seed=seed, colour=colour), manifest)
    return manifest


def _manifest(name: str, size: int, half: bool) -> Manifest:
    port = {"shape": (1, size, size, 3), "dtype": "uint8"}
    return Manifest.model_validate(
        {
            "kind": "look",
            "family": "random_unet",
            "name": name,
            "subject": {"statement": "fictional"},
            "licence": "random weights: nobody's",
            "inputs": {"lines": port},
            "outputs": {"picture": port},
            "precision": "fp16" if half else "fp32",
            "training": {"data_digest": "none, random weights", "steps": 0, "samples_seen": 0, "minutes": 0},
            "reads": ("lines",),
            "gives": ("picture",),
            "size": size,
            "lines": {"style": "smooth"},
            "target": target_facts(moving_face(size)),
        }
    )


def plain_face(size: int) -> Points:
    """68 points of a face constructed by rule, in a picture of `size`; the face takes half of it."""
    turn = np.linspace(np.pi, 2 * np.pi, 17)
    jaw = np.stack([0.5 * np.cos(turn), 0.05 - 0.62 * np.sin(turn)], 1)
    arch = np.linspace(0, 1, 5)
    brow = np.stack([-0.4 + 0.28 * arch, -0.24 - 0.06 * np.sin(np.pi * arch)], 1)
    bridge = np.stack([np.zeros(4), np.linspace(-0.12, 0.12, 4)], 1)
    base = np.stack([np.linspace(-0.1, 0.1, 5), 0.17 + 0.02 * np.sin(np.pi * arch)], 1)
    eye = np.array([[-0.09, 0], [-0.035, -0.032], [0.035, -0.032], [0.09, 0], [0.035, 0.03], [-0.035, 0.03]])
    eyes = [eye + np.array([x, -0.12]) for x in (-0.23, 0.23)]
    round_12 = np.linspace(np.pi, -np.pi, 12, endpoint=False)
    round_8 = np.linspace(np.pi, -np.pi, 8, endpoint=False)
    outer = np.stack([0.19 * np.cos(round_12), 0.36 - 0.075 * np.sin(round_12)], 1)
    inner = np.stack([0.13 * np.cos(round_8), 0.36 - 0.02 * np.sin(round_8)], 1)
    face = np.concatenate([jaw, brow, brow[::-1] * [-1, 1], bridge, base, *eyes, outer, inner])
    return np.asarray((face * 0.5 + [0.5, 0.5]) * size, np.float32)


def moving_face(size: int, count: int = 60) -> Points:
    """`plain_face` moving a little, (count, 68, 2): a target's ranges are computed from it."""
    rng = np.random.default_rng(0)
    face = plain_face(size)
    shifts = rng.normal(0, 0.02 * size, (count, 1, 2))
    zoom = rng.normal(1, 0.04, (count, 1, 1))
    centre = face.mean(0)
    moved = (face - centre) * zoom + centre + shifts + rng.normal(0, 0.006 * size, (count, 68, 2))
    return np.asarray(moved, np.float32)
