"""A look in every size: the files are as the table says, and int8 is there only where it is faster."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

import guise
from export.artifact import model_file
from export.freeze.freeze import NotFaster, NotFrozen, freeze, to_onnx
from export.freeze.reduce import reduce
from export.freeze.verify import BOUNDS
from export.runtime.session import open_session
from export.runtime.speed import median_ratio, time_interleaved
from models.families.pix2pix import Pix2Pix
from models.prepare.data_facts import DataFacts
from models.training import checkpoint
from models.training.checkpoint import Run
from models.training.family import AnyFamily, FamilyOptions, FreezePlan
from models.training.registry import family
from tests.export.tiny_look import target_facts
from tests.models.face_folders import write_face

SIZE = 32


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_face(tmp_path_factory.mktemp("face") / "data", SIZE)
    facts = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps(facts | {"target": target_facts(SIZE)}))
    return folder


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    kind = Pix2Pix()
    options = kind.options(ngf=8, size=SIZE, critic=4, scale=0, shift=0, turn=0, stretch=0)
    return _saved(tmp_path_factory.mktemp("runs") / "full", kind, options, kind.data((data,), options).facts)


@pytest.fixture(scope="module")
def student(data: Path, run: Path) -> Path:
    kind = family("pix2pix_student")
    options = kind.options(teacher=str(run), ngf=4)  # type: ignore[call-arg]
    return _saved(run.parent / "small", kind, options, kind.data((data,), options).facts)  # type: ignore[attr-defined]


def _saved(folder: Path, kind: AnyFamily, options: FamilyOptions, facts: DataFacts) -> Path:
    """A run as training leaves it; its last weights are large enough for its pictures to have contrast."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    networks = kind.networks(options, facts)
    average: nn.Module = networks["average"]
    average.last[1].weight.data.mul_(5)  # type: ignore[index,union-attr,operator]
    checkpoint.write_run(folder, Run(kind, options, facts, 0, "32-true", "default", None))  # type: ignore[arg-type]
    checkpoint.save(folder, networks, {}, {"step": 3, "samples_seen": 3, "seconds": 6.0})
    return folder


@pytest.fixture(autouse=True)
def exported_once(exports: dict[int, onnx.ModelProto], monkeypatch: pytest.MonkeyPatch) -> None:
    """Exporting takes seconds: once for each of the two networks, which are told apart by their sizes."""

    def export(plan: FreezePlan) -> onnx.ModelProto:
        size = sum(parameter.numel() for parameter in plan.module.parameters())
        if size not in exports:
            exports[size] = to_onnx(plan)
        return copy.deepcopy(exports[size])

    monkeypatch.setattr("export.freeze.freeze.to_onnx", export)


@pytest.fixture(scope="module")
def exports() -> dict[int, onnx.ModelProto]:
    return {}


@pytest.fixture
def int8_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network of some kilobytes gains nothing by int8; whether a large one does depends on the machine."""
    monkeypatch.setattr("export.freeze.freeze.MAX_TIME_RATIO", np.inf)
    monkeypatch.setattr("export.freeze.reduce.TIMED_ROUNDS", 5)


@pytest.fixture
def int8_is_not_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("export.freeze.freeze.MAX_TIME_RATIO", 0.0)


@pytest.mark.usefixtures("int8_is_faster")
def test_int8_differs_by_what_is_stated(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "look.onnx"
    manifest = freeze(run, out, "fictional", "int8")
    assert model_file.check_model(out, "look") == manifest
    assert manifest.precision == "int8"
    parity = manifest.training.metrics["parity"]
    assert 0 < parity["mean"] <= BOUNDS["int8"].mean  # type: ignore[index,call-overload,operator]
    graph = onnx.load(out).graph
    stored = [t.data_type for t in graph.initializer if len(t.dims) == 4]
    convolutions = sum(node.op_type == "Conv" for node in graph.node)
    assert stored.count(onnx.TensorProto.INT8) == convolutions - 2
    assert {node.domain for node in graph.node} <= {"", "ai.onnx"}


@pytest.mark.usefixtures("int8_is_not_faster")
def test_int8_that_is_not_faster_is_not_written(run: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFaster, match=r"not faster on this machine: \d+\.\d ms against \d+\.\d ms in fp32"):
        freeze(run, tmp_path / "new" / "look.onnx", "fictional", "int8")
    assert not (tmp_path / "new").exists()


@pytest.mark.usefixtures("int8_is_faster")
def test_the_table_describes_the_files(
    run: Path, student: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "sizes"
    told = ("--subject", "fictional", "--who", "nobody")
    code, said, err = _guise(capfd, "reduce", run, "--out", out, *told, "--student", student)
    assert code == 0, err
    names = ["drawn.onnx", "drawn-fp16.onnx", "drawn-int8.onnx", "drawn-ngf4.onnx"]
    assert sorted(path.name for path in out.iterdir()) == sorted([*names, "reduction.json"])
    metrics = json.loads((out / "reduction.json").read_text())
    assert [file["file"] for file in metrics["files"]] == names
    for file in metrics["files"]:
        path = out / file["file"]
        manifest = model_file.check_model(path, "look")
        assert (manifest.precision, manifest.subject.who) == (file["precision"], "nobody")
        assert file["megabytes"] == pytest.approx(path.stat().st_size / 1e6, abs=1e-3)
        assert 0 < file["p50_ms"] <= file["p95_ms"]
        assert any(file["file"] in line and f"{file['difference_mean']:.2f}" in line for line in said.splitlines())
    sets = [model_file.check_model(out / name).set for name in names]
    assert len({member.id for member in sets if member is not None}) == 1
    assert [member.ngf for member in sets if member is not None] == [8, 8, 8, 4]
    full, half, bytes_, small = metrics["files"]
    assert (full["difference_mean"], full["difference_max"]) == (0, 0)
    assert half["megabytes"] < 0.7 * full["megabytes"]
    assert half["difference_mean"] < 1
    assert 0 < bytes_["difference_mean"] <= BOUNDS["int8"].mean
    assert small["difference_mean"] > bytes_["difference_mean"], "another network altogether, and untrained"


@pytest.mark.usefixtures("int8_is_not_faster")
def test_quality_is_measured_against_the_real_pictures(
    run: Path, data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class FindsNoFace:
        """The pictures show discs; the analyzer itself is tested on faces."""

        def find_points(self, picture: object) -> None:
            return None

    monkeypatch.setattr("export.freeze.held_out.FaceAnalyzer", FindsNoFace)
    out = tmp_path / "sizes"
    out.mkdir()
    (out / "drawn-int8.onnx").write_bytes(b"of another machine")
    code, said, err = _guise(capfd, "reduce", run, "--out", out, "--subject", "self", "--data", data)
    assert code == 0, err
    assert "int8 is not faster on this machine" in said
    assert not (out / "drawn-int8.onnx").exists()
    metrics = json.loads((out / "reduction.json").read_text())
    assert metrics["pictures"] == 2
    for file in metrics["files"]:
        quality = file["quality"]
        assert -1 <= quality["ssim"] < 1
        assert quality["l1"] > 0
        assert quality["expression"] is None
        assert quality["flicker"] is not None


def test_requests_that_are_refused(
    run: Path, student: Path, data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    other = write_face(tmp_path / "other", SIZE)
    (other / "dataset.json").write_text((data / "dataset.json").read_text().replace('"digest": "0"', '"digest": "1"'))
    kind = Pix2Pix()
    options = kind.options(ngf=4, size=SIZE, critic=4, scale=0, shift=0, turn=0, stretch=0)
    stranger = _saved(tmp_path / "stranger", kind, options, kind.data((other,), options).facts)
    (tmp_path / "file").touch()
    out, subject = ("--out", tmp_path / "sizes"), ("--subject", "self")
    for arguments, said in (
        ((run, *out), "on what consent"),
        ((run, "--out", tmp_path / "file", *subject), "is a file: name a folder"),
        ((tmp_path / "gone", *out, *subject), "is not a training run"),
        ((run, *out, *subject, "--student", stranger), "did not learn from what"),
        ((run, *out, *subject, "--student", run), "is no student: name a run of pix2pix_student"),
        ((run, *out, *subject, "--data", tmp_path / "gone"), "is not a prepared data set"),
        ((run, *out, *subject, "--data", other), "is not the data that"),
    ):
        code, stdout, err = _guise(capfd, "reduce", *arguments)
        assert (code, stdout, err.count("\n")) == (2, "", 1)
        assert said in err
        assert not (tmp_path / "sizes").exists()
    with pytest.raises(NotFrozen, match="precision int4 is not known"):
        freeze(run, tmp_path / "look.onnx", "self", "int4")  # type: ignore[arg-type]


def test_two_students_of_one_size_have_two_files(
    run: Path, student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("export.freeze.reduce.PRECISIONS", ("fp32",))
    reduction = reduce(run, tmp_path, "self", students=[student, student])
    assert [file.file for file in reduction.files] == ["drawn.onnx", "drawn-ngf4.onnx", "drawn-ngf4-2.onnx"]


def test_all_are_timed_equally_often_and_in_turn(look: Path) -> None:
    order: list[str] = []

    class RecordingSession:
        def __init__(self, name: str) -> None:
            self.name = name

        def warm(self) -> None:
            order.clear()

        def run(self, **inputs: object) -> None:
            order.append(self.name)

    taken = time_interleaved({"a": RecordingSession("a"), "b": RecordingSession("b")}, [{}], 3)  # type: ignore[dict-item]
    assert order == ["a", "b"] * 3
    assert {name: times.shape for name, times in taken.items()} == {"a": (3,), "b": (3,)}
    # One round in which the machine was busy elsewhere does not change the median.
    assert median_ratio(np.array([1.0, 1.0, 50.0]), np.array([2.0, 2.0, 2.0])) == 0.5
    with open_session(look, "cpu") as session:
        inputs = [{"lines": np.zeros((1, 16, 16, 3), np.uint8)}]
        assert (time_interleaved({"one": session}, inputs, 2)["one"] > 0).all()


def test_help_has_an_example(capfd: pytest.CaptureFixture[str]) -> None:
    code, said, _ = _guise(capfd, "reduce", "--help")
    assert code == 0
    assert "Example: guise reduce" in said


def _guise(capfd: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = guise.main([str(argument) for argument in arguments])
    out, err = capfd.readouterr()
    return code, out, err
