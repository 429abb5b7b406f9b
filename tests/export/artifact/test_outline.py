"""Damaged, forged and foreign files are refused in one line, without reading or allocating much.

The long fuzz: pytest -m slow tests/export/artifact/test_outline.py
"""

from __future__ import annotations

import json
import os
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from export.artifact import model_file
from export.artifact.bad_model import BadModel
from export.artifact.manifest import Manifest
from export.artifact.model_file import check_model, read_manifest
from tests.export.artifact.refusal import Forge, manifest_text, refusal
from tests.export.tiny_look import look_fields, look_fields_of_version_1, look_model


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
    model_file.write_model(path, model, Manifest(**look_fields()))
    os.truncate(path, 200_000)
    assert "is truncated" in refusal(path)
    with pytest.raises(BadModel, match="is truncated"):
        read_manifest(path)


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
    for reading in (check_model, read_manifest):
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
    """pytest -m slow tests/export/artifact/test_outline.py"""
    _fuzz(look, mutations)


def _look_of_version_1() -> bytes:
    model = look_model()
    model.metadata_props.add(key="guise", value=json.dumps(look_fields_of_version_1()))
    return model.SerializeToString()


def _fuzz(look: Path, mutations: list[tuple[float, int, bytes, bool]]) -> None:
    damaged = look.with_name("damaged.onnx")
    # The graph lies before the manifest, which is much longer: without it, half of the damage goes to the graph.
    for whole in (look.read_bytes(), look_model().SerializeToString(), _look_of_version_1()):
        damaged.write_bytes(_mutated(whole, mutations))
        _model_or_refusal(damaged)
