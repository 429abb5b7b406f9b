"""The file of a frozen model: what was written is read again; whatever cannot be read, or differs from its manifest, is
refused."""

from __future__ import annotations

import copy
import os
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from export.artifact import model_file
from export.artifact import outline as onnx_outline
from export.artifact.bad_model import BadModel
from export.artifact.manifest import Manifest
from export.artifact.model_file import check_model, read_manifest
from tests.export.artifact.refusal import Forge, manifest_text, refusal
from tests.export.tiny_look import SIZE, look_fields, look_model


def test_what_was_written_is_read_again(look: Path) -> None:
    manifest = Manifest(**look_fields())
    assert check_model(look) == manifest
    assert check_model(look, "look") == manifest
    assert read_manifest(look) == manifest
    assert list(look.parent.iterdir()) == [look]


def test_onnx_reads_what_we_write(look: Path) -> None:
    import onnx

    model = onnx.load(look)
    onnx.checker.check_model(model)
    assert [entry.key for entry in model.metadata_props] == ["guise"]


def test_writing_replaces_whole_or_not_at_all(look: Path) -> None:
    before = look.read_bytes()
    wrong = Manifest(**look_fields() | {"size": 32, "inputs": _ports("lines", 32), "outputs": _ports("picture", 32)})
    with pytest.raises(BadModel, match="promises the input lines") as caught:
        model_file.write_model(look, look_model(), wrong)
    assert ".part" not in str(caught.value)
    assert look.read_bytes() == before
    assert list(look.parent.iterdir()) == [look]


def test_the_digest_is_sha256(look: Path) -> None:
    import hashlib

    assert model_file.file_digest(look) == hashlib.sha256(look.read_bytes()).hexdigest()


def test_a_file_of_27_megabytes_is_checked_in_milliseconds(tmp_path: Path) -> None:
    model = look_model()
    weights = np.zeros((13_600, 1000), np.float16)
    model.graph.initializer.append(numpy_helper.from_array(weights, "many"))
    path = tmp_path / "large.onnx"
    model_file.write_model(path, model, Manifest(**look_fields()))
    assert path.stat().st_size > 27e6
    tracemalloc.start()
    begun = time.thread_time()
    check_model(path)
    took_s = time.thread_time() - begun
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert took_s < 0.15
    assert peak < 2e6


def test_a_missing_file(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "nowhere.onnx")


def test_a_folder(tmp_path: Path) -> None:
    assert "is a folder" in refusal(tmp_path)


def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    assert "is not a file" in refusal(tmp_path / "pipe.onnx")


def test_a_path_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="is no path"):
        check_model("zero\0byte.onnx")
    assert "\n" not in refusal(tmp_path / "two\nlines\x1b[2J.onnx")


def test_a_file_that_may_not_be_read(look: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(onnx_outline.os, "open", denied)
    assert "cannot be read: Permission denied" in refusal(look)


def test_external_data(forged: Forge) -> None:
    model = look_model()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../etc/passwd")
    assert "another file" in refusal(forged(model, manifest_text()))


def test_external_data_in_a_constant_of_a_subgraph(forged: Forge) -> None:
    outside = numpy_helper.from_array(np.ones(1, np.float32), "outside")
    outside.data_location = TensorProto.EXTERNAL
    outside.external_data.add(key="location", value="weights.bin")
    model = _with_branch(helper.make_node("Constant", [], ["y"], value=outside))
    assert "another file" in refusal(forged(model, manifest_text()))


def test_an_operator_of_another_domain(forged: Forge) -> None:
    model = look_model()
    model.graph.node[1].domain = "com.microsoft"
    assert "the operator Sub of the domain com.microsoft" in refusal(forged(model, manifest_text()))


def test_a_cache_of_tensorrt(forged: Forge) -> None:
    model = look_model()
    model.graph.node.append(helper.make_node("EPContext", [], ["engine"], domain="com.microsoft"))
    assert "EPContext" in refusal(forged(model, manifest_text()))


def test_an_operator_of_another_domain_in_a_subgraph(forged: Forge) -> None:
    model = _with_branch(helper.make_node("Steal", [], ["y"], domain="evil"))
    assert "the operator Steal of the domain evil" in refusal(forged(model, manifest_text()))


def test_an_operator_of_another_domain_in_a_local_function(forged: Forge) -> None:
    model = look_model()
    steal = helper.make_node("Steal", ["a"], ["b"], domain="evil")
    model.functions.append(helper.make_function("", "Sub", ["a"], ["b"], [steal], [helper.make_opsetid("", 18)]))
    assert "the operator Steal of the domain evil" in refusal(forged(model, manifest_text()))


def test_a_local_function_of_another_domain(forged: Forge) -> None:
    model = look_model()
    nothing = helper.make_node("Identity", ["a"], ["b"])
    model.functions.append(helper.make_function("mine", "F", ["a"], ["b"], [nothing], [helper.make_opsetid("", 18)]))
    assert "the domain mine" in refusal(forged(model, manifest_text()))


def test_the_domains_of_onnx_are_welcome(forged: Forge) -> None:
    model = look_model()
    model.opset_import.add(domain="ai.onnx.ml", version=3)
    assert check_model(forged(model, manifest_text())).name == "porcelain"


@pytest.mark.parametrize(
    ("side", "shape", "dtype", "said"),
    [
        ("input", [1, 16, 32, 3], TensorProto.UINT8, r"its graph has uint8 \(1, 16, 32, 3\)"),
        ("input", [1, 16, 16, 3], TensorProto.FLOAT, "its graph has float32"),
        ("input", [1, "height", 16, 3], TensorProto.UINT8, "without a fixed shape"),
        ("input", None, TensorProto.UINT8, "its graph has uint8"),
        ("output", [1, 16, 16, 4], TensorProto.UINT8, "promises the output picture"),
        ("output", [1, None, None, 3], TensorProto.UINT8, "without a fixed shape"),
        ("output", [1, 16, 16, 3], TensorProto.STRING, "ONNX type 8"),
    ],
)
def test_ports_other_than_promised(
    forged: Forge, side: str, shape: list[int | str | None] | None, dtype: int, said: str
) -> None:
    import re

    model = look_model()
    port = model.graph.input[0] if side == "input" else model.graph.output[0]
    port.CopyFrom(helper.make_tensor_value_info(port.name, dtype, shape))
    assert re.search(said, refusal(forged(model, manifest_text())))


def test_ports_too_many_and_too_few(forged: Forge) -> None:
    model = look_model()
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))
    assert "has the input more" in refusal(forged(copy.deepcopy(model), manifest_text()))
    model.graph.input[0].name = "other"
    assert "promises the input lines" in refusal(forged(model, manifest_text()))


def test_a_port_that_is_no_tensor(forged: Forge) -> None:
    model = look_model()
    tensor = helper.make_tensor_type_proto(TensorProto.UINT8, [1])
    model.graph.output[0].CopyFrom(helper.make_value_info("picture", helper.make_sequence_type_proto(tensor)))
    assert "no tensor" in refusal(forged(model, manifest_text()))


def _ports(name: str, size: int) -> dict[str, Any]:
    return {name: {"shape": [1, size, size, 3], "dtype": "uint8"}}


def _with_branch(node: Any) -> ModelProto:
    """The look, with an If that has `node` in a branch."""
    value = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    branch = helper.make_graph([node], "branch", [], [value])
    model = look_model()
    model.graph.node.append(helper.make_node("If", ["white"], ["never"], then_branch=branch, else_branch=branch))
    assert model.graph.input[0].type.tensor_type.shape.dim[1].dim_value == SIZE
    return model
