"""The frozen model: what was written is read again; whatever else is refused in one clear line.

The long fuzz: pytest -m slow tests/export/test_artifact.py
"""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto, helper, numpy_helper

from export import artifact, onnx_outline
from export.artifact import BadModel, Manifest, check, read_manifest
from tests.export.tiny_look import SIZE, look_fields, look_model

Forge = Callable[[ModelProto, str | None], Path]


def refusal(path: str | os.PathLike[str], kind: artifact.Kind | None = None) -> str:
    """The line with which the file is refused; says the file, and is one line."""
    with pytest.raises(BadModel) as caught:
        check(path, kind)
    line = str(caught.value)
    assert line.startswith(artifact.one_line(str(path)))
    assert line.isprintable()
    return line


def manifest_text(**changes: Any) -> str:
    return json.dumps(look_fields() | changes)


# What is right


def test_what_was_written_is_read_again(look: Path) -> None:
    manifest = Manifest(**look_fields())
    assert check(look) == manifest
    assert check(look, "look") == manifest
    assert read_manifest(look) == manifest
    assert list(look.parent.iterdir()) == [look]


def test_onnx_reads_what_we_write(look: Path) -> None:
    import onnx

    model = onnx.load(look)
    onnx.checker.check_model(model)
    assert [entry.key for entry in model.metadata_props] == ["guise"]


def test_a_voice_is_read_too(forged: Forge) -> None:
    port = {"shape": [1, 320], "dtype": "float32"}
    fields = look_fields() | {
        "kind": "voice",
        "family": "stargan_vc",
        "inputs": {"sound": port},
        "outputs": {"converted_sound": port},
        "reads": ["sound"],
        "gives": ["converted_sound"],
    }
    fields |= {"sample_rate": 16000, "hop": 320, "lookahead": 160, "context": 3200}
    for key in ("size", "lines", "target"):
        del fields[key]
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 320]) for name in fields["reads"] + fields["gives"]
    ]
    graph = helper.make_graph(
        [helper.make_node("Neg", ["sound"], ["converted_sound"])], "voice", values[:1], values[1:]
    )
    path = forged(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), json.dumps(fields))
    assert check(path, "voice").hop == 320
    assert "is a voice, where a look is wanted" in refusal(path, "look")


def test_writing_replaces_whole_or_not_at_all(look: Path) -> None:
    before = look.read_bytes()
    wrong = Manifest(**look_fields() | {"size": 32, "inputs": _ports("lines", 32), "outputs": _ports("picture", 32)})
    with pytest.raises(BadModel, match="promises the input lines") as caught:
        artifact.write(look, look_model(), wrong)
    assert ".part" not in str(caught.value)
    assert look.read_bytes() == before
    assert list(look.parent.iterdir()) == [look]


def test_the_digest_is_sha256(look: Path) -> None:
    import hashlib

    assert artifact.digest(look) == hashlib.sha256(look.read_bytes()).hexdigest()


def test_reading_imports_no_heavy_library() -> None:
    heavy = "torch onnx onnxruntime numpy cv2"
    code = f"import sys, export.artifact; sys.exit(any(m in sys.modules for m in {heavy.split()!r}))"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode == 0


def test_a_file_of_27_megabytes_is_checked_in_milliseconds(tmp_path: Path) -> None:
    model = look_model()
    weights = np.zeros((13_600, 1000), np.float16)
    model.graph.initializer.append(numpy_helper.from_array(weights, "many"))
    path = tmp_path / "large.onnx"
    artifact.write(path, model, Manifest(**look_fields()))
    assert path.stat().st_size > 27e6
    tracemalloc.start()
    begun = time.thread_time()  # of this thread alone, whatever else the machine does
    check(path)
    took_s = time.thread_time() - begun
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert took_s < 0.15
    assert peak < 2e6


# Files that are none


def test_a_missing_file(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "nowhere.onnx")


def test_a_folder(tmp_path: Path) -> None:
    assert "is a folder" in refusal(tmp_path)


def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    assert "is not a file" in refusal(tmp_path / "pipe.onnx")


def test_a_path_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="is no path"):
        check("zero\0byte.onnx")
    assert "\n" not in refusal(tmp_path / "two\nlines\x1b[2J.onnx")


def test_a_file_that_may_not_be_read(look: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(onnx_outline.os, "open", denied)
    assert "cannot be read: Permission denied" in refusal(look)


def test_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "empty.onnx"
    path.touch()
    assert "is empty" in refusal(path)


@pytest.mark.parametrize(
    "content",
    [b"just some text\n", b"\n", b"{}", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"\x80\x02}q\x00.", b"\0" * 1000],
    ids=["text", "line", "json", "png", "pickle", "zeros"],
)
def test_not_onnx(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.onnx"
    path.write_bytes(content)
    assert "not an ONNX file" in refusal(path)


def test_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "other.onnx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.pkl", b"x" * 100)
    assert "not an ONNX file" in refusal(path)


def test_truncated_anywhere(look: Path) -> None:
    whole = look.read_bytes()
    for length in [*range(1, 400, 7), *range(400, len(whole), 101), len(whole) - 1]:
        look.write_bytes(whole[:length])
        line = refusal(look)
        assert "truncated" in line or "no manifest" in line or "damaged" in line


def test_truncated_in_the_weights_says_so(tmp_path: Path) -> None:
    model = look_model()
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(100_000, np.float32), "many"))
    path = tmp_path / "large.onnx"
    artifact.write(path, model, Manifest(**look_fields()))
    os.truncate(path, 200_000)
    assert "is truncated" in refusal(path)
    with pytest.raises(BadModel, match="is truncated"):
        read_manifest(path)


# Claims


def test_a_field_that_claims_two_gigabytes(tmp_path: Path) -> None:
    path = tmp_path / "claims.onnx"
    # ir_version 10, then a graph of 2^31 - 1 bytes, of which nine are there.
    path.write_bytes(b"\x08\x0a" + b"\x3a\xff\xff\xff\xff\x07" + b"\x0a" * 9)
    tracemalloc.start()
    assert "is truncated" in refusal(path)
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()


def test_a_manifest_that_claims_two_gigabytes_inside_the_file(look: Path) -> None:
    whole = bytearray(look.read_bytes())
    at = whole.index(b"\x0a\x05guise\x12") + 8
    whole[at : at + 5] = b"\xff\xff\xff\xff\x07"
    look.write_bytes(whole)
    refusal(look)


@pytest.mark.parametrize("dims", [[2**31, 2**31], [2**62], [2**31 - 1], [0xFFFF, 0xFFFF]])
def test_a_tensor_that_claims_more_than_it_holds(forged: Forge, dims: list[int]) -> None:
    model = look_model()
    model.graph.initializer[0].dims[:] = dims
    assert "claims" in refusal(forged(model, manifest_text()))


def test_a_tensor_of_the_wrong_width(forged: Forge) -> None:
    model = look_model()
    model.graph.initializer[0].data_type = TensorProto.DOUBLE
    assert "claims 24 bytes of weights where it holds 12" in refusal(forged(model, manifest_text()))


def test_a_sparse_tensor(forged: Forge) -> None:
    model = look_model()
    sparse = model.graph.sparse_initializer.add()
    sparse.values.CopyFrom(numpy_helper.from_array(np.ones(1, np.float32), "few"))
    sparse.indices.CopyFrom(numpy_helper.from_array(np.zeros(1, np.int64), "few_at"))
    sparse.dims.append(2**40)
    assert "sparse" in refusal(forged(model, manifest_text()))


def test_a_file_of_three_gigabytes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.onnx"
    with path.open("wb") as file:
        file.truncate(3_000_000_000)  # A hole: it takes no room on the disk.
    begun = time.thread_time()
    assert "3.0 GB" in refusal(path)
    assert time.thread_time() - begun < 0.5


def test_millions_of_parts(tmp_path: Path) -> None:
    path = tmp_path / "parts.onnx"
    path.write_bytes(b"\x08\x0a" + b"\x28\x01" * 600_000)
    assert "parts" in refusal(path)


def test_graphs_nested_without_end(forged: Forge) -> None:
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    inner = helper.make_graph([], "inner", [], [value])
    for _ in range(20):
        inner = helper.make_graph([helper.make_node("Loop", [], ["x"], body=inner)], "around", [], [value])
    model = look_model()
    model.graph.node.append(helper.make_node("Loop", [], ["never"], body=inner))
    assert "nests graphs" in refusal(forged(model, manifest_text()))


# Manifests


def test_no_manifest(forged: Forge) -> None:
    assert "has no manifest" in refusal(forged(look_model(), None))


def test_two_manifests(forged: Forge) -> None:
    model = look_model()
    model.metadata_props.add(key="guise", value=manifest_text())
    assert "two manifests" in refusal(forged(model, manifest_text(name="other")))


@pytest.mark.parametrize(
    "text", ["", "porcelain", "[1]", "{", "null", "[" * 100_000, '{"version": 1' + "1" * 5000 + "}"]
)
def test_a_manifest_that_is_not_json(forged: Forge, text: str) -> None:
    assert "damaged manifest" in refusal(forged(look_model(), text))


def test_a_manifest_of_megabytes(forged: Forge) -> None:
    refusal(forged(look_model(), manifest_text(name="x" * 2_000_000)))


def test_a_newer_manifest_says_update(forged: Forge) -> None:
    line = refusal(forged(look_model(), json.dumps({"version": 2, "everything": "is different"})))
    assert "newer Guise" in line
    assert "update" in line


@pytest.mark.parametrize("version", [None, 0, -1, "1", 1.5, True, [1]])
def test_a_version_that_is_none(forged: Forge, version: object) -> None:
    refusal(forged(look_model(), manifest_text(version=version)))


@pytest.mark.parametrize("subject", [None, "", "   "])
def test_no_subject(forged: Forge, subject: object) -> None:
    assert "subject" in refusal(forged(look_model(), manifest_text(subject=subject)))
    fields = look_fields()
    del fields["subject"]
    assert "whose likeness" in refusal(forged(look_model(), json.dumps(fields)))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"colour": "red"}, "colour is an unknown key"),
        ({"training": look_fields()["training"] | {"mood": "good"}}, "training.mood is an unknown key"),
        ({"kind": "smell"}, "kind"),
        ({"kind": "voice"}, "a voice needs"),
        ({"family": "Pix 2 Pix"}, "family"),
        ({"family": 7}, "family"),
        ({"precision": "fp8"}, "precision"),
        ({"name": "porce\x1b[2Jlain"}, "control characters"),
        ({"name": "porce\u202elain"}, "control characters"),
        ({"name": "two\nlines"}, "control characters"),
        ({"name": "\ud800"}, "manifest"),
        ({"name": ""}, "name"),
        ({"name": "x" * 300}, "name"),
        ({"subject": "self\x07"}, "control characters"),
        ({"licence": None}, "licence"),
        ({"size": 0}, "size"),
        ({"size": 16.5}, "size"),
        ({"size": "16"}, "size"),
        ({"size": 32}, "lines must be uint8"),
        ({"size": 100_000}, "size"),
        ({"reads": []}, "reads"),
        ({"reads": ["face"]}, "inputs"),
        ({"reads": ["lines", "lines"]}, "twice"),
        ({"reads": ["mind"]}, "reads"),
        ({"gives": ["mask"]}, "picture"),
        ({"gives": ["picture", "mask"]}, "outputs"),
        ({"lines": None}, "lines"),
        ({"target": None}, "target"),
        ({"sample_rate": 16000}, "sample_rate"),
        ({"states": {"lines": "picture"}}, "states"),
        ({"reads": ["mcep"]}, "a look reads"),
        ({"inputs": {}}, "inputs"),
        ({"inputs": {"lines": {"shape": [1, 16, 16, 3], "dtype": "complex64"}}}, "dtype"),
        ({"inputs": {"lines": {"shape": [1, 16, 16, -3], "dtype": "uint8"}}}, "shape"),
        ({"inputs": {"lines": {"shape": [2**40, 2**40], "dtype": "uint8"}}}, "bytes"),
        ({"parameters": {"pitch": {"low": 1, "high": 0, "default": 0}}}, "default"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_manifest_that_does_not_hold(forged: Forge, changes: dict[str, Any], said: str) -> None:
    assert said in refusal(forged(look_model(), manifest_text(**changes)))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("neutral", [[0.0, 0.0]] * 67),
        ("neutral", [[0.0, float("nan")]] * 68),
        ("neutral", [[0.0, 0.0, 0.0]] * 68),
        ("residual_low", [[float("-inf"), 0.0]] * 68),
        ("roll", [1.0, -1.0]),
        ("openings", {"mouth": [0, 1, 2]}),
    ],
)
def test_a_target_that_does_not_hold(forged: Forge, key: str, value: object) -> None:
    target = look_fields()["target"] | {key: value}
    assert f"target.{key}" in refusal(forged(look_model(), manifest_text(target=target)))


# Graphs


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
    assert check(forged(model, manifest_text())).name == "porcelain"


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


# Damage of any kind


_REPLACEMENTS = st.one_of(
    st.binary(min_size=0, max_size=12),
    st.sampled_from(
        [b"\xff\xff\xff\xff\x07", b"\xff" * 10, b"\x80" * 12, b"\0" * 8, b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f"]
    ),
)
_MUTATIONS = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 24), _REPLACEMENTS, st.booleans()), min_size=1, max_size=6
)


def _mutated(whole: bytes, mutations: list[tuple[float, int, bytes, bool]]) -> bytes:
    out = bytearray(whole)
    for where, length, replacement, cut in mutations:
        at = int(where * len(out))
        if cut and length == 0:
            del out[at:]
        else:
            out[at : at + length] = replacement
    return bytes(out)


def _model_or_refusal(path: Path) -> None:
    for reading in (check, read_manifest):
        tracemalloc.start()
        line = ""
        try:
            reading(path)
        except BadModel as error:
            line = str(error)
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert "\n" not in line
        assert peak < 8e6


_FUZZ = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None)


@settings(_FUZZ, max_examples=150)
@given(mutations=_MUTATIONS)
def test_damaged_bytes_are_a_model_or_a_refusal(look: Path, mutations: list[tuple[float, int, bytes, bool]]) -> None:
    _fuzz(look, mutations)


@pytest.mark.slow
@settings(_FUZZ, max_examples=20_000)
@given(mutations=_MUTATIONS)
def test_damaged_bytes_for_long(look: Path, mutations: list[tuple[float, int, bytes, bool]]) -> None:
    """pytest -m slow tests/export/test_artifact.py"""
    _fuzz(look, mutations)


def _fuzz(look: Path, mutations: list[tuple[float, int, bytes, bool]]) -> None:
    damaged = look.with_name("damaged.onnx")
    # The graph lies before the manifest, which is much longer: without it, half of the damage goes to the graph.
    for whole in (look.read_bytes(), look_model().SerializeToString()):
        damaged.write_bytes(_mutated(whole, mutations))
        _model_or_refusal(damaged)


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
