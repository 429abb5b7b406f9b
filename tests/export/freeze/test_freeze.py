"""From a checkpoint to a frozen model: exported, compared with torch; and the two verbs."""

from __future__ import annotations

import collections
import copy
import json
import logging
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import Tensor, nn

import guise
from export.artifact import model_file
from export.artifact.fields import Subject
from export.freeze import verify
from export.freeze.freeze import NotFrozen, freeze, freeze_from_plan, store_fp16, to_onnx
from export.freeze.verify import NotFaithful
from export.runtime.session import open_session
from export.runtime.tensorrt import Engine, EngineKey, EngineTrial
from models.families.pix2pix import Pix2Pix
from models.prepare.face_facts import FaceFacts
from models.training import checkpoint
from models.training.checkpoint import BadRun, Run
from models.training.family import FreezePlan, freeze_batch
from tests.export.tiny_look import target_facts

PREPARED = 64
FACTS = FaceFacts(kind="face", name="anna", size=PREPARED, target=target_facts(PREPARED), digest="d" * 64)
OPTIONS = {"ngf": 4, "size": 32, "batch": 1, "steps": 3}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def plan() -> FreezePlan:
    torch.manual_seed(0)
    family = Pix2Pix()
    options = family.options(**OPTIONS)
    return family.freeze(_with_contrast(family.networks(options, FACTS)), options, FACTS)


@pytest.fixture(scope="module")
def exported(plan: FreezePlan) -> onnx.ModelProto:
    """Exporting takes seconds: once for all tests that look at the result."""
    return to_onnx(plan)


@pytest.fixture
def exported_once(exported: onnx.ModelProto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("export.freeze.freeze.to_onnx", lambda _: copy.deepcopy(exported))


@pytest.fixture
def fields() -> dict[str, Any]:
    return {
        "kind": "look",
        "family": "pix2pix",
        "name": "anna",
        "subject": "fictional",
        "licence": "CC0-1.0",
        "training": {"data_digest": "d", "steps": 3, "samples_seen": 3, "minutes": 0.1},
    }


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A training run of no steps, as models.training.train leaves it."""
    family = Pix2Pix()
    options = family.options(**OPTIONS)
    networks = _with_contrast(family.networks(options, FACTS))
    folder = tmp_path / "run"
    checkpoint.write_run(folder, Run(family, options, FACTS, 0, "32-true", "default", "abc123"))
    state = {"step": 3, "samples_seen": 3, "seconds": 6.0}
    checkpoint.save(folder, networks, family.optimizers(networks, options), state)
    return folder


def _with_contrast(networks: nn.ModuleDict) -> nn.ModuleDict:
    """Fresh weights paint everything grey: with larger last ones a picture has contrast, and parity is meaningful."""
    for name in ("generator", "average"):
        networks[name].last[1].weight.data.mul_(20)
    return networks


def test_a_run_becomes_one_file_with_the_outputs_of_the_network(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "looks" / "anna.onnx"
    manifest = freeze(run, out, "self: Anna, signed", licence="all rights reserved")
    assert model_file.check_model(out, "look") == manifest
    assert list(out.parent.iterdir()) == [out]
    assert manifest.set is not None
    assert (manifest.set.ngf, manifest.set.size, manifest.set.precision) == (4, 32, "fp32")
    assert (manifest.name, manifest.subject.statement, manifest.size) == ("anna", "self: Anna, signed", 32)
    training = manifest.training
    assert (training.steps, training.minutes, training.revision) == (3, 0.1, "abc123")
    assert training.options["ngf"] == 4
    assert training.metrics["parity"]["maximum"] <= 2  # type: ignore[index,call-overload,operator]
    assert manifest.target is not None
    np.testing.assert_allclose(manifest.target.neutral, np.array(FACTS.target["neutral"]) / 2)

    family = Pix2Pix()
    loaded = checkpoint.load_run(run)
    plan = family.freeze(loaded.networks, loaded.run.options, FACTS)
    lines = np.random.default_rng(1).integers(0, 256, (1, 32, 32, 3), np.uint8)
    wanted = freeze_batch({"lines": torch.from_numpy(lines)}, plan.module)[0].numpy().astype(int)
    assert wanted.std() > 10
    with open_session(out, "cpu") as session:
        got = session.run(lines=lines)["picture"]
        assert abs(wanted - got).max() <= 2
        np.testing.assert_array_equal(got, session.run(lines=lines)["picture"])


def test_the_graph_holds_nothing_but_the_network(plan: FreezePlan, exported: onnx.ModelProto) -> None:
    model = exported
    count = collections.Counter(node.op_type for node in model.graph.node)
    networks = list(plan.module.modules())
    for module, operator in (
        (nn.InstanceNorm2d, "InstanceNormalization"),
        (nn.Conv2d, "Conv"),
        (nn.ConvTranspose2d, "ConvTranspose"),
        (nn.LeakyReLU, "LeakyRelu"),
        (nn.ReLU, "Relu"),
    ):
        assert count.pop(operator) == sum(isinstance(m, module) for m in networks)
    assert count.pop("Concat") == 4
    assert set(count) <= {"Transpose", "Cast", "Mul", "Sub", "Add", "Tanh"}
    assert (count["Transpose"], count["Cast"]) == (2, 2)
    # The exporter notes down where the code is on this machine.
    assert str(Path.cwd()).encode() not in model.SerializeToString()
    assert b"stack_trace" not in model.SerializeToString()


def test_exporting_is_quiet(
    plan: FreezePlan, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    to_onnx(plan)
    assert capfd.readouterr() == ("", "")
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.usefixtures("exported_once")
def test_fp16_halves_the_file_and_stays_faithful(plan: FreezePlan, fields: dict[str, Any], tmp_path: Path) -> None:
    whole, half = tmp_path / "whole.onnx", tmp_path / "half.onnx"
    freeze_from_plan(plan, whole, fields)
    manifest = freeze_from_plan(plan, half, fields, "fp16")
    assert manifest.precision == "fp16"
    assert half.stat().st_size < 0.65 * whole.stat().st_size
    assert manifest.training.metrics["parity"]["mean"] <= 1  # type: ignore[index,call-overload,operator]
    model = onnx.load(half)
    onnx.checker.check_model(model, full_check=True)
    assert all(len(t.dims) < 2 for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT)


def test_weights_beyond_fp16_are_refused(exported: onnx.ModelProto) -> None:
    model = copy.deepcopy(exported)
    weights = next(t for t in model.graph.initializer if len(t.dims) == 4)
    weights.CopyFrom(numpy_helper.from_array(np.full(weights.dims, 1e5, np.float32), weights.name))
    with pytest.raises(NotFrozen, match="beyond what fp16 holds"):
        store_fp16(model)


def test_a_model_with_other_outputs_is_not_written(
    plan: FreezePlan, exported: onnx.ModelProto, fields: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def another(_: FreezePlan) -> onnx.ModelProto:
        model = copy.deepcopy(exported)
        weights = next(t for t in model.graph.initializer if len(t.dims) == 4)
        weights.CopyFrom(numpy_helper.from_array(3 * numpy_helper.to_array(weights), weights.name))
        return model

    monkeypatch.setattr("export.freeze.freeze.to_onnx", another)
    out = tmp_path / "look.onnx"
    with pytest.raises(NotFaithful, match="differs from the network by"):
        freeze_from_plan(plan, out, fields)
    assert list(tmp_path.iterdir()) == []


class _Warp(nn.Module):
    """Points -> a picture of their mean, all of it laid in but where the hand is."""

    def forward(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        grey = points.mean().clamp(0, 255).to(torch.uint8)
        cover = torch.full((1, 32, 32, 1), 255, dtype=torch.uint8)
        return grey.expand(1, 32, 32, 3), cover, cover * (points[:, :1, :1, None] > 1e6)


def test_a_look_of_points_is_compared_on_the_target_s_own_face(fields: dict[str, Any], tmp_path: Path) -> None:
    known = {
        "reads": ["points"],
        "gives": ["picture", "mask", "occluded"],
        "size": 32,
        "target": target_facts(32),
    }
    plan = FreezePlan(_Warp().eval(), {"points": torch.zeros(1, 68, 2)}, ("picture", "mask", "occluded"), known)
    out = tmp_path / "warp.onnx"
    manifest = freeze_from_plan(plan, out, fields | {"family": "warp"})
    assert model_file.check_model(out, "look") == manifest
    assert manifest.training.metrics["parity"]["inputs"] == 2 + verify.SAMPLES  # type: ignore[index,call-overload]


class _Voice(nn.Module):
    """float32 sound and the index of a speaker -> sound, and the state for the next block."""

    def __init__(self) -> None:
        super().__init__()
        self.speakers = nn.Embedding(3, 1)
        self.filter = nn.Conv1d(1, 1, 5, padding=2)

    def forward(self, sound: Tensor, speaker: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        out = self.filter(sound[:, None])[:, 0] * self.speakers(speaker) + state
        return out, out[:, -1:]


def test_several_inputs_and_outputs_of_a_voice(fields: dict[str, Any], tmp_path: Path) -> None:
    inputs = {"sound": torch.zeros(1, 80), "speaker": torch.zeros(1, dtype=torch.int64), "state": torch.zeros(1, 1)}
    known = {
        "reads": ["sound"],
        "gives": ["converted_sound"],
        "form": "sound",
        "states": {"state": "next_state"},
        "sample_rate": 16000,
        "hop": 80,
        "lookahead": 0,
        "context": 0,
        "conditioning": {"speaker": ["a", "b", "c"]},
    }
    plan = FreezePlan(_Voice().eval(), inputs, ("converted_sound", "next_state"), known)
    out = tmp_path / "voice.onnx"
    manifest = freeze_from_plan(plan, out, fields | {"kind": "voice", "family": "stargan_vc"})
    assert model_file.check_model(out, "voice") == manifest
    assert manifest.inputs["speaker"].dtype == "int64"
    assert list(manifest.outputs) == ["converted_sound", "next_state"]
    # Silence, noise and babble from each of the three.
    assert manifest.training.metrics["parity"]["hops"] > 300  # type: ignore[index,call-overload,operator]


@pytest.mark.usefixtures("exported_once")
def test_a_nan_is_not_faithful(plan: FreezePlan, fields: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "look.onnx"
    freeze_from_plan(plan, out, fields)

    class Nothing(nn.Module):
        def forward(self, lines: Tensor) -> Tensor:
            return torch.full(lines.shape, float("nan"))

    with open_session(out, "cpu") as session, pytest.raises(NotFaithful):
        verify.parity(replace(plan, module=Nothing()), session)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"subject": " "}, "on what consent"),
        ({"precision": "int4"}, "not known"),
        ({"out": Path("look.pt")}, "must end in .onnx"),
        ({"name": "a\nb"}, "control characters"),
    ],
)
def test_requests_that_are_refused(run: Path, tmp_path: Path, change: dict[str, Any], said: str) -> None:
    asked: dict[str, Any] = {"subject": "fictional", "out": tmp_path / "new" / "look.onnx"} | change
    with pytest.raises(NotFrozen, match=said):
        freeze(run, **asked)
    assert not (tmp_path / "new").exists()


def test_a_kept_checkpoint_is_frozen_by_its_step(
    run: Path, exported_once: None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    loaded = checkpoint.load_run(run)
    checkpoint.keep(run, loaded.networks, {"step": 2, "samples_seen": 2, "seconds": 4.0})
    loaded.networks["average"].last[1].weight.data.mul_(0.5)  # type: ignore[union-attr,index,operator]
    checkpoint.save(run, loaded.networks, {}, {"step": 4, "samples_seen": 4, "seconds": 8.0})
    out = tmp_path / "anna.onnx"
    arguments = ("export", run, "--out", out, "--subject", "self", "--step")
    assert _guise(capfd, *arguments, 2)[0] == 0
    assert model_file.check_model(out).training.steps == 2
    # The graph exported once has the kept weights: with others it does not match the network.
    with pytest.raises(NotFaithful):
        freeze(run, out, "self")
    code, _, err = _guise(capfd, *arguments, 1)
    assert (code, err.count("\n")) == (2, 1)
    assert "has no checkpoint of step 1: choose from 2, 3, 4" in err


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(BadRun, match="not a training run"):
        freeze(tmp_path / "nothing", tmp_path / "look.onnx", "fictional")


# The verbs


def _guise(capfd: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = guise.main([str(argument) for argument in arguments])
    out, err = capfd.readouterr()
    return code, out, err


def test_export_then_inspect(
    run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    out = tmp_path / "anna.onnx"
    consent = "Anna Lind [bold]agreed[/bold] in writing on 3 May " + "and again " * 20
    code, said, err = _guise(capfd, "export", run, "--out", out, "--subject", consent, "--precision", "fp16")
    assert (code, out.is_file()) == (0, True), err
    assert "differs from the network" in said

    code, said, err = _guise(capfd, "inspect", out)
    assert (code, err) == (0, "")
    words = re.sub(r"\s+", " ", said)
    for part in (
        "anna: a look",
        "weights in fp16",
        "pix2pix",
        "uint8 1 x 32 x 32 x 3",
        "3 steps",
        "[bold]agreed[/bold]",
    ):
        assert part in words
    assert words.count("and again") == 20

    code, said, _ = _guise(capfd, "inspect", out, "--json")
    assert json.loads(said)["subject"] in ({"statement": consent.strip()}, {"statement": consent})
    assert code == 0


def test_persons_are_named_with_their_consent(
    run: Path, exported_once: None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "two.onnx"
    code, _, err = _guise(capfd, "export", run, "--out", out, "--subject", "anna=self", "--subject", "ben=signed")
    assert code == 0, err
    assert model_file.check_model(out).subject.statement == "anna=self; ben=signed"


def test_the_consent_is_recorded_and_shown(
    run: Path, exported_once: None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "anna.onnx"
    record = ("--date", "2026-05-03", "--purpose", "one exhibition", "--place", "Berlin", "--until", "2027-12-31")
    code, _, err = _guise(capfd, "export", run, "--out", out, "--subject", "anna=signed", *record)
    assert code == 0, err
    subject = model_file.check_model(out).subject
    assert (subject.who, subject.statement, subject.date) == ("anna", "signed", "2026-05-03")
    _, said, _ = _guise(capfd, "inspect", out)
    rows = [" ".join(line.split()) for line in said.splitlines()]
    for row in ("likeness of anna", "consent signed", "given on 2026-05-03", "purpose one exhibition", "place Berlin"):
        assert row in rows
    assert "holds until 2027-12-31" in rows
    assert any(re.fullmatch("set [0-9a-f]{32}: ngf 4, size 32, fp32", row) for row in rows)
    code, _, err = _guise(capfd, "export", run, "--out", out, "--subject", "signed, a=b", "--who", "Anna Lind")
    assert code == 0, err
    assert model_file.check_model(out).subject == Subject(who="Anna Lind", statement="signed, a=b")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "on what consent"),
        (("--subject", "self", "--date", "3 May"), "--date must be a day of the calendar, as 2026-05-03"),
        (("--subject", "self", "--until", "2026-02-30"), "--until must be a day of the calendar"),
        (
            ("--subject", "self", "--date", "2026-05-03", "--until", "2026-05-02"),
            "--until 2026-05-02 is before date 2026-05-03",
        ),
        (("--subject", "self", "--place", "two\nlines"), "--place must not hold control characters"),
        (("--subject", "self\x07"), "--subject must not hold control characters"),
        (("--subject", " "), "on what consent"),
        (("--subject", "anna="), "on what consent"),
        (("--subject", "self", "--precision", "fp12"), "not known"),
        (("--subject", "self", "--target", "ben"), "one person only"),
    ],
)
def test_export_refuses_in_one_line(
    run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    out = tmp_path / "look.onnx"
    code, stdout, err = _guise(capfd, "export", run, "--out", out, *arguments)
    assert (code, stdout, err.count("\n")) == (2, "", 1)
    assert said in err
    assert not out.exists()


def test_without_tensorrt_the_frozen_model_is_written_nonetheless(
    run: Path, exported_once: None, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "export.runtime.providers.unavailable_reason", lambda _: "there is no NVIDIA driver (libcuda.so.1)"
    )
    out = tmp_path / "look.onnx"
    code, _, err = _guise(capfd, "export", run, "--out", out, "--subject", "self", "--tensorrt")
    assert (code, err.count("\n")) == (2, 1)
    assert "is written; its TensorRT engine is not built: there is no NVIDIA driver" in err
    assert model_file.check_model(out).name == "anna"


def test_with_tensorrt_its_engine_is_reported(
    run: Path, exported_once: None, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    trial = EngineTrial(load_s=0.8, difference=1.0, arithmetic="fp32")
    key = EngineKey(model="m", gpu="NVIDIA RTX 4090", capability="8.9", tensorrt=100900, runtime="1.31.1")
    engine = Engine(key=key, build_s=73.0, trial=trial, files={})
    monkeypatch.setattr("export.runtime.providers.unavailable_reason", lambda _: None)
    monkeypatch.setattr("export.runtime.tensorrt.build_engine", lambda _: engine)
    out = tmp_path / "look.onnx"
    code, said, err = _guise(capfd, "export", run, "--out", out, "--subject", "self", "--tensorrt")
    assert code == 0, err
    assert "the engine for NVIDIA RTX 4090, 0.0 MB, fp32, built in 73 s, loads in 0.8 s; differs" in said


def test_export_of_no_run_and_inspect_of_no_model(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, _, err = _guise(capfd, "export", tmp_path / "no", "--out", tmp_path / "x.onnx", "--subject", "self")
    assert code == 2
    assert "is not a training run" in err
    (tmp_path / "text.onnx").write_text("hello")
    for path, said in ((tmp_path / "no.onnx", "does not exist"), (tmp_path / "text.onnx", "not an ONNX file")):
        code, stdout, err = _guise(capfd, "inspect", path)
        assert (code, stdout, err.count("\n")) == (2, "", 1)
        assert said in err


@pytest.mark.parametrize("verb", ["export", "inspect"])
def test_help_has_an_example(verb: str, capfd: pytest.CaptureFixture[str]) -> None:
    code, said, _ = _guise(capfd, verb, "--help")
    assert code == 0
    assert f"Example: guise {verb}" in said
