"""An operator that its version of ONNX does not have is refused before the show, and so is a constant of gigabytes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from export.artifact.model_file import check_model
from tests.export import bad_models
from tests.export.artifact.make_operators import FILE, operators_of_onnx
from tests.export.artifact.refusal import Forge, manifest_text, refusal
from tests.export.tiny_look import look_model


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bad.onnx"


def test_the_list_is_that_of_onnx() -> None:
    ours, theirs = json.loads(FILE.read_text("utf-8")), operators_of_onnx()
    if ours["onnx"] == onnx.__version__:
        assert ours == theirs
    for domain, operators in ours["operators"].items():
        for name, (first, *_) in operators.items():
            assert theirs["operators"].get(domain, {name: [first]}).get(name, [first])[0] == first


def test_an_operator_that_is_none(path: Path) -> None:
    bad_models.unknown_operator_look(path)
    assert "uses the operator Imaginary, which ONNX 18 does not have" in refusal(path)


def test_an_operator_of_a_later_version(path: Path) -> None:
    bad_models.later_operator_look(path)
    assert "uses the operator Gelu, which ONNX 18 does not have" in refusal(path)
    bad_models.write_look(path, [helper.make_node("Gelu", ["numbers"], ["result"])], {}, opset=20)
    check_model(path)


def test_an_operator_that_is_no_more(path: Path) -> None:
    nodes = [helper.make_node("Upsample", ["numbers", "scales"], ["result"])]
    bad_models.write_look(path, nodes, {"scales": np.ones(4, np.float32)})
    assert "uses the operator Upsample" in refusal(path)


def test_an_operator_in_a_loop(path: Path) -> None:
    model = look_model()
    body = helper.make_graph([helper.make_node("Imaginary", ["floats"], ["x"])], "body", [], [])
    model.graph.node[1].attribute.append(helper.make_attribute("body", body))
    model.metadata_props.add(key="guise", value=manifest_text())
    path.write_bytes(model.SerializeToString())
    assert "Imaginary" in refusal(path)


@pytest.mark.parametrize(("version", "said"), [(99, "version 99"), (0, "version 0")])
def test_a_version_that_is_none(forged: Forge, version: int, said: str) -> None:
    model = look_model()
    model.opset_import[0].version = version
    assert said in refusal(forged(model, manifest_text()))


def test_two_versions_or_none(forged: Forge) -> None:
    model = look_model()
    model.opset_import.add(domain="", version=17)
    assert "two versions" in refusal(forged(model, manifest_text()))
    model = look_model()
    del model.opset_import[:]
    assert "does not say which version" in refusal(forged(model, manifest_text()))


def test_what_constants_claim(path: Path) -> None:
    bad_models.huge_constant_look(path)
    assert "makes 5e+08 numbers by one ConstantOfShape" in refusal(path)
    bad_models.huge_run_look(path)
    assert "by one Expand" in refusal(path)
    bad_models.huge_constant_look(path, 1_000_000)
    check_model(path)


@pytest.mark.parametrize(
    ("operator", "constants"),
    [
        ("Tile", {"a": np.array([1, 1, 1, 2**40])}),
        ("Pad", {"a": np.array([0, 0, 0, 0, 0, 2**20, 2**20, 0])}),
        ("Range", {"a": np.array(0), "b": np.array(2**62), "c": np.array(1)}),
        ("Range", {"a": np.array(2**62), "b": np.array(0), "c": np.array(-1)}),
    ],
)
def test_what_other_operators_make_of_them(path: Path, operator: str, constants: dict[str, np.ndarray]) -> None:
    inputs = [*([] if operator == "Range" else ["numbers"]), *constants]
    bad_models.write_look(path, [helper.make_node(operator, inputs, ["result"])], constants)
    assert f"by one {operator}" in refusal(path)


def test_a_constant_in_a_node_counts_too(path: Path) -> None:
    nodes = [
        helper.make_node("Constant", [], ["large"], value_ints=[2**20, 2**20]),
        helper.make_node("ConstantOfShape", ["large"], ["result"]),
    ]
    bad_models.write_look(path, nodes, {})
    assert "by one ConstantOfShape" in refusal(path)


@pytest.mark.parametrize("value", ["cheerful", [0.0] * 9, [[0.0] * 4] * 2, [1e39] * 4, [True] * 4, None, {}, [[[0.0]]]])
def test_a_conditioning_that_does_not_fit(path: Path, value: object) -> None:
    bad_models.conditioned_look(path, value)
    assert "conditioning mood must" in refusal(path)


@pytest.mark.parametrize("value", [0.5, 1, [0.0, 1, 2, 3], [[0.0, 1, 2, 3]]])
def test_a_conditioning_that_fits(path: Path, value: object) -> None:
    bad_models.conditioned_look(path, value)
    check_model(path)


def test_numbers_keep_within_their_type(path: Path) -> None:
    for value, dtype in ((300, "uint8"), (0.5, "int64"), (2**40, "int32"), (1, "bool"), (1e6, "float16")):
        bad_models.conditioned_look(path, value, {"shape": [1], "dtype": dtype})
        assert f"numbers of {dtype}" in refusal(path)


@pytest.mark.parametrize("port", [{"shape": [1, 4], "dtype": "float32"}, {"shape": [1], "dtype": "uint8"}])
def test_a_parameter_is_one_number(path: Path, port: dict[str, object]) -> None:
    bad_models.parameter_look(path, port)
    assert "parameter smile must be one number" in refusal(path)
    bad_models.parameter_look(path, {"shape": [1, 1], "dtype": "float32"})
    check_model(path)
