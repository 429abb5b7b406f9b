"""From a run of voices to a frozen voice, by the verbs, compared with torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

import guise
from export.artifact import model_file
from export.artifact.fields import Subject
from export.freeze import verify
from export.freeze.verify import NotFaithful
from export.runtime.frozen_voice import MAX_FRAME_GAIN, MAX_MEAN_GAIN, open_frozen_voice
from export.runtime.session import open_session
from models.features.speech import MCEPS, WorldFrames
from models.training.checkpoint import load_run
from models.training.family import FreezePlan
from models.voices.running_correlation import STATE, WIDTH
from models.voices.speaker_stats import GIVES, UNKNOWN_SPEAKER
from models.voices.speaker_stats import STATES as SPEAKER
from tests.models.voice_folders import drawn_sentence, write_voice

torch.set_num_threads(1)
Capture = pytest.CaptureFixture[str]


STATES = SPEAKER | {STATE: WIDTH}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`guise train statistics anna ben`."""
    rng = np.random.default_rng(0)
    root = tmp_path_factory.mktemp("road")
    for name, who in (("anna", (5.3, 0.2, 2.0)), ("ben", (4.7, 0.15, -1.0))):
        write_voice(root / name, name, [drawn_sentence(rng, *who, 300) for _ in range(4)])
    folders = [str(root / name) for name in ("anna", "ben")]
    assert guise.main(["train", "statistics", *folders, "--out", str(root / "run"), "--precision", "32-true"]) == 0
    return root / "run"


@pytest.fixture(scope="module")
def frozen(run: Path) -> Path:
    out = run.with_name("ben.onnx")
    arguments = ["--target", "ben", "--subject", "anna=self", "--subject", "ben=signed, 3 May"]
    assert guise.main(["export", str(run), "--out", str(out), *arguments]) == 0
    return out


@pytest.fixture
def plan(run: Path) -> FreezePlan:
    loaded = load_run(run)
    return loaded.run.family.freeze(loaded.networks, loaded.run.options, loaded.run.facts, "ben")


def test_the_manifest_has_what_a_screen_needs(frozen: Path) -> None:
    manifest = model_file.check_model(frozen, "voice")
    assert (manifest.name, manifest.form) == ("ben", "features")
    assert manifest.subject == Subject(who="anna, ben", statement="anna=self; ben=signed, 3 May")
    assert (manifest.sample_rate, manifest.hop, manifest.lookahead, manifest.context) == (16000, 320, 0, 0)
    assert manifest.conditioning == {"source": [UNKNOWN_SPEAKER, "anna", "ben"]}
    anna, ben = manifest.speakers
    assert (anna.name, anna.target, ben.name, ben.target) == ("anna", False, "ben", True)
    assert anna.lf0_mean == pytest.approx(5.3, abs=0.02)
    assert ben.lf0_std == pytest.approx(0.15, abs=0.02)
    assert manifest.states == {name: f"next_{name}" for name in STATES}
    parity: Any = manifest.training.metrics["parity"]
    assert parity["hops"] > 200
    assert parity["cents"] < 0.5


def test_with_its_states_it_gives_the_outputs_of_the_network(frozen: Path, plan: FreezePlan) -> None:
    one = drawn_sentence(np.random.default_rng(3), 5.0, 0.2, 0.5, 400)
    columns: list[Any] = [np.asarray(x, np.float32)[None] for x in one[:3]]
    session_states = {name: np.zeros((1, width), np.float32) for name, width in STATES.items()}
    network_states = [torch.zeros(1, width) for width in STATES.values()]
    moved = 0.0
    with open_session(frozen, "cpu", 1) as session, torch.no_grad():
        for begin in range(0, 400, 4):
            part = [column[:, begin : begin + 4] for column in columns]
            wanted = plan.module(*(torch.from_numpy(p) for p in part), torch.tensor([0]), *network_states)
            network_states = list(wanted[len(GIVES) :])
            got = session.run(
                **dict(zip(("mcep", "lf0", "voiced"), part, strict=True)), source=np.array([0]), **session_states
            )
            session_states = {name: got[f"next_{name}"].copy() for name in STATES}
            np.testing.assert_allclose(got["converted_mcep"], wanted[0].numpy(), atol=1e-4)
            np.testing.assert_allclose(got["converted_lf0"], wanted[1].numpy(), atol=1e-5)
            assert np.array_equal(got["converted_lf0"] > 0, part[2] > 0)
            moved = max(moved, float(np.abs(got["converted_mcep"] - part[0]).max()))
    assert moved > 0.5


def test_fp16_is_faithful_too(run: Path, frozen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = onnx.load(frozen)
    del graph.metadata_props[:]
    # Exporting takes seconds, and the graph is the same.
    monkeypatch.setattr("export.freeze.freeze.to_onnx", lambda _: graph)
    out = tmp_path / "half.onnx"
    arguments = ["--target", "ben", "--subject", "anna=self", "--subject", "ben=self", "--precision", "fp16"]
    assert guise.main(["export", str(run), "--out", str(out), *arguments]) == 0
    assert model_file.check_model(out).precision == "fp16"


class _ChangedVoice(nn.Module):
    """A voice whose outputs are then changed."""

    def __init__(self, voice: nn.Module, change: Callable[[tuple[Tensor, ...]], tuple[Tensor, ...]]) -> None:
        super().__init__()
        self.voice, self.change = voice, change

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return self.change(self.voice(*inputs))


@pytest.mark.parametrize(
    ("change", "unit"),
    [
        (lambda a: (a[0] + 0.05, *a[1:]), "db"),
        (lambda a: (a[0], a[1] * 1.001, *a[2:]), "cents"),
        (lambda a: (*a[:2], 1 - a[2], *a[3:]), "of_255"),
        # Each hop alone is right; only carried on does it drift.
        (lambda a: (*a[:4], a[4] + 1e-3, *a[5:]), "db"),
        (lambda a: (a[0] * float("nan"), *a[1:]), "nan db"),
    ],
    ids=["cepstra", "pitch", "voicing", "state", "not a number"],
)
def test_a_voice_with_other_outputs_is_refused(
    frozen: Path, plan: FreezePlan, change: Callable[[tuple[Tensor, ...]], tuple[Tensor, ...]], unit: str
) -> None:
    other = replace(plan, module=_ChangedVoice(plan.module, change).eval())
    with open_session(frozen, "cpu", 1) as session, pytest.raises(NotFaithful, match=unit) as refused:
        verify.parity(other, session)
    assert "\n" not in str(refused.value)


def test_a_source_out_of_range_is_the_nearest_one(frozen: Path) -> None:
    """Indices come from cues: one out of range must not stop the sound."""
    with open_session(frozen, "cpu", 1) as session:
        rest = {name: np.zeros((1, width), np.float32) for name, width in STATES.items()}
        rest |= {name: np.ones((1, 4), np.float32) for name in ("lf0", "voiced")}
        rest["mcep"] = np.ones((1, 4, MCEPS), np.float32)
        answers = [
            session.run(source=np.array([number]), **rest)["converted_mcep"].copy() for number in (-5, 0, 1, 2, 99)
        ]
    assert np.array_equal(answers[0], answers[1])
    assert np.array_equal(answers[3], answers[4])
    assert not np.array_equal(answers[2], answers[3])


def test_inspect_shows_the_speakers(frozen: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert guise.main(["inspect", str(frozen)]) == 0
    said = capfd.readouterr().out
    assert "becomes" in said
    assert "anna, 200 Hz" in said.replace("201", "200").replace("199", "200")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--subject", "anna=self", "--subject", "ben=self"], "--target with one of anna, ben"),
        (["--target", "carl", "--subject", "anna=self", "--subject", "ben=self"], "this run knows anna, ben"),
        (["--target", "ben", "--subject", "self"], "--subject anna=TEXT"),
        (["--target", "ben", "--subject", "ben=self"], "--subject anna=TEXT"),
        (["--target", "ben", "--subject", "ben=a", "--subject", "anna=b", "--subject", "carl=c"], "carl"),
    ],
)
def test_export_refuses_in_one_line(run: Path, tmp_path: Path, capfd: Capture, arguments: list[str], said: str) -> None:
    out = tmp_path / "voice.onnx"
    capfd.readouterr()
    assert guise.main(["export", str(run), "--out", str(out), *arguments]) == 2
    stdout, error = capfd.readouterr()
    assert said in error
    assert (stdout, error.count("\n"), out.exists()) == ("", 1, False)


def test_training_on_what_is_no_voice_is_refused(tmp_path: Path, capfd: Capture) -> None:
    assert guise.main(["train", "statistics", str(tmp_path), "--out", str(tmp_path / "run")]) == 2
    assert "guise prepare voice" in capfd.readouterr().err


def test_noise_unlike_all_training_data_does_not_get_loud(frozen: Path) -> None:
    """Far from all training data, whatever the tilt."""
    mapping = open_frozen_voice(frozen, "cpu")._layers[0].mapping  # type: ignore[attr-defined]
    for tilt in (-0.02, 0.0, 0.02):
        envelope = np.exp(tilt * (np.arange(513) - 256))[None].repeat(4, 0) * 1e-3
        for f0 in (0.0, 150.0):
            said = mapping.convert(WorldFrames(np.full(4, f0), envelope, np.full((4, 513), 0.5)))
            assert (said.envelope.sum(1) < 1.001 * MAX_FRAME_GAIN * envelope.sum(1)).all()


def test_speech_that_would_be_louder_throughout_is_limited(frozen: Path) -> None:
    mapping = open_frozen_voice(frozen, "cpu")._layers[0].mapping  # type: ignore[attr-defined]
    mapping._envelope_change = lambda mcep, converted: 5.0
    spoken, said = 0.0, 0.0
    for hop in range(300):
        envelope = np.full((4, 513), 1e-3 * (1 + hop % 7))
        heard = mapping.convert(WorldFrames(np.full(4, 150.0), envelope, np.full((4, 513), 0.5)))
        spoken, said = spoken + envelope.sum(), said + heard.envelope.sum()
    assert 0.9 * MAX_MEAN_GAIN < said / spoken < 1.1 * MAX_MEAN_GAIN
    assert MAX_MEAN_GAIN < MAX_FRAME_GAIN
